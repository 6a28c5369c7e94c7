package tokensearch

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// sample is a token whose header, claims and signature are ordinary.
const sampleClaims = `{"iss":"https://as.example.com","aud":"https://mcp.example.com/mcp","sub":"u~ü?"}`

var sample = encode(`{"alg":"RS256","typ":"at+jwt","kid":"1"}`) + "." + encode(sampleClaims) + "." + encode("a signature of many bytes")

func in(value string) func(func(Part) bool) {
	return slices.Values([]Part{{Kind: Body, Value: value}})
}

// found is the payloads that a search yields.
func found(t *testing.T, value string) (map[string]bool, error) {
	t.Helper()
	all := map[string]bool{}
	for candidate, err := range Find(in(value)) {
		if err != nil {
			return all, err
		}
		text, err := base64.RawURLEncoding.DecodeString(strings.Split(candidate.Compact, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		if candidate.Claims["iss"] == nil && candidate.Claims["aud"] == nil && !strings.Contains(strings.ToLower(string(text)), "null") {
			names := slices.Collect(maps.Keys(candidate.Claims))
			if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, "iss") || strings.EqualFold(n, "aud") }) {
				t.Errorf("claims without iss and aud: %v", candidate.Claims)
			}
		}
		all[string(text)] = true
	}
	return all, nil
}

// FuzzFind compares a search with the reference: all that must be found, and nothing
// that may not.
func FuzzFind(f *testing.F) {
	for _, seed := range []string{
		"", "a.b.c", "Bearer " + sample, `{"a":"` + sample + `"}`, url.QueryEscape(sample), encode(sample), "x" + encode(sample),
		base64.StdEncoding.EncodeToString([]byte("user:" + sample)), strings.ReplaceAll(sample, ".", `\u002e`),
		`{"payload":"` + strings.Split(sample, ".")[1] + `","signatures":[]}`, encode(` {"payload":"` + strings.Split(sample, ".")[1] + `"}`),
		"a" + encode(`{"payload" : "`+strings.Split(sample, ".")[1]+`"}`), "payload:payload:e", ".e.e.e.", "." + encode(` {"aud":1}`) + ".",
		"." + encode("\ufeff{\"aud\":1}") + ".", "." + encode(`{"aud":"\ud800"}`) + ".", strings.Join(strings.Split(sample, ""), "\x00"),
		"." + encode(`{"aud":1,"AUD":2,"iss":{"aud":[1e999]}}`) + ".", `.eyJ\u0068dWQiOjF9.`, "uZXlKcGMxTWlPaUx0Y010YXB0X000ZDBpZlYu",
		"a." + encode(`{"aud":1}`), "a." + encode(`{"aud":1}`) + " b", `"payload" "` + encode(`{"aud":1}`) + `"`,
		encode("a." + encode(`{"aud":1}`))[1:], encode("." + encode(`{"aud":1}`) + ".")[1:],
		encode("a." + encode(`{"aud":1}`) + ".")[1:], encode("ab." + encode(`{"aud":1}`) + ".")[2:], "%2e" + encode(`{"aud":1}`) + "%2E",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) { compare(t, value) })
}

func compare(t *testing.T, value string) {
	t.Helper()
	got, err := found(t, value)
	if err != nil {
		return
	}
	must, may := reference(value)
	for claims := range must {
		if !got[claims] {
			t.Errorf("%q: not found: %q", value, claims)
		}
	}
	for claims := range got {
		if !may[claims] {
			t.Errorf("%q: found, and not there: %q", value, claims)
		}
	}
}

// hider writes a token in a way that a lenient reader reads.
type hider struct{ *rand.Rand }

func (h hider) spaced(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if h.IntN(8) == 0 {
			b.WriteString([]string{" ", "\n", "\r\n ", "\t"}[h.IntN(4)])
		}
		b.WriteByte(c)
	}
	return b.String()
}

// claims has white space, members in another order, another case and twice.
func (h hider) claims() string {
	members := []string{`"iss":"https://as.example.com"`, `"aud":"a"`, `"aud":["b","a"]`, `"AUD":"a"`, `"sub":"~~~???ÿÿ"`, `"x":{"y":[1,null]}`}
	h.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	members = append(members[:h.IntN(len(members))], `"Iss":"x"`)
	blank := []string{"", " ", "\n", "\t\r\n", "\ufeff", "\ufeff "}[h.IntN(6)]
	return blank + "{" + h.spaced("") + strings.Join(members, []string{",", ", ", ",\n"}[h.IntN(3)]) + "}"
}

