// Package hiding lists places and forms in which a server could send a token away, for
// tests: those in which it is found, and those in which it is not.
package hiding

import (
	"bytes"
	"compress/gzip"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"
)

// Outcome is what becomes of a request.
type Outcome uint8

// The outcomes.
const (
	Found  Outcome = iota // the token is found
	Unread                // the body cannot be searched
	Missed                // nothing is found
)

// Row is one request with a token in it.
type Row struct {
	Group, Intent string
	Outcome       Outcome
	Why           string // for a row that is not Found

	Method, Host, Path string // "": POST with a body and GET without, any host, "/"
	Headers            [][2]string
	Body               string
}

// token is a compact JWS and its parts.
type token struct{ compact, header, payload, signature string }

// Rows are the places and forms, with a token that is written as RFC 7515 has it.
func Rows(compact string) []Row {
	parts := strings.SplitN(compact, ".", 3)
	t := token{compact, parts[0], parts[1], parts[2]}
	var all []Row
	groups := []string{
		"headers", "path and query", "JSON", "other bodies", "forms of a token", "not searched", "not found",
	}
	for i, rows := range [][]Row{
		t.headers(), t.paths(), t.documents(), t.bodies(), t.forms(), t.unread(), t.missed(),
	} {
		for _, row := range rows {
			row.Group = groups[i]
			all = append(all, row)
		}
	}
	return all
}

func header(intent, name, value string) Row {
	return Row{Intent: intent, Headers: [][2]string{{name, value}}}
}

func body(intent, contentType, text string) Row {
	return Row{Intent: intent, Headers: [][2]string{{"content-type", contentType}}, Body: text}
}

func std(text string) string    { return base64.StdEncoding.EncodeToString([]byte(text)) }
func rawURL(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// each writes every byte of a text in a format.
func each(format, text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, format, c)
	}
	return b.String()
}

// lines breaks a text as MIME does.
func lines(text string) string {
	var b strings.Builder
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	return b.String() + text
}

func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(quoted)
}

func (t token) headers() []Row {
	return []Row{
		header("Authorization", "authorization", "Bearer "+t.compact),
		header("another scheme", "authorization", "Token "+t.compact),
		header("the password of Basic", "authorization", "Basic "+std("user:"+t.compact)),
		header("the user of Basic", "authorization", "Basic "+std(t.compact+":")),
		header("a header of any name", "x-api-key", t.compact),
		header("one of several values", "x-tokens", "a, "+t.compact+", b"),
		header("a cookie", "cookie", "a=b; session="+t.compact),
		header("a cookie, percent-encoded", "cookie", "session="+each("%%%02x", t.compact)),
		header("baggage", "baggage", "a=b,token="+t.compact+";ttl=1"),
		header("a URL in a header", "referer", "https://example.com/?token="+t.compact),
		header("JSON in a header", "x-context", `{"token":"`+strings.ReplaceAll(t.compact, ".", `\u002e`)+`"}`),
		header("base64 in a header", "x-context", std(`{"token":"`+t.compact+`"}`)),
		header("base64url without padding in a header", "x-context", rawURL(`{"user":"~","token":"`+t.compact+`"}`)),
		header("quoted, with spaces", "x-token", `" `+t.compact+` "`),
		{Intent: "the authority", Host: t.compact},
	}
}

func (t token) paths() []Row {
	return []Row{
		{Intent: "a segment of the path", Path: "/v1/" + t.compact + "/x"},
		{Intent: "the path, its dots percent-encoded", Path: "/v1/" + strings.ReplaceAll(t.compact, ".", "%2E")},
		{Intent: "the path, base64url", Path: "/v1/x/" + rawURL("a"+t.compact)},
		{Intent: "a parameter of the path", Path: "/v1;token=" + t.compact},
		{Intent: "a query parameter", Path: "/?access_token=" + t.compact},
		{Intent: "the name of a query parameter", Path: "/?" + t.compact + "=1"},
		{Intent: "a query parameter, percent-encoded", Path: "/?t=" + each("%%%02X", t.compact)},
		{Intent: "a query parameter, base64 percent-encoded", Path: "/?t=" + url.QueryEscape(std("??>"+t.compact))},
		{Intent: "JSON in a query parameter", Path: "/?filter=" + url.QueryEscape(`{"token":"`+t.compact+`"}`)},
	}
}

