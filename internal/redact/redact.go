// Package redact removes credentials from logs, decision logs, dynamic metadata and
// explanations. It decides by content, because a client can put a token anywhere:
// into a path, a host, a method, a claim.
//
// Every value of a request goes through [Text] before it is written. Verified claims
// and the request id must remain searchable: [Name] and [ID] keep more of them.
package redact

import (
	"encoding/base64"
	"strings"
)

// Mark replaces what was removed.
const Mark = "[redacted]"

// shortest is the least length of a random string that counts as a credential, in
// bytes. RFC 6749, section 10.10, requires 128 bits, which are 22 characters of
// base64.
const shortest = 20

// strictness is what is removed beside tokens in compact serialisation.
type strictness uint8

const (
	tokens     strictness = iota // nothing
	tokensAnd                    // random strings but UUIDs
	everything                   // random strings
)

// Text removes whatever looks like a JWS or JWE, and every long random string. It
// returns s itself where there is nothing to remove.
func Text(s string) string { return rewrite(s, everything) }

// Name is [Text] for a name that others configure, such as an issuer: it keeps a
// UUID.
func Name(s string) string { return rewrite(s, tokensAnd) }

// ID removes only what looks like a JWS or JWE. It is for values that may be random:
// a verified jti, client, key id or subject, and the request id.
func ID(s string) string { return rewrite(s, tokens) }

// Path is [Text] for a path up to its first parameter. A client can write parameters
// into a path, and one of them may be a credential of any form.
func Path(path string) string {
	if i := strings.IndexAny(path, ";#&="); i >= 0 {
		return Text(path[:i]) + "..."
	}
	return Text(path)
}

// Host is [Text] for an authority, without its user information, which may be a
// password.
func Host(authority string) string { return Text(authority[strings.LastIndexByte(authority, '@')+1:]) }

// Value is [ID] for a claim of any type. It returns value itself where there is
// nothing to remove, and never changes it.
func Value(value any) any {
	switch v := value.(type) {
	case string:
		return ID(v)
	case []any:
		if !holds(v) {
			return value
		}
		clean := make([]any, len(v))
		for i, element := range v {
			clean[i] = Value(element)
		}
		return clean
	case map[string]any:
		if !holds(v) {
			return value
		}
		clean := make(map[string]any, len(v))
		for name, element := range v {
			clean[ID(name)] = Value(element)
		}
		return clean
	}
	return value
}

// holds reports a string in value from which something is removed.
func holds(value any) bool {
	switch v := value.(type) {
	case string:
		return ID(v) != v
	case []any:
		for _, element := range v {
			if holds(element) {
				return true
			}
		}
	case map[string]any:
		for name, element := range v {
			if ID(name) != name || holds(element) {
				return true
			}
		}
	}
	return false
}

// rewrite redacts each word of s. Words are separated by characters that neither a
// token nor an escape of one has.
func rewrite(s string, strict strictness) string {
	if len(s) < shortest || strict == tokens && strings.IndexByte(s, '.') < 0 && strings.IndexByte(s, '%') < 0 {
		return s
	}
	var clean strings.Builder
	done := 0 // bytes of s that are written
	for begin := 0; begin < len(s); begin++ {
		if !inWord(s[begin]) {
			continue
		}
		end := begin + 1
		for end < len(s) && inWord(s[end]) {
			end++
		}
		word := s[begin:end]
		if plain := hideIn(word, strict); plain != word {
			clean.WriteString(s[done:begin])
			clean.WriteString(plain)
			done = end
		}
		begin = end
	}
	if done == 0 {
		return s
	}
	clean.WriteString(s[done:])
	return clean.String()
}

func inWord(c byte) bool { return isBase64url(c) || strings.IndexByte("~+=%.", c) >= 0 }

// hideIn removes credentials from one word: the whole word where it has a token, else
// each random part, and each piece between two of them with a random part behind
// escapes. What looks like an escape may be none, so the word as it is written is
// tested too. Its time is linear, since a client writes the word.
func hideIn(word string, strict strictness) string {
	if len(word) < shortest {
		return word
	}
	switch {
	case isToken(word), isToken(unescape(word)):
		return Mark
	case strict == tokens:
		return word
	}
	var clean strings.Builder
	for {
		begin, end := randomPart(word, strict)
		if begin == end {
			break
		}
		clean.WriteString(hideEscaped(word[:begin], strict))
		clean.WriteString(Mark)
		word = word[end:]
	}
	if clean.Len() == 0 {
		return hideEscaped(word, strict)
	}
	clean.WriteString(hideEscaped(word, strict))
	return clean.String()
}

