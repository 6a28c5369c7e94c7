package resource

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

const (
	schemeHTTP  = "http"
	schemeHTTPS = "https"
)

// location is one URL under which a resource is reached, in canonical spelling.
type location struct {
	scheme string // schemeHTTP or schemeHTTPS
	host   string // as authority.host
	port   uint16 // never 0
	path   string // as written
}

// defaultPort is the port that goes without saying (RFC 9110, section 4.2).
func (l location) defaultPort() uint16 {
	if l.scheme == schemeHTTP {
		return 80
	}
	return 443
}

// origin is scheme://host[:port], as a browser writes it (RFC 6454, section 6.2).
func (l location) origin() string {
	if l.port == l.defaultPort() {
		return l.scheme + "://" + l.host
	}
	return l.scheme + "://" + l.host + ":" + strconv.Itoa(int(l.port))
}

// prefix is the path that requests are compared with: the path as written, ""
// for a whole host. It is also what the document's path ends in, since a slash
// directly after the host is dropped there (RFC 9728, section 3.1).
func (l location) prefix() string {
	if l.path == "/" {
		return ""
	}
	return l.path
}

// authorities are the keys under which requests for l arrive.
func (l location) authorities() []authority {
	keys := []authority{{l.host, l.port}}
	if l.port == l.defaultPort() {
		keys = append(keys, authority{l.host, 0})
	}
	return keys
}

// at reports whether a is one of the authorities.
func (l location) at(a authority) bool {
	return a.host == l.host && (a.port == l.port || a.port == 0 && l.port == l.defaultPort())
}

// sharesAuthority reports whether a request can be for the ports of both: an
// authority without a port may be that of http:// and of https://.
func (l location) sharesAuthority(other location) bool {
	return l.port == other.port || l.port == l.defaultPort() && other.port == other.defaultPort()
}

// parseLocation reads a configured URL. It returns every fault as a message
// "what is wrong: what to write instead"; with a fault the location is good
// for nothing. The spelling must be the canonical one already, because the
// metadata document repeats it byte for byte and clients compare it so
// (RFC 9728, section 3.3). The URL is not quoted: it could hold a password.
func parseLocation(raw string) (location, []string) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return location{}, []string{"is not an absolute URL: write https://host/path"}
	}
	l := location{scheme: lowerASCII(scheme)}
	if l.scheme != schemeHTTP && l.scheme != schemeHTTPS {
		return location{}, []string{"has a scheme other than https: write https://host/path"}
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	var spelling []string // faults that the canonical spelling mends
	if l.scheme != scheme {
		spelling = append(spelling, "has a scheme that is not in lower case")
	}
	more, faults := l.readAuthority(rest[:end])
	spelling = append(spelling, more...)
	readable := len(faults) == 0
	more, broken := l.readTail(rest[end:])
	spelling = append(spelling, more...)
	faults = append(faults, broken...)
	advice := "mend the host first"
	if readable {
		advice = "write " + l.origin() + l.path
	}
	for _, fault := range spelling {
		faults = append(faults, fault+": "+advice)
	}
	return l, faults
}

// readAuthority fills in host and port. spelling are faults that what it
// fills in has mended, broken are whole messages about what it could not read.
func (l *location) readAuthority(s string) (spelling, broken []string) {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		spelling = append(spelling, "carries user information")
		s = s[i+1:]
	}
	host, port, hasPort := splitPort(s)
	l.port = l.defaultPort()
	switch number, ok := parsePort(port); {
	case !hasPort:
	case port == "":
		spelling = append(spelling, "has a colon without a port")
	case !ok:
		broken = append(broken, "has no valid port: write a number from 1 to 65535, without leading zeros")
	case number == l.port:
		spelling = append(spelling, "writes the default port out")
	default:
		l.port = number
	}
	fault, canonical, ok := readHost(host)
	switch {
	case !ok:
		broken = append(broken, fault)
	case fault != "":
		spelling = append(spelling, fault)
	}
	l.host = canonical
	return spelling, broken
}

// readHost returns the canonical spelling of a configured host. If ok is false,
// fault is a whole message; otherwise it is how the spelling differs from the
// canonical one, or "".
func readHost(host string) (fault, canonical string, ok bool) {
	if host == "" {
		return "has no host: write https://host/path", "", false
	}
	name := strings.TrimSuffix(host, ".")
	international := !isASCII(name)
	if international {
		label, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return "has a host that is no valid international name: write its A-label (xn--…)", "", false
		}
		name = label
	}
	canonical, ok = canonicalHost(name)
	switch {
	case !ok || !isName(canonical):
		return "has a host that is neither a DNS name nor an IP address: write a name of letters, digits, - and " +
			"dots, or an address (IPv6 in brackets)", "", false
	case international:
		return "has an international host name that is not an A-label", canonical, true
	case name != host:
		return "has a host with a trailing dot", canonical, true
	case canonical == lowerASCII(name) && canonical != name:
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

// readTail fills in the path.
func (l *location) readTail(s string) (spelling, broken []string) {
	path, _, fragment := strings.Cut(s, "#")
	path, _, query := strings.Cut(path, "?")
	if fragment {
		spelling = append(spelling, "carries a fragment")
	}
	if query {
		spelling = append(spelling, "carries a query")
	}
	l.path = path
	if path == "" {
		return spelling, nil
	}
	if fault := PathFault(path); fault != "" {
		broken = append(broken, fmt.Sprintf("has a path that matches no request, because it %s: write the path as "+
			"servers see it after normalisation", fault))
	}
	if i := strings.IndexAny(path, "\"<>^`{|}[]"); i >= 0 {
		broken = append(broken, fmt.Sprintf("has %q in its path, which no URL may contain: write it as "+
			"%%%02X", path[i], path[i]))
	}
	for _, prefix := range append([]string{wellKnown}, discovery...) {
		if isUnder(fold(path), prefix) {
			broken = append(broken, "lies under "+prefix+", where metadata is asked for: choose another path")
		}
	}
	return spelling, broken
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7E }) < 0
}

// lowerASCII lower-cases ASCII letters and nothing else: under Unicode rules
// the Kelvin sign would become a k.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}
