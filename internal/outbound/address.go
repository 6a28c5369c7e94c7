package outbound

import (
	"net/netip"
	"strings"
)

// private are the networks that IANA's registries of special-purpose addresses
// call not globally reachable, with multicast: networks behind the public one,
// such as that in which doorward runs.
var private = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16",
	"fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// isPrivate reports whether an address is in one of those networks. An IPv6
// address that carries one of IPv4 counts as that. It is a variable, so that a
// test can distinguish two loopback addresses.
var isPrivate = func(address netip.Addr) bool {
	address = carried(address.Unmap().WithZone(""))
	for _, network := range private {
		if network.Contains(address) {
			return true
		}
	}
	return !address.IsValid()
}

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixToFour = netip.MustParsePrefix("2002::/16")    // RFC 3056
)

// carried is the IPv4 address that a translator would send to.
func carried(address netip.Addr) netip.Addr {
	bytes := address.As16()
	switch {
	case nat64.Contains(address):
		return netip.AddrFrom4([4]byte(bytes[12:16]))
	case sixToFour.Contains(address):
		return netip.AddrFrom4([4]byte(bytes[2:6]))
	}
	return address
}

// namesPrivate reports whether a URL's host is an address that is not public, or a
// name that only a loopback address may have (RFC 6761, section 6.3).
func namesPrivate(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		return isPrivate(address)
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
