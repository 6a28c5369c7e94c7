package hostpath

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// ReadHost returns the canonical spelling of a configured host. If ok is false,
// fault is a whole message; otherwise it is how the spelling differs from the
// canonical one, or "".
func ReadHost(host string) (fault, canonical string, ok bool) {
	if host == "" {
		return "has no host: write https://host/path", "", false
	}
	name := strings.TrimSuffix(host, ".")
	international := !IsASCII(name)
	if international {
		label, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return "has a host that is no valid international name: write its A-label (xn--…)", "", false
		}
		name = label
	}
	canonical, ok = CanonicalHost(name)
	switch {
	case !ok || !isName(canonical):
		return "has a host that is neither a DNS name nor an IP address: write a name of letters, digits, - and " +
			"dots, or an address (IPv6 in brackets)", "", false
	case international:
		return "has an international host name that is not an A-label", canonical, true
	case name != host:
		return "has a host with a trailing dot", canonical, true
	case canonical == LowerASCII(name) && canonical != name:
		return "has a host that is not in lower case", canonical, true
	case canonical != name:
		return "has an IPv6 address that is not in its shortest form", canonical, true
	}
	return "", canonical, true
}

// isName refuses a name that resolvers and browsers read as an IPv4 address in
// another spelling, such as 127.1: what ends in a number must be four numbers.
func isName(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	hex, isHex := strings.CutPrefix(last, "0x")
	isNumber := strings.Trim(last, "0123456789") == "" || isHex && strings.Trim(hex, "0123456789abcdef") == ""
	if !isNumber {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// IsASCII reports whether s has no byte above 0x7E.
func IsASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7E }) < 0
}

// LowerASCII lower-cases ASCII letters and nothing else: under Unicode rules
// the Kelvin sign would become a k.
func LowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}
