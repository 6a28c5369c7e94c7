// Package destination finds what a request that leaves a server is for, and with
// which token it may go there.
//
// A [Table] is checked as a whole when it is built; a request that is not clearly
// for one destination finds none.
package destination

import (
	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/exchange"
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
	Paths []string // the paths that it has there; none: every path
	From  []string // names of the resources whose servers may call it; none: every one
	Token string   // None, Keep, Exchange or ClientCredentials

	TokenEndpoint     string           // URL at which tokens of its issuer may be sent; "" for none
	Exchange          []exchange.Entry // of Exchange: one for each issuer
	ClientCredentials exchange.Entry   // of ClientCredentials
	BoundSubject      bool             // Exchange takes tokens that are bound to a key (cnf)
	UnreadBody        bool             // bodies that cannot be searched pass
}

// Destination is one checked destination, as a request finds it. It comes from a
// [Table] and must not be changed.
type Destination struct {
	Spec
	Name string // Host as configured: for logs, metrics and rules
}

// Table is an immutable set of destinations, safe for concurrent use. The zero
// Table is empty.
type Table struct {
	all []*Destination
}

// Known is what the rest of the configuration has.
type Known struct {
	Resources         []string // names of resources
	Issuers           []string // exact iss values
	InsecureHTTPHosts []string // hosts whose token endpoint may be http://
}

// NewTable checks specs and builds their table. All problems come at once, each by
// the path of a key below "destinations"; the table is nil if one of them is more
// than a warning.
func NewTable(specs []Spec, _ Known) (*Table, finding.List) {
	t := &Table{}
	for _, s := range specs {
		t.all = append(t.all, &Destination{Spec: s, Name: s.Host})
	}
	return t, nil
}

// All lists the destinations in the order of their specs.
func (t *Table) All() []*Destination { return t.all }

// Find returns the destination that a request of the resource named caller is for:
// the one with the longest path on that authority that is a whole-segment prefix of
// path, compared byte for byte. path is what precedes the first '?'. It is nil for
// an authority or path of no destination, for a path that is not safe where paths
// decide, and where the destination is not for this caller.
func (t *Table) Find(authority, path, caller string) *Destination {
	return nil
}

// Named is [Table.Find] for a host that a route names, as configured. known is false
// if no destination has this host.
func (t *Table) Named(host, path, caller string) (d *Destination, known bool) {
	return nil, false
}
