package tokensearch

import (
	"slices"
	"strings"
)

// appendPercentDecoded decodes every escape of RFC 3986, section 2.1, and keeps what is
// none: other readers refuse the whole text, and a token in it must be found.
func appendPercentDecoded(to []byte, text string) []byte {
	to = slices.Grow(to, len(text))
	for {
		at := strings.IndexByte(text, '%')
		if at < 0 {
			return append(to, text...)
		}
		to = append(to, text[:at]...)
		text = text[at:]
		if code, isCode := unhex(text, 1, 2); isCode {
			to, text = append(to, byte(code)), text[3:] //nolint:gosec // two digits
		} else {
			to, text = append(to, '%'), text[1:]
		}
	}
}

// escapes are the letters behind a backslash that mean another character (RFC 8259,
// section 7).
var escapes = [256]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// appendUnescaped removes the escapes of strings in JSON, wherever they are. Every
// character beyond ASCII becomes one byte that is in no token.
func appendUnescaped(to []byte, text string) []byte {
	to = slices.Grow(to, len(text))
	for {
		at := strings.IndexByte(text, '\\')
		if at < 0 || at == len(text)-1 {
			return append(to, text...)
		}
		to = append(to, text[:at]...)
		letter := text[at+1]
		text = text[at+2:]
		digits := 0
		switch letter {
		case 'u':
			digits = 4
		case 'x': // of JavaScript and YAML
			digits = 2
		}
		if code, isCode := unhex(text, 0, digits); isCode && digits > 0 {
			to, text = append(to, byte(min(code, 0xff))), text[digits:] //nolint:gosec // no more than a byte
			continue
		}
		if escapes[letter] != 0 {
			letter = escapes[letter]
		}
		to = append(to, letter)
	}
}

// unhex reads a number of hexadecimal digits.
func unhex(text string, from, digits int) (code int, ok bool) {
	if len(text) < from+digits {
		return 0, false
	}
	for _, c := range []byte(text[from : from+digits]) {
		switch {
		case c >= '0' && c <= '9':
			code = code<<4 | int(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			code = code<<4 | int(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return code, true
}
