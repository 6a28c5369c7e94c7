// Package destination finds what a request that leaves a server is for, and with
// which token it may go there.
//
// A [Table] is checked as a whole when it is built, so that no request finds a
// destination with a fault; a request that is not clearly for one destination finds
// none. Authorities and paths are compared as in package resource.
package destination

import (
	"net/url"
	"slices"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/exchange"
	"github.com/doorward/doorward/internal/hostpath"
)

// The values of [Spec.Token]: which token a request carries to a destination.
const (
	None              = "none"               // none at all
	Keep              = "keep"               // what the server sent, after the check
	Exchange          = "exchange"           // one for the user, in exchange for the handle's token
	ClientCredentials = "client_credentials" // one for the server itself
)

// Spec is one destination as configured. [NewTable] checks it.
type Spec struct {
	Host  string   // the authority that Envoy shows: a host, with a port other than 443
	Paths []string // the paths that it has there; nil: every path
	From  []string // names of the resources whose servers may call it; nil: every one
	Token string   // None, Keep, Exchange or ClientCredentials

	// TokenEndpoint is the URL of an authorization server to which tokens of
	// TokenIssuer may be sent; "" for none. A TokenIssuer of "" is the only issuer
	// of that origin.
	TokenEndpoint, TokenIssuer string

	Exchange          []exchange.Entry // of Exchange: one for each issuer
	ClientCredentials exchange.Entry   // of ClientCredentials
	BoundSubject      bool             // Exchange takes tokens that are bound to a key (cnf)
	UnreadBody        bool             // bodies that cannot be searched pass
}

// Destination is one checked destination, as a request finds it. It comes from a
// [Table] and must not be changed.
type Destination struct {
	Spec             // TokenIssuer is filled in where there is a TokenEndpoint
	Name      string // Host: for logs, metrics and rules
	TokenPath string // the path of TokenEndpoint, which is at Host; "" for none
}

// ExchangeFor returns the entry for tokens of an issuer, nil for none. issuer is one
// of [Known].Issuers.
func (d *Destination) ExchangeFor(issuer string) *exchange.Entry {
	i := slices.IndexFunc(d.Exchange, func(e exchange.Entry) bool { return e.Issuer == issuer })
	if i < 0 {
		return nil
	}
	return &d.Exchange[i]
}

// Table is an immutable set of destinations, safe for concurrent use. The zero
// Table is empty.
type Table struct {
	all   []*Destination
	sites map[hostpath.Authority]*site
	named map[string]*site // by Host
}

// site has the destinations of one authority.
type site struct {
	paths  hostpath.Paths[choice]
	narrow bool // a destination has paths, so that the path of a request must be safe
}

// choice is the destination of a path, by the caller's resource.
type choice struct {
	everyone *Destination
	callers  map[string]*Destination
}

// Known is what the rest of the configuration has.
type Known struct {
	Resources         []string // names of resources
	Issuers           []string // exact iss values
	InsecureHTTPHosts []string // hosts whose token endpoint may be http://
}

// NewTable checks specs and builds their table. All problems come at once, each by
// the path of a key, such as "destinations[1].paths[0]"; the table is nil if one of
// them is more than a warning.
func NewTable(specs []Spec, known Known) (*Table, finding.List) {
	c := &checker{known: known}
	t := &Table{sites: map[hostpath.Authority]*site{}, named: map[string]*site{}}
	for i, s := range specs {
		d := c.spec(element("destinations", i), s)
		t.all = append(t.all, d)
	}
	c.overlaps(t.all)
	if len(c.problems.Errors()) > 0 {
		return nil, c.problems
	}
	for _, d := range t.all {
		t.enter(d)
	}
	return t, c.problems
}

// enter makes a destination known at its authorities.
func (t *Table) enter(d *Destination) {
	a, _ := hostpath.ParseAuthority(d.Host)
	s := t.sites[a]
	if s == nil {
		s = &site{}
		t.sites[a], t.named[d.Host] = s, s
		if a.Port == 0 {
			t.sites[hostpath.Authority{Host: a.Host, Port: defaultPort}] = s
		}
	}
	s.narrow = s.narrow || len(d.Paths) > 0
	for _, path := range d.prefixes() {
		there := s.paths.Add(path, &choice{callers: map[string]*Destination{}})
		if len(d.From) == 0 {
			there.everyone = d
		}
		for _, caller := range d.From {
			there.callers[caller] = d
		}
	}
}

// prefixes are the paths that requests are compared with; "" is every path.
func (s *Spec) prefixes() []string {
	if len(s.Paths) == 0 {
		return []string{""}
	}
	return s.Paths
}

// All lists the destinations in the order of their specs.
func (t *Table) All() []*Destination { return slices.Clone(t.all) }

// Find returns the destination that a request of the resource named caller is for:
// the one with the longest path on that authority that is a whole-segment prefix of
// path, compared byte for byte. path is what precedes the first '?'. The result is
// nil for an authority or path of no destination, and where that path is not for this
// caller, even if a shorter one is. Where paths decide, it is nil for a path that is
// not safe (hostpath.PathFault), and for one that a server which decodes escapes and
// ignores case would take for another destination's.
func (t *Table) Find(authority, path, caller string) *Destination {
	a, ok := hostpath.ParseAuthority(authority)
	if !ok {
		return nil
	}
	return t.sites[a].find(path, caller)
}

// Named is [Table.Find] for the host that a route names, as configured. known is
// false if no destination has this host.
func (t *Table) Named(host, path, caller string) (d *Destination, known bool) {
	s := t.named[host]
	return s.find(path, caller), s != nil
}

func (s *site) find(path, caller string) *Destination {
	if s == nil {
		return nil
	}
	if !s.narrow {
		path = "/"
	}
	if hostpath.PathFault(path) != "" {
		return nil
	}
	there, _ := s.paths.Find(path)
	switch {
	case there == nil:
		return nil
	case there.everyone != nil:
		return there.everyone
	}
	return there.callers[caller]
}

// IsURL reports whether a request to authority and path is one to exactly this URL,
// which is absolute and in canonical spelling. A port that is the scheme's default
// may be absent.
func IsURL(raw, authority, path string) bool {
	u, err := url.Parse(raw)
	a, ok := hostpath.ParseAuthority(authority)
	if err != nil || !ok || u.RawQuery != "" || u.EscapedPath() != path {
		return false
	}
	own, ok := hostpath.ParseAuthority(u.Host)
	if !ok || own.Host != a.Host {
		return false
	}
	standard := uint16(defaultPort)
	if u.Scheme == "http" {
		standard = 80
	}
	return portOf(own, standard) == portOf(a, standard)
}

func portOf(a hostpath.Authority, standard uint16) uint16 {
	if a.Port == 0 {
		return standard
	}
	return a.Port
}