func (t token) documents() []Row {
	inText := quote(`{"token":` + quote("Bearer "+t.compact) + `}`)
	return []Row{
		body("a string", "application/json", `{"token":`+quote(t.compact)+`}`),
		body("a string deep in arrays", "application/json",
			strings.Repeat("[", 500)+quote(t.compact)+strings.Repeat("]", 500)),
		body("the name of a member", "application/json", `{`+quote(t.compact)+`:true}`),
		body(`its dots as \u002e`, "application/json", `{"token":"`+strings.ReplaceAll(t.compact, ".", `\u002e`)+`"}`),
		body(`every character as \u`, "application/json", `{"token":"`+each(`\u%04x`, t.compact)+`"}`),
		body("the name of a member, escaped", "application/json", `{"`+each(`\u%04X`, t.compact)+`":1}`),
		body("JSON in a string of JSON", "application/json", `{"body":`+inText+`}`),
		body("base64 in a string", "application/json", `{"blob":`+quote(std("x"+t.compact))+`}`),
		body("base64 in lines", "application/json", `{"blob":`+quote(lines(std("the token is "+t.compact)))+`}`),
		body("base64, its slashes escaped", "application/json",
			`{"blob":"`+strings.ReplaceAll(std("???"+t.compact), "/", `\/`)+`"}`),
		body("percent-encoded in a string", "application/json",
			`{"url":"https://example.com/?t=`+each("%%%02x", t.compact)+`"}`),
		body("JSON of the wrong type", "text/html", `{"token":`+quote(t.compact)+`}`),
		body("JSON that ends in the middle", "application/json", `{"token":"`+t.compact),
		body("behind 1 MiB but a little", "application/json",
			`{"padding":"`+strings.Repeat("a.", 1<<19-2<<10)+`","token":`+quote(t.compact)+`}`),
	}
}

func (t token) bodies() []Row {
	multipart := func(headers, text string) string {
		return "--b\r\ncontent-disposition: form-data; name=\"f\"" + headers + "\r\n\r\n" + text + "\r\n--b--\r\n"
	}
	wide := func(text string) string {
		var b bytes.Buffer
		for _, c := range utf16.Encode([]rune(text)) {
			b.Write([]byte{byte(c), byte(c >> 8)})
		}
		return b.String()
	}
	return []Row{
		body("a form", "application/x-www-form-urlencoded", "a=b&token="+t.compact),
		body("a form, percent-encoded", "application/x-www-form-urlencoded", "token="+each("%%%02X", t.compact)),
		body("the name in a form", "application/x-www-form-urlencoded", t.compact+"=&a=b"),
		body("base64 in a form", "application/x-www-form-urlencoded",
			url.Values{"t": {std("?>?" + t.compact)}}.Encode()),
		body("JSON in a form", "application/x-www-form-urlencoded",
			url.Values{"t": {`{"t":"` + t.compact + `"}`}}.Encode()),
		body("text", "text/plain", "The token is "+t.compact+". Keep it."),
		body("a field of multipart", "multipart/form-data; boundary=b", multipart("", t.compact)),
		body("a file of multipart", "multipart/form-data; boundary=b",
			multipart("; filename=\"a.json\"", `{"a":`+quote(t.compact)+`}`)),
		body("base64 in multipart", "multipart/form-data; boundary=b",
			multipart("\r\ncontent-transfer-encoding: base64", lines(std("token: "+t.compact)))),
		body("the name of a file of multipart", "multipart/form-data; boundary=b",
			multipart("; filename=\""+t.compact+"\"", "")),
		body("XML", "application/xml", "<a t='"+t.compact+"'>"+t.compact+"</a>"),
		body("YAML", "application/yaml", "token: >-\n  "+t.compact+"\n"),
		body("a message of protobuf", "application/x-protobuf", "\x0a\xac\x02"+t.compact+"\x10\x01"),
		body("UTF-16", "text/plain; charset=utf-16", wide("\ufefftoken: "+t.compact)),
		body("no type", "", t.compact),
	}
}

