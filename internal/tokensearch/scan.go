package tokensearch

// mark is why a byte of a text is looked at. A token has a dot before its payload, and
// a JSON serialisation has a member payload. Each has one byte at least that shows it,
// in plain text and in base64, where it has three forms: a group of four characters is
// three bytes, and the dot is the first, the second or the third.
type mark uint8

const (
	unmarked       mark = iota
	isDot               // "."
	isDotFirst          // "L", and a following character from g to v
	isDotSecond         // "4" to "7" behind C, S, i or y; also "cGF5", which is "pay"
	isDotThird          // "u" behind a character whose last two bits are zero
	isMember            // "y" of "payload"
	isMemberSecond      // "x" of "eWxv", which is "ylo"
	isMemberThird       // "X" of "YXls", which is "ayl"
)

var marks = [256]mark{
	'.': isDot, 'L': isDotFirst, '4': isDotSecond, '5': isDotSecond, '6': isDotSecond, '7': isDotSecond,
	'u': isDotThird, 'y': isMember, 'Y': isMember, 'x': isMemberSecond, 'X': isMemberThird,
}

// firsts are the characters with which a payload may begin: those of a curly bracket
// and of what isBlank passes over, and all bytes but a dot that are passed over.
var firsts = func() (table [256]bool) {
	for c := range table {
		value := values[c]
		for b := range 256 {
			table[c] = table[c] || value >= space && c != '.' || (b == '{' || isBlank(byte(b))) && byte(b)>>2 == value
		}
	}
	return table
}()

// precedes is the bytes that may be before a byte with a mark: most have another one,
// and need no closer look. White space may be anywhere in base64.
var precedes = func() (table [isMemberThird + 1][256]bool) {
	for c, value := range values {
		b, isSpace := byte(c), value == space
		table[isDot][c], table[isDotFirst][c] = true, true
		table[isDotSecond][c] = isSpace || value < space && value&15 == 2 || b == 'F'
		table[isDotThird][c] = isSpace || value < space && value&3 == 0
		table[isMember][c] = b|0x20 == 'a'
		table[isMemberSecond][c] = isSpace || b == 'W'
		table[isMemberThird][c] = isSpace || b == 'Y'
	}
	return table
}()

// scan searches one text and its base64.
func (s *search) scan(text string) {
	s.text = text
	for at := 0; !s.ended; at++ {
		for at < len(text) && marks[text[at]] == unmarked {
			at++
		}
		if at >= len(text) {
			return
		}
		if at == 0 || precedes[marks[text[at]]][text[at-1]] {
			s.look(at)
		}
	}
}

// look searches from a byte with a mark on.
func (s *search) look(at int) {
	text := s.text
	switch marks[text[at]] {
	case unmarked:
	case isDot:
		if at+1 < len(text) && firsts[text[at+1]] {
			s.compact(at, reader{text: text, at: at + 1})
		}
	case isDotFirst:
		if next := following(text, at); next >= 0 && values[text[next]]>>4 == 2 {
			s.encoded(next, 4)
		}
	case isDotSecond:
		s.dotSecond(at)
	case isDotThird:
		if before := previous(text, at); before >= 0 && values[text[before]]&3 == 0 {
			s.encoded(at, 0)
		}
	case isMember:
		if at >= 2 && text[at-2]|0x20 == 'p' {
			s.member(reader{text: text, at: at + 1}, "load")
		}
	case isMemberSecond:
		if begin := previous(text, previous(text, at)); begin >= 0 && text[begin] == 'e' {
			s.member(reader{text: text, at: begin, isEncoded: true}, "yload")
		}
	case isMemberThird:
		if before := previous(text, at); before >= 0 && text[before] == 'Y' {
			s.member(reader{text: text, at: before, isEncoded: true}, "ayload")
		}
	}
}

func (s *search) dotSecond(at int) {
	before := previous(s.text, at)
	if before < 0 {
		return
	}
	if values[s.text[before]]&15 == 2 {
		s.encoded(at, 2)
	}
	if s.text[at] == '5' && s.text[before] == 'F' {
		s.member(reader{text: s.text, at: at + 1, isEncoded: true}, "load")
	}
}

// encoded reads on behind a dot in base64. The character at the position has its last
// bits, and bits of the next byte behind them.
func (s *search) encoded(at int, bits uint) {
	s.compact(at, reader{
		text: s.text, at: at + 1, isEncoded: true, pending: uint(values[s.text[at]]) & (1<<bits - 1), bits: bits,
	})
}

// compact looks for a payload from a dot up to the next one. The header and the
// signature need not be any.
func (s *search) compact(dot int, r reader) {
	bits := r.bits
	if stopped, isObject := s.object(&r, dotStop); !stopped || !isObject {
		return
	}
	before := s.text[:dot]
	if r.isEncoded {
		before = s.beforeDot(dot, bits)
	}
	s.found(lastPart(before), r.firstPart(), r.isEncoded)
}

// member looks for a payload in a member of that name, from the rest of the name on
// (RFC 7515, section 7.2). Names in another case count too, as some readers do.
func (s *search) member(r reader, rest string) {
	for i := range len(rest) {
		if c, more := r.next(); !more || c|0x20 != rest[i] {
			return
		}
	}
	hasColon := false
	for {
		ahead := r
		c, more := ahead.next()
		switch {
		case !more:
			return
		case c == ':':
			hasColon = true
		case c == '"', c == '\'', c == '\\', values[c] == space:
		default:
			if !hasColon || !firsts[c] {
				return
			}
			if _, isObject := s.object(&r, memberStop); isObject {
				s.found("", "", r.isEncoded)
			}
			return
		}
		r = ahead
	}
}

// longestHeader bounds the text before a dot in base64 that is decoded for a header, in
// groups of four characters.
const longestHeader = 128

// beforeDot decodes what is before a dot that is in base64 itself: from a whole number
// of groups before it on.
func (s *search) beforeDot(at int, bits uint) string {
	back := map[uint]int{4: 1, 2: 2, 0: 3}[bits] // characters of the dot's group before this one
	begin, group := at, -1
	for n := 1; n <= back+4*longestHeader; n++ {
		if begin = previous(s.text, begin); begin < 0 {
			break
		}
		if n >= back && (n-back)%4 == 0 {
			group = begin
		}
	}
	if group < 0 {
		return ""
	}
	r := reader{text: s.text[:at+1], at: group, isEncoded: true}
	var decoded []byte
	for c, more := r.next(); more; c, more = r.next() {
		decoded = append(decoded, c)
	}
	if len(decoded) == 0 {
		return ""
	}
	return string(decoded[:len(decoded)-1])
}

// lastPart is the base64url at the end of a text: what is before the first dot of a
// token.
func lastPart(text string) string {
	begin := len(text)
	for begin > 0 && isURLSafe(text[begin-1]) {
		begin--
	}
	return text[begin:]
}

// firstPart is the base64url that the reader is at: what is behind the second dot of a
// token.
func (r *reader) firstPart() string {
	begin, from := r.at, *r
	if !r.isEncoded {
		for r.at < len(r.text) && isURLSafe(r.text[r.at]) {
			r.at++
		}
		return r.text[begin:r.at]
	}
	var part []byte
	for c, more := from.next(); more && isURLSafe(c); c, more = from.next() {
		part = append(part, c)
	}
	return string(part)
}

func isURLSafe(c byte) bool { return values[c] < space && c != '+' && c != '/' }
