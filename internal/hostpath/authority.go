// Package hostpath compares what a request shows of a URL, its authority and its
// path, with what a configuration names.
//
// Authorities and hosts are compared in one spelling, paths byte for byte and by
// whole segments. What readers may take for something else is refused.
package hostpath

import (
	"net/netip"
	"strconv"
	"strings"
)

// Authority is a host and a port in the one spelling that is compared.
type Authority struct {
	Host string // lower case; an IPv6 address in brackets as RFC 5952 writes it
	Port uint16 // 0 where it is not written
}

// ParseAuthority reads the authority of a request (RFC 9110, section 7.2).
// What is not plainly a host with at most a port is refused: user information,
// a percent sign, a zone, a space, a trailing dot, a name outside ASCII, an
// empty or zero-padded port.
func ParseAuthority(s string) (Authority, bool) {
	host, port, hasPort := SplitPort(s)
	host, ok := CanonicalHost(host)
	if !ok {
		return Authority{}, false
	}
	if !hasPort {
		return Authority{Host: host}, true
	}
	number, ok := ParsePort(port)
	return Authority{Host: host, Port: number}, ok
}

// SplitPort cuts at the first colon after the brackets of an IPv6 address.
func SplitPort(s string) (host, port string, hasPort bool) {
	end := strings.IndexByte(s, ']') + 1
	colon := strings.IndexByte(s[end:], ':')
	if colon < 0 {
		return s, "", false
	}
	return s[:end+colon], s[end+colon+1:], true
}

// ParsePort reads a port from 1 to 65535 without sign or padding.
func ParsePort(s string) (uint16, bool) {
	if s == "" || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil
}

// CanonicalHost returns the one spelling of a host: a name of letters, digits,
// '-' and '_' in labels, in ASCII lower case, or an IPv6 address in brackets.
// It allocates only for capital letters and IPv6.
func CanonicalHost(s string) (string, bool) {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		addr, err := netip.ParseAddr(s[1 : len(s)-1])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", false
		}
		return "[" + addr.String() + "]", true
	}
	label := 0 // bytes of the label so far
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && label > 0:
			label = 0
		case IsAlphanumeric(c), c == '-', c == '_':
			label++
		default:
			return "", false
		}
	}
	// An empty last label is an empty host or a trailing dot.
	return strings.ToLower(s), label > 0
}

// IsAlphanumeric reports whether c is a letter or a digit of ASCII.
func IsAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