func (t token) forms() []Row {
	flattened := `{"protected":"` + t.header + `","payload":"` + t.payload + `","signature":"` + t.signature + `"}`
	general := `{"signatures":[{"signature":"` + t.signature + `","protected":"` + t.header + `"}],` +
		` "payload" : "` + t.payload + `"}`
	spaced := t.header[:5] + " " + t.header[5:] + " . " + t.payload[:7] + " " + t.payload[7:] + " ." + t.signature
	outer := t.header + "." + rawURL(`{"sub":"x","subject_token":"`+t.compact+`"}`) + ".c2ln"
	escaped := strings.ReplaceAll(general, "payload", `p\u0061yload`)
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(t.payload)
	return []Row{
		header("parts with padding", "x-token", t.header+"==."+t.payload+"==."+t.signature+"=="),
		header("the standard alphabet", "x-token", t.header+"."+standard+"."+t.signature),
		header("spaces in the parts", "x-token", spaced),
		body("line breaks in the parts", "text/plain", t.header+".\n"+lines(t.payload)+"\n."+lines(t.signature)),
		body("line breaks in the parts, in JSON", "application/json", `{"t":`+quote(lines(t.compact))+`}`),
		header("a header that cannot be read", "x-token", "?."+t.payload+"."+t.signature),
		header("another header", "x-token", rawURL(`{"alg":"none"}`)+"."+t.payload+"."+t.signature),
		header("no signature", "x-token", t.header+"."+t.payload+"."),
		header("behind another token", "x-token", t.header+"."+t.header+"."+t.payload+"."+t.signature),
		header("in the payload of another token", "x-token", outer),
		body("flattened JSON serialisation", "application/json", flattened),
		body("general JSON serialisation", "application/jose+json", general),
		body("JSON serialisation in a string", "application/json", `{"t":`+quote(general)+`}`),
		body("JSON serialisation, base64", "text/plain", std("x "+flattened)),
		body("JSON serialisation, its names escaped", "application/json", escaped),
	}
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err)
	}
	return b.String()
}

// because gives a row another outcome.
func because(outcome Outcome, why string, rows ...Row) []Row {
	for i := range rows {
		rows[i].Outcome, rows[i].Why = outcome, why
	}
	return rows
}

func (t token) unread() []Row {
	encoded := func(intent, encoding string) Row {
		row := body(intent, "text/plain", zipped(t.compact))
		row.Headers = append(row.Headers, [2]string{"content-encoding", encoding})
		return row
	}
	return append(
		because(Unread, "an encoded body is not decoded",
			encoded("a compressed body", "gzip"),
			encoded("a body in two encodings, one of them identity", "identity, gzip")),
		because(Unread, "Envoy sends the beginning alone, or answers 413 itself",
			body("behind more than Envoy sends", "text/plain", strings.Repeat("a ", 1<<19)+t.compact))...)
}

func (t token) missed() []Row {
	half := len(t.compact) / 2
	first, second := t.compact[:half], t.compact[half:]
	masked, backwards := []byte(t.compact), []byte(t.compact)
	slices.Reverse(backwards)
	for i := range masked {
		masked[i] ^= 0x5a
	}
	return slices.Concat(
		because(Missed, "no part of it is a token",
			Row{Intent: "split over two headers", Headers: [][2]string{{"x-a", first}, {"x-b", second}}},
			Row{Intent: "its parts in three headers", Headers: [][2]string{
				{"x-a", t.header}, {"x-b", t.payload}, {"x-c", t.signature},
			}},
			body("split over two members", "application/json", `{"a":"`+first+`","b":"`+second+`"}`)),
		because(Missed, "one encoding is removed, not two",
			header("base64 twice", "x-context", std(std(t.compact))),
			Row{Intent: "percent-encoded twice", Path: "/?t=" + each("%%25%02x", t.compact)},
			body(`its dots as \\u002e`, "application/json",
				`{"t":"`+strings.ReplaceAll(t.compact, ".", `\\u002e`)+`"}`)),
		because(Missed, "an encoding that is not removed",
			header("hexadecimal", "x-context", hex.EncodeToString([]byte(t.compact))),
			header("base32", "x-context", base32.StdEncoding.EncodeToString([]byte(t.compact))),
			header("backwards", "x-context", string(backwards)),
			header("another separator", "x-context", strings.ReplaceAll(t.compact, ".", ":")),
			body("quoted-printable", "text/plain", strings.ReplaceAll(t.compact, ".", "=2E")),
			body("compressed, and no header says so", "application/octet-stream", zipped(t.compact)),
			body("encrypted", "application/octet-stream", string(masked))),
		because(Missed, "Envoy writes names in lower case: what arrives is no token",
			header("the name of a header", strings.ReplaceAll(strings.ToLower(t.compact), "_", "-"), "1")),
		because(Missed, "no JWT, which no server accepts as a credential",
			header("claims without a signature", "x-jwt-payload", t.payload)))
}