// hideEscaped removes a piece of a word that has a random part behind escapes.
func hideEscaped(piece string, strict strictness) string {
	if len(piece) < shortest || strings.IndexByte(piece, '%') < 0 {
		return piece
	}
	if begin, end := randomPart(unescape(piece), strict); begin < end {
		return Mark
	}
	return piece
}

// randomPart are the bounds of the first random part of a word; 0, 0 without one.
func randomPart(word string, strict strictness) (begin, end int) {
	for end < len(word) {
		for begin = end; end < len(word) && inPart(word[end]); {
			end++
		}
		part := word[begin:end]
		if isRandom(part) && (strict == everything || !isUUID(part)) {
			return begin, end
		}
		end++
	}
	return 0, 0
}

func inPart(c byte) bool { return isBase64url(c) || c == '~' || c == '+' }

// isToken reports a compact serialisation (RFC 7515, section 7.1; RFC 7516, section
// 7.1) in a word: a part that is the base64url of a JSON object, and two more parts.
// Other text may precede it.
func isToken(word string) bool {
	if strings.Count(word, ".") < 2 {
		return false
	}
	for i := 0; i < len(word); i++ {
		if word[i] != 'e' || !beginsObject(word[i:]) {
			continue
		}
		part := partEnd(word, i)
		if part == len(word) {
			return false
		}
		if next := partEnd(word, part+1); word[part] == '.' && next < len(word) && word[next] == '.' {
			return true
		}
		i = part // the same comes after whatever else begins in this part
	}
	return false
}

// partEnd is where the base64url ends that begins at i.
func partEnd(word string, i int) int {
	for i < len(word) && isBase64url(word[i]) {
		i++
	}
	return i
}

// beginsObject reports the base64url of a JSON object, by its first characters: a
// brace, then a quotation mark, white space or a brace, and then ASCII.
func beginsObject(s string) bool {
	const looked = 12 // characters: no JOSE header is shorter
	var object [looked / 4 * 3]byte
	if len(s) < looked {
		return false
	}
	if _, err := base64.RawURLEncoding.Decode(object[:], []byte(s[:looked])); err != nil || object[0] != '{' {
		return false
	}
	for _, c := range object {
		if c > 0x7e || c < 0x20 && strings.IndexByte("\t\n\r", c) < 0 {
			return false
		}
	}
	return strings.IndexByte("\"} \t\n\r", object[1]) >= 0
}

// isRandom reports a random string. Words seldom change between letters and digits,
// and have capitals at the beginning or throughout; in random base64, hexadecimal and
// base32 every second or third character is such a change. The densest piece of the
// shortest length counts, so that words before a credential do not hide it.
func isRandom(s string) bool {
	const fewest = 4
	if len(s) < shortest {
		return false
	}
	small := strings.ContainsFunc(s, func(c rune) bool { return c >= 'a' && c <= 'z' })
	changes, digits := 0, 0
	for i := 1; i < len(s); i++ {
		if isChange(s[i-1], s[i], small) {
			changes++
		}
		if out := i - shortest; out >= 0 && isChange(s[out], s[out+1], small) {
			changes--
		}
		if digits++; !isDigit(s[i]) || !isDigit(s[i-1]) {
			digits = 0
		}
		if changes >= fewest || digits+1 >= shortest {
			return true
		}
	}
	return false
}

// isChange is between a letter and a digit, and between two capitals where there
// are small letters too.
func isChange(before, c byte, small bool) bool {
	if !isAlphanumeric(before) || !isAlphanumeric(c) {
		return false
	}
	return isDigit(before) != isDigit(c) || small && isUpper(before) && isUpper(c)
}

// isUUID reports the form of RFC 9562, section 4.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (s[i] == '-') || !dash && !isHex(s[i]) {
			return false
		}
	}
	return true
}

// unescape decodes %XX as far as it is one, and returns s itself where none is.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	decoded := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			c = digitOf(s[i+1])<<4 | digitOf(s[i+2])
			i += 2
		}
		decoded = append(decoded, c)
	}
	return string(decoded)
}

func digitOf(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

func isAlphanumeric(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' }

func isBase64url(c byte) bool { return isAlphanumeric(c) || c == '-' || c == '_' }
