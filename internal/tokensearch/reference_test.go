package tokensearch

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
)

// The reference does what the documentation of the package says in the slow and
// obvious way: it makes every text, and looks at every part between two dots.

var (
	percentEscape = regexp.MustCompile(`%[0-9a-fA-F]{2}`)
	jsonEscape    = regexp.MustCompile(`(?s)\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)`)
	base64Run     = regexp.MustCompile(`[A-Za-z0-9+/_\-\x00-\x20]+`)
	payloadName   = regexp.MustCompile(`(?i)payload`)
	looseName     = regexp.MustCompile(`(?i)yload`)
	memberValue   = regexp.MustCompile(`^["'\\:\x00-\x20]*:["'\\:\x00-\x20]*([^"',:{}\[\]]*)`)
)

func referenceHex(digits string) byte {
	var code int
	for _, c := range strings.ToLower(digits) {
		code = code*16 + strings.IndexRune("0123456789abcdef", c)
	}
	return byte(min(code, 255))
}

func referencePercent(text string) string {
	return string(percentEscape.ReplaceAllFunc([]byte(text), func(e []byte) []byte { return []byte{referenceHex(string(e[1:]))} }))
}

func referenceUnescape(text string) string {
	return string(jsonEscape.ReplaceAllFunc([]byte(text), func(e []byte) []byte {
		if len(e) > 3 {
			return []byte{referenceHex(string(e[2:]))}
		}
		if i := bytes.IndexByte([]byte("bfnrt"), e[1]); i >= 0 {
			return []byte{"\b\f\n\r\t"[i]}
		}
		return e[1:]
	}))
}

// plain is base64 in the standard alphabet without anything else.
func plain(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '-':
			return '+'
		case c == '_':
			return '/'
		case c < 128 && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '/'):
			return c
		}
		return -1
	}, text)
}

func referenceBase64(text string) []byte {
	clean := plain(strings.ToValidUTF8(text, ""))
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	decoded, err := base64.RawStdEncoding.DecodeString(clean)
	if err != nil {
		panic(err)
	}
	return decoded
}

// decodings are what a text is in base64, at each of the four places where a group
// could begin.
func decodings(text string) (all []string) {
	for _, run := range base64Run.FindAllString(text, -1) {
		clean := plain(run)
		for begin := range min(4, len(clean)) {
			all = append(all, string(referenceBase64(clean[begin:])))
		}
	}
	return all
}

// partialDecodings are what a run is if a group began before it: its first bytes are of
// no reader, and those behind them may be found.
func partialDecodings(text string) (all []string) {
	for _, run := range base64Run.FindAllString(text, -1) {
		for _, before := range []string{"A", "AA", "AAA"} {
			all = append(all, string(referenceBase64(before+run)))
		}
	}
	return all
}

// claimsOf is the text of a payload, false for what is none.
func claimsOf(part string) (string, bool) {
	text := referenceBase64(part)
	var object map[string]any
	trimmed := strings.TrimLeftFunc(string(text), func(r rune) bool { return r <= ' ' || r == '\ufeff' })
	decoder := json.NewDecoder(strings.NewReader(trimmed))
	decoder.UseNumber()
	if !strings.HasPrefix(trimmed, "{") || decoder.Decode(&object) != nil {
		return "", false
	}
	for name := range object {
		if strings.EqualFold(name, "iss") || strings.EqualFold(name, "aud") {
			return string(text), true
		}
	}
	return "", false
}

// referenceText is the payloads in one text; name is that of the member.
func referenceText(text string, name *regexp.Regexp, found map[string]bool) {
	add := func(part string) {
		if claims, ok := claimsOf(part); ok {
			found[claims] = true
		}
	}
	parts := strings.Split(text, ".")
	for i := 1; i < len(parts)-1; i++ {
		add(parts[i])
	}
	for _, at := range name.FindAllStringIndex(text, -1) {
		if value := memberValue.FindStringSubmatch(text[at[1]:]); value != nil {
			add(value[1])
		}
	}
}

// reference returns the payloads that must be found in a part, and those that may be.
func reference(value string) (must, may map[string]bool) {
	must, may = map[string]bool{}, map[string]bool{}
	unescaped := referenceUnescape(value)
	for _, text := range []string{value, referencePercent(value), unescaped, referencePercent(unescaped)} {
		referenceText(text, payloadName, must)
		referenceText(text, looseName, may)
		for _, decoded := range decodings(text) {
			referenceText(decoded, regexp.MustCompile(`payload`), must)
			referenceText(decoded, looseName, may)
		}
		for _, decoded := range partialDecodings(text) {
			referenceText(decoded, looseName, may)
		}
	}
	return must, may
}
