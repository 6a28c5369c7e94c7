package checkwire

import (
	"strings"
	"unicode/utf8"
)

// ReplaceInvalidUTF8 writes each byte that is no UTF-8 as '!'.
func ReplaceInvalidUTF8(raw string) string {
	if utf8.ValidString(raw) {
		return raw
	}
	var clean strings.Builder
	for len(raw) > 0 {
		r, size := utf8.DecodeRuneInString(raw)
		if r == utf8.RuneError && size == 1 {
			clean.WriteByte('!')
		} else {
			clean.WriteString(raw[:size])
		}
		raw = raw[size:]
	}
	return clean.String()
}
