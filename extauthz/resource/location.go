package resource

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/doorward/doorward/internal/hostpath"
)

const (
	schemeHTTP  = "http"
	schemeHTTPS = "https"
)

// location is one URL under which a resource is reached, in canonical spelling.
type location struct {
	scheme string // schemeHTTP or schemeHTTPS
	host   string // as in hostpath.Authority
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
func (l location) authorities() []hostpath.Authority {
	keys := []hostpath.Authority{{Host: l.host, Port: l.port}}
	if l.port == l.defaultPort() {
		keys = append(keys, hostpath.Authority{Host: l.host})
	}
	return keys
}

// at reports whether a is one of the authorities.
func (l location) at(a hostpath.Authority) bool {
	return a.Host == l.host && (a.Port == l.port || a.Port == 0 && l.port == l.defaultPort())
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
	l := location{scheme: hostpath.LowerASCII(scheme)}
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
	host, port, hasPort := hostpath.SplitPort(s)
	l.port = l.defaultPort()
	switch number, ok := hostpath.ParsePort(port); {
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
	fault, canonical, ok := hostpath.ReadHost(host)
	switch {
	case !ok:
		broken = append(broken, fault)
	case fault != "":
		spelling = append(spelling, fault)
	}
	l.host = canonical
	return spelling, broken
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
		if isUnder(hostpath.Fold(path), prefix) {
			broken = append(broken, "lies under "+prefix+", where metadata is asked for: choose another path")
		}
	}
	return spelling, broken
}
