package token

import (
	"net/netip"
	"strconv"
	"strings"
)

// targetURI returns the normal form in which http and https URIs are compared,
// without query and fragment (RFC 9449, section 4.3, check 9; RFC 3986, sections
// 6.2.2 and 6.2.3): scheme and host in lower case, no default port, "/" for an
// empty path, escapes in upper case and only for characters that need one. It
// returns false for another URI, and for one that can be read in two ways: with
// user information, a dot segment, a backslash, a host or port that is not plain,
// or a byte outside visible ASCII.
func targetURI(raw string) (string, bool) {
	scheme, rest, found := strings.Cut(raw, "://")
	scheme = strings.ToLower(scheme)
	if !found || scheme != "http" && scheme != "https" {
		return "", false
	}
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		rest = rest[:end]
	}
	authority, path := rest, "/"
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		authority, path = rest[:slash], rest[slash:]
	}
	authority, ok := targetAuthority(authority, scheme)
	if !ok {
		return "", false
	}
	path, ok = targetPath(path)
	return scheme + "://" + authority + path, ok
}

func targetAuthority(authority, scheme string) (string, bool) {
	host, port, hasPort := authority, "", false
	end := strings.IndexByte(authority, ']') + 1 // colons before it are the address's
	if colon := strings.IndexByte(authority[end:], ':'); colon >= 0 {
		host, port, hasPort = authority[:end+colon], authority[end+colon+1:], true
	}
	host, ok := targetHost(host)
	if !ok || !hasPort {
		return host, ok
	}
	number, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || number == 0 || port != strconv.FormatUint(number, 10): // a sign, padding
		return "", false
	case scheme == "http" && number == 80, scheme == "https" && number == 443:
		return host, true
	}
	return host + ":" + port, true
}

// targetHost accepts a name of non-empty labels, or an IPv6 address in brackets.
func targetHost(host string) (string, bool) {
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		address, err := netip.ParseAddr(host[1 : len(host)-1])
		if err != nil || !address.Is6() || address.Zone() != "" {
			return "", false
		}
		return "[" + address.String() + "]", true
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || !base64urlOnly(label) { // letters, digits, '-' and '_'
			return "", false
		}
	}
	return strings.ToLower(host), true
}

func targetPath(path string) (string, bool) {
	var plain strings.Builder
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c < 0x21 || c > 0x7E || c == '\\' {
			return "", false
		}
		if c != '%' {
			plain.WriteByte(c)
			continue
		}
		if len(path)-i < 3 {
			return "", false
		}
		escape := strings.ToUpper(path[i : i+3])
		value, err := strconv.ParseUint(escape[1:], 16, 8)
		if err != nil {
			return "", false
		}
		if decoded := byte(value); unreserved(decoded) {
			escape = string(rune(decoded))
		}
		plain.WriteString(escape)
		i += 2
	}
	for segment := range strings.SplitSeq(plain.String(), "/") {
		if segment == "." || segment == ".." {
			return "", false
		}
	}
	return plain.String(), true
}

// unreserved characters mean the same with and without an escape (RFC 3986,
// section 2.3).
func unreserved(c byte) bool {
	return base64urlOnly(string(rune(c))) || c == '.' || c == '~'
}
