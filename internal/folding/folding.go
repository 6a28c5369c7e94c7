// Package folding compares names of headers and of query parameters as the most
// lenient servers behind Envoy read them. CGI and its successors (PHP, Rails, WSGI)
// read many bytes of a name as one, so that a client can write a name that differs
// from a reserved one to Envoy and equals it to them. Code that removes, keeps or
// forbids a name compares it with [Header] or [Parameter].
package folding

// folded is how the most lenient reader reads each byte of a name: letters
// without case, digits, and '-' for everything else.
var folded = fold()

func fold() (table [256]byte) {
	for b := range table {
		switch c := byte(b); {
		case c >= 'A' && c <= 'Z':
			table[b] = c + ('a' - 'A')
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			table[b] = c
		default:
			table[b] = '-'
		}
	}
	return table
}

// Header is a canonical spelling of a header name: two names with one spelling
// are equal to some server. It allocates only where the name
// is spelled otherwise.
func Header(name string) string {
	for i := range len(name) {
		if folded[name[i]] != name[i] {
			return foldRest(name, i)
		}
	}
	return name
}

func foldRest(name string, from int) string {
	spelled := []byte(name)
	for i := from; i < len(spelled); i++ {
		spelled[i] = folded[spelled[i]]
	}
	return string(spelled)
}

// Parameter reports whether the name of a query parameter, as it is spelled in a
// URL, is name to some reader: percent-decoded once, '+' read as a space,
// leading spaces dropped, cut at a NUL or where brackets begin (`name[]`), and
// compared as headers are. Brackets before the name are dropped, as Rails 2 and
// qs do (`[name]`); one that nothing closes is a byte like others, as in PHP
// (`na[me`). It allocates nothing and ends at the first byte that differs.
func Parameter(spelling, name string) bool { return spells(spelling, name, next) }

// DecodedParameter is [Parameter] for a name that was decoded before.
func DecodedParameter(decoded, name string) bool { return spells(decoded, name, first) }

// spells compares what step reads of s, byte by byte.
func spells(s, name string, step func(string) (byte, string)) bool {
	c, rest := step(s)
	for s != "" && (c == ' ' || isBracket(c)) {
		s = rest
		c, rest = step(s)
	}
	bracketed := false
	for i := range len(name) {
		if s == "" || c == 0 || folded[c] != folded[name[i]] {
			return false
		}
		bracketed = bracketed || isBracket(c)
		s = rest
		c, rest = step(s)
	}
	return s == "" || c == 0 || isBracket(c) && !bracketed
}

func isBracket(c byte) bool { return c == '[' || c == ']' }

// next reads one byte of a URL's query, and what comes after it. A '%' that
// begins no escape is that byte itself, as lenient readers have it.
func next(s string) (byte, string) {
	switch {
	case s == "":
		return 0, ""
	case s[0] == '+':
		return ' ', s[1:]
	case s[0] == '%' && len(s) > 2 && isHex(s[1]) && isHex(s[2]):
		return hex(s[1])<<4 | hex(s[2]), s[3:]
	}
	return first(s)
}

func first(s string) (byte, string) {
	if s == "" {
		return 0, ""
	}
	return s[0], s[1:]
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func hex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
