package hostpath

import (
	"strings"
)

// PathFault returns what makes a path unsafe to match, or "" for a safe one. The
// path is what precedes the first '?'. Every server must read a safe path in the
// same way: a path that a server would rewrite before routing could be matched
// here as one resource's and be served as another's. The text continues "the
// path".
func PathFault(path string) string {
	if !strings.HasPrefix(path, "/") {
		return "does not begin with a slash"
	}
	segment := 1 // where the current segment begins
	for i := 1; i < len(path); i++ {
		c := path[i]
		switch {
		case c == '/' && i == segment:
			return "has an empty segment (//)"
		case c == '/' && isDots(path[segment:i]):
			return "has a dot segment"
		case c == '/':
			segment = i + 1
		case c < 0x21 || c > 0x7E:
			return "has a byte outside visible ASCII"
		case strings.IndexByte(`;\#?`, c) >= 0:
			return "has one of ; \\ # ?"
		case c == '%':
			decoded, ok := unescape(path[i:])
			if !ok {
				return "has a malformed escape"
			}
			if !mayBeEscaped(decoded) {
				return "has an escape of / \\ % ; ? # or of a byte that needs none"
			}
		}
	}
	if isDots(path[segment:]) {
		return "has a dot segment"
	}
	return ""
}

func isDots(segment string) bool { return segment == "." || segment == ".." }

// mayBeEscaped reports whether %XX of c may be in a path that is read in one
// way only: not a delimiter of paths or of what ends them, not a second escape,
// not a control byte, and not an unreserved character (RFC 3986, section 2.3),
// which some decode on the way.
func mayBeEscaped(c byte) bool {
	switch {
	case c < 0x20, c == 0x7F, IsAlphanumeric(c):
		return false
	}
	return strings.IndexByte(`/\.%;?#-_~`, c) < 0
}

// unescape reads the escape that s begins with.
func unescape(s string) (byte, bool) {
	if len(s) < 3 {
		return 0, false
	}
	high, ok := hexDigit(s[1])
	if !ok {
		return 0, false
	}
	low, ok := hexDigit(s[2])
	return high<<4 | low, ok
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// Fold returns a path as a server reads it that decodes escapes (once) and ignores
// the case of ASCII letters. It allocates only if that changes the
// path.
func Fold(path string) string {
	if strings.IndexFunc(path, func(r rune) bool { return r == '%' || r >= 'A' && r <= 'Z' }) < 0 {
		return path
	}
	folded := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		if decoded, ok := unescape(path[i:]); ok && c == '%' {
			c = decoded
			i += 2
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		folded = append(folded, c)
	}
	return string(folded)
}

// Covers reports whether prefix is path or ends where a segment of it ends. Path
// begins with a slash, so that "" covers it; /mcp/ covers itself and what is
// below, not /mcp.
func Covers(prefix, path string) bool {
	if !strings.HasPrefix(path, prefix) {
		return false
	}
	rest := path[len(prefix):]
	return rest == "" || rest[0] == '/' || strings.HasSuffix(prefix, "/")
}
