package mcp

import (
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"
)

// uriFault returns the rule that a URI breaks. A template, as completions have
// it, may have expressions in braces.
func uriFault(uri string, template bool) string {
	if !template && strings.ContainsAny(uri, "{}") || !IsCanonicalURI(uri) {
		return "the URI is not in its canonical form"
	}
	return ""
}

// IsCanonicalURI reports whether a URI has the one spelling that no server
// changes before it looks for the resource: RFC 3986 with its normalization
// (sections 6.2.2 and 6.2.3) done, and no empty segments of the path. So there
// are no dot segments, no escapes of bytes that need none, no upper case in
// scheme, host or before the digits of an escape, no default ports and no bytes
// that need an escape; and nothing else that a parser of URLs writes in another way
// (WHATWG URL Standard): no user information, no address that is not in its shortest
// form. Escapes hide no dot segments, since servers decode what a template matches,
// and no control characters. Expressions in braces, as in a template, are allowed.
func IsCanonicalURI(s string) bool {
	scheme, rest, hasScheme := strings.Cut(s, ":")
	if !hasScheme || !isScheme(scheme) || rest == "" || !hasCanonicalBytes(rest) {
		return false
	}
	hierarchy, _, _ := strings.Cut(rest, "#")
	hierarchy, query, _ := strings.Cut(hierarchy, "?")
	if hasPath(scheme) && strings.Contains(query, "'") {
		return false
	}
	path := hierarchy
	if authority, isThere := strings.CutPrefix(hierarchy, "//"); isThere {
		host := authority
		path = ""
		if slash := strings.IndexByte(authority, '/'); slash >= 0 {
			host, path = authority[:slash], authority[slash:]
		}
		if !isCanonicalAuthority(scheme, host) || path == "" && hasPath(scheme) {
			return false
		}
	} else if hasPath(scheme) {
		return false // browsers' parsers add the slashes
	}
	return isCanonicalPath(path)
}

// isCanonicalPath refuses dot segments and empty ones, which servers remove. An
// empty last one is the slash at the end.
func isCanonicalPath(path string) bool {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if slices.Contains(segments[:len(segments)-1], "") {
		return false
	}
	decoded := unescape(path)
	isControl := func(c rune) bool { return c < ' ' || c == 0x7f }
	if !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, isControl) {
		return false
	}
	return !slices.ContainsFunc(strings.FieldsFunc(decoded, isSeparator), func(segment string) bool {
		return segment == "." || segment == ".."
	})
}

// hasPath reports whether parsers give an empty path of this scheme a slash.
func hasPath(scheme string) bool {
	return slices.Contains([]string{"http", "https", "ws", "wss", "ftp", "file"}, scheme)
}

func isScheme(s string) bool {
	for i := range len(s) {
		isLetter := 'a' <= s[i] && s[i] <= 'z'
		if !isLetter && (i == 0 || !isDigit(s[i]) && strings.IndexByte("+-.", s[i]) < 0) {
			return false
		}
	}
	return s != ""
}

func isCanonicalAuthority(scheme, authority string) bool {
	if strings.ContainsFunc(authority, func(c rune) bool { return 'A' <= c && c <= 'Z' || c == '%' || c == '@' }) {
		return false
	}
	host := authority
	if port := strings.LastIndexByte(authority, ':'); port > strings.LastIndexByte(authority, ']') {
		host = authority[:port]
		if !isCanonicalPort(scheme, authority[port+1:]) {
			return false
		}
	}
	if host == "" && hasPath(scheme) && scheme != "file" || host == "localhost" && scheme == "file" {
		return false // parsers remove the second
	}
	return isCanonicalHost(scheme, host)
}

func isCanonicalPort(scheme, port string) bool {
	if port == "" || port[0] == '0' || strings.Trim(port, "0123456789") != "" {
		return false
	}
	switch port {
	case "80":
		return scheme != "http" && scheme != "ws"
	case "443":
		return scheme != "https" && scheme != "wss"
	case "21":
		return scheme != "ftp"
	}
	return scheme != "file"
}

// isCanonicalHost refuses addresses that parsers write in another way, such as 127.1.
func isCanonicalHost(scheme, host string) bool {
	if inside, isIPv6 := strings.CutPrefix(host, "["); isIPv6 {
		inside, isWhole := strings.CutSuffix(inside, "]")
		address, err := netip.ParseAddr(inside)
		return isWhole && err == nil && !address.Is4In6() && address.String() == inside
	}
	label := strings.TrimSuffix(host, ".")
	label = label[strings.LastIndexByte(label, '.')+1:]
	isNumber := label != "" && strings.Trim(label, "0123456789") == "" || strings.HasPrefix(label, "0x")
	if !isNumber || !hasPath(scheme) {
		return true
	}
	_, err := netip.ParseAddr(host) // leading zeros and missing parts are errors
	return err == nil
}

// hasCanonicalBytes looks at all after the scheme.
func hasCanonicalBytes(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%':
			if i+2 >= len(s) || !isUpperHex(s[i+1]) || !isUpperHex(s[i+2]) ||
				isUnreserved(unhex(s[i+1])<<4|unhex(s[i+2])) {
				return false
			}
			i += 2
		case !isUnreserved(c) && strings.IndexByte(":/?#[]@!$&'()*+,;={}", c) < 0:
			return false
		}
	}
	return strings.Count(s, "#") <= 1
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || strings.IndexByte("-._~", c) >= 0
}

func isDigit(c byte) bool    { return '0' <= c && c <= '9' }
func isUpperHex(c byte) bool { return isDigit(c) || 'A' <= c && c <= 'F' }

// unhex is of a digit that isUpperHex accepts.
func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c - 'A' + 10
}

// unescape decodes the escapes of a URI whose escapes are whole.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	decoded := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		}
		decoded = append(decoded, c)
	}
	return string(decoded)
}

// Readings are the other texts that servers may take a canonical URI for: with its
// escapes decoded, as those that match templates do, and with separators of paths
// that were escaped made one slash. There are none of a name that has no escapes or
// is no URI.
func (o Operation) Readings() []string {
	switch namingOf(o.Method) {
	case byURI, byRef:
	default:
		return nil
	}
	if strings.IndexByte(o.Name, '%') < 0 || !IsCanonicalURI(o.Name) {
		return nil
	}
	path, rest := o.Name, ""
	if end := strings.IndexAny(path, "?#"); end >= 0 {
		path, rest = unescape(path[:end]), unescape(path[end:])
	} else {
		path = unescape(path)
	}
	begin := strings.IndexByte(path, ':') + 1
	begin += len(path[begin:]) - len(strings.TrimPrefix(path[begin:], "//"))
	segments := strings.FieldsFunc(path[begin:], isSeparator)
	joined := strings.Join(segments, "/")
	if strings.IndexFunc(path[begin:], isSeparator) == 0 {
		joined = "/" + joined
	}
	if len(segments) > 0 && strings.LastIndexFunc(path, isSeparator) == len(path)-1 {
		joined += "/"
	}
	return []string{path + rest, path[:begin] + joined + rest}
}

func isSeparator(c rune) bool { return c == '/' || c == '\\' }