func (h hider) encoding() *base64.Encoding {
	return []*base64.Encoding{base64.RawURLEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.StdEncoding}[h.IntN(4)]
}

func (h hider) token(claims string) string {
	header := []string{"", "no base64 at all: {}", encode(`{"alg":"none"}`), encode(`{"alg":`)}[h.IntN(4)]
	payload := h.encoding().EncodeToString([]byte(claims))
	if h.IntN(3) == 0 {
		payload = h.spaced(payload)
	}
	if h.IntN(4) == 0 {
		return `{"protected":"` + header + `", "payload" :"` + payload + `","signature":""}`
	}
	return header + "." + payload + "." + []string{"", "c2ln", "?"}[h.IntN(3)]
}

// percent, escape and base64 are the forms in which a token may be, once.
func (h hider) form(token string) string {
	every := func(format string) string {
		var b strings.Builder
		for _, c := range []byte(token) {
			if h.IntN(3) == 0 {
				fmt.Fprintf(&b, format, c)
			} else {
				b.WriteByte(c)
			}
		}
		return b.String()
	}
	switch h.IntN(5) {
	case 0:
		return strings.ReplaceAll(strings.ReplaceAll(every("%%%02X"), "\ufeff", ""), `\`, "")
	case 1:
		quoted, err := json.Marshal(token)
		if err != nil {
			panic(err)
		}
		return strings.NewReplacer(".", `\u002e`, "e", `\u0065`).Replace(string(quoted))
	case 2:
		return h.encoding().EncodeToString([]byte("some text" + strings.Repeat(" ", h.IntN(4)) + token))
	case 3:
		return h.spaced(h.encoding().EncodeToString([]byte("some text" + token)))
	default:
		return token
	}
}

// TestFindHidden plants tokens: every one is found, whatever surrounds it.
func TestFindHidden(t *testing.T) {
	h := hider{rand.New(rand.NewPCG(1, 2))}
	around := []string{"", " ", "Bearer ", `{"a":"`, "x=1&t=", "--b\r\n\r\n", "(", "a.b: ", "Basic ", "..", `","payload":7,"b":"`, "%", "é"}
	for range 5000 {
		claims := h.claims()
		value := around[h.IntN(len(around))] + h.form(h.token(claims)) + []string{"", `"}`, "&x=y", " .", "\r\n--b--"}[h.IntN(5)]
		got, err := found(t, value)
		ok := false
		for text := range got {
			ok = ok || strings.HasPrefix(text, claims) // what is behind the object does not count
		}
		if err != nil || !ok {
			t.Fatalf("%q is not found in %q: %v %v", claims, value, got, err)
		}
		compare(t, value)
	}
}

// TestFindBounds: what is beyond a bound ends the search with an error, once and last.
func TestFindBounds(t *testing.T) {
	var many strings.Builder
	for i := range MaxCandidates {
		fmt.Fprintf(&many, "a.%s.b ", encode(fmt.Sprintf(`{"iss":"%d"}`, i)))
	}
	long := "a." + encode(`{"iss":"`+strings.Repeat("a", MaxPayload)+`"}`) + ".b"
	rows := []struct {
		intent, value string
		number        int
		want          error
	}{
		{"as many as may be", many.String() + many.String(), MaxCandidates, nil},
		{"one more", many.String() + sample + sample, MaxCandidates, ErrTooMany},
		{"one more in a later part", many.String() + strings.Repeat(encode(sample)+" ", 2), MaxCandidates, ErrTooMany},
		{"as long as may be", "a." + encode(`{"iss":"`+strings.Repeat("a", MaxPayload-10)+`"}`) + ".b", 1, nil},
		{"longer", long + " " + sample, 0, ErrTooLong},
		{"longer, and no JSON", "a." + encode("{"+strings.Repeat("\x01", MaxPayload)) + ".b " + sample, 1, nil},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			number, end := 0, error(nil)
			for candidate, err := range Find(in(row.value)) {
				if end != nil {
					t.Error("more after an error")
				}
				if end = err; err == nil {
					number++
				} else if candidate.Compact != "" || candidate.Claims != nil {
					t.Error("a candidate beside an error")
				}
			}
			if number != row.number || !errors.Is(end, row.want) {
				t.Errorf("%d and %v, want %d and %v", number, end, row.number, row.want)
			}
		})
	}
}
