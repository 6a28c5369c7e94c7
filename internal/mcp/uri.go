package mcp

import (
	"slices"
	"strings"
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
// that need an escape. Expressions in braces, as in a template, are allowed.
func IsCanonicalURI(s string) bool {
	scheme, rest, hasScheme := strings.Cut(s, ":")
	if !hasScheme || !isScheme(scheme) || rest == "" || !hasCanonicalBytes(rest) {
		return false
	}
	hierarchy, _, _ := strings.Cut(rest, "#")
	hierarchy, _, _ = strings.Cut(hierarchy, "?")
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
	for i, segment := range segments {
		if segment == "." || segment == ".." || segment == "" && i < len(segments)-1 {
			return false
		}
	}
	return true
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
	host := authority[strings.LastIndexByte(authority, '@')+1:]
	if strings.ContainsFunc(host, func(c rune) bool { return 'A' <= c && c <= 'Z' || c == '%' }) {
		return false
	}
	if scheme == "file" {
		return host != "localhost" // which parsers remove
	}
	if port := strings.LastIndexByte(host, ':'); port > strings.LastIndexByte(host, ']') {
		switch number := host[port+1:]; number {
		case "":
			return false
		case "80":
			return scheme != "http" && scheme != "ws"
		case "443":
			return scheme != "https" && scheme != "wss"
		case "21":
			return scheme != "ftp"
		default:
			return number[0] != '0'
		}
	}
	return host != "" || !hasPath(scheme)
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
