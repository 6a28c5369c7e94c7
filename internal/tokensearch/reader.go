package tokensearch

// Values of bytes in base64, in both alphabets (RFC 4648, sections 4 and 5).
const (
	space   = 0x40 // white space, and what else is not printed: NUL is every other byte of UTF-16
	foreign = 0x80 // in neither alphabet
)

var values = func() (table [256]byte) {
	for c := range table {
		switch b := byte(c); {
		case b >= 'A' && b <= 'Z':
			table[c] = b - 'A'
		case b >= 'a' && b <= 'z':
			table[c] = b - 'a' + 26
		case b >= '0' && b <= '9':
			table[c] = b - '0' + 52
		case b == '+', b == '-':
			table[c] = 62
		case b == '/', b == '_':
			table[c] = 63
		case b <= ' ':
			table[c] = space
		default:
			table[c] = foreign
		}
	}
	return table
}()

// reader reads a text from a position on, as it is or base64-decoded.
type reader struct {
	text      string
	at        int
	isEncoded bool
	pending   uint // the bits that were read and are no whole byte yet
	bits      uint // their number
}

// next returns the next byte; false at the end of the text, and at the end of what is
// base64. White space is none of its end.
func (r *reader) next() (byte, bool) {
	if !r.isEncoded {
		if r.at >= len(r.text) {
			return 0, false
		}
		r.at++
		return r.text[r.at-1], true
	}
	for r.bits < 8 {
		if r.at >= len(r.text) {
			return 0, false
		}
		value := values[r.text[r.at]]
		if value == foreign {
			return 0, false
		}
		r.at++
		if value != space {
			r.pending = r.pending<<6 | uint(value)
			r.bits += 6
		}
	}
	r.bits -= 8
	b := byte(r.pending >> r.bits) //nolint:gosec // the upper bits were read before
	r.pending &= 1<<r.bits - 1
	return b, true
}

// previous is the position of the byte of base64 before a position, or -1.
func previous(text string, at int) int {
	for at--; at >= 0; at-- {
		switch values[text[at]] {
		case space:
		case foreign:
			return -1
		default:
			return at
		}
	}
	return -1
}

// following is previous in the other direction.
func following(text string, at int) int {
	for at++; at < len(text); at++ {
		switch values[text[at]] {
		case space:
		case foreign:
			return -1
		default:
			return at
		}
	}
	return -1
}

// stops is a set of bytes.
type stops [256]bool

func stopAt(set string) *stops {
	var s stops
	for i := range len(set) {
		s[set[i]] = true
	}
	return &s
}

var (
	dotStop    = stopAt(".")
	memberStop = stopAt(`"',:{}[]`) // what is in no base64 and ends a value of JSON
)

// objectBegin is how an object with a member begins, without white space.
const objectBegin = `{"`

// object reads base64 up to one of the stops and decodes it into the buffer payload.
// It is false for what is no JSON object with claims, which it finds out as early as it
// can: mostly with the first bytes that are no white space. Every byte outside of
// the alphabets is passed over, as the most lenient decoders do.
func (s *search) object(r *reader, stop *stops) (stopped, isObject bool) {
	var pending, bits uint
	begun := 0 // bytes of objectBegin that were read
	out := s.payload[:0]
	for {
		c, more := r.next()
		if !more || stop[c] {
			s.payload = out
			return more, begun == len(objectBegin) && mayName(out)
		}
		value := values[c]
		if value >= space {
			continue
		}
		pending = pending<<6 | uint(value)
		if bits += 6; bits < 8 {
			continue
		}
		bits -= 8
		b := byte(pending >> bits) //nolint:gosec // the upper bits were read before
		if begun < len(objectBegin) && !isBlank(b) {
			if b != objectBegin[begun] {
				s.payload = out
				return false, false
			}
			begun++
		}
		if len(out) <= MaxPayload { // one more byte shows that it is too long
			out = append(out, b)
		}
	}
}

// isBlank reports what lenient readers pass over before a JSON text: control characters
// and the bytes of a byte-order mark.
func isBlank(b byte) bool { return b <= ' ' || b == 0xef || b == 0xbb || b == 0xbf }
