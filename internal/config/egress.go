package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/destination"
	"github.com/doorward/doorward/internal/handle"
)

// Egress is the check of requests that leave the servers.
type Egress struct {
	Listeners []EgressListener
	// Observe logs and counts what would be refused, and lets it pass.
	Observe bool
	// AllowUnknown lets requests to no destination pass after the check.
	AllowUnknown bool
	// AllowUnreadBody lets bodies pass that cannot be searched.
	AllowUnreadBody bool
	// CheckTimeout is the longest that a Check may take, an exchange included.
	CheckTimeout time.Duration
	// Handle is how an inbound allow carries its token for an exchange; nil without
	// key files.
	Handle *Handle
	// Destinations are what servers call. Their resources are among Config.Resources.
	Destinations *destination.Table
}

// EgressListener is an address at which the Envoy on the way out of servers asks.
type EgressListener struct {
	// Listen is "host:port" or "unix:///absolute/path", a socket of mode 0600; see
	// [Network].
	Listen string
	// Resource is the name of the resource whose server calls; "" where Callers
	// says it.
	Resource string
	TLS      TLS
	// Peers are the URIs in client certificates that may connect; empty for a Unix
	// socket.
	Peers []string
	// Callers are names of resources by the value of source.principal.
	Callers map[string]string
}

// Handle is how an inbound allow carries its token, sealed, to the egress check.
type Handle struct {
	// Keys are of 32 bytes: the current one, then those that only open.
	Keys [][]byte
	// Baggage carries it in the W3C baggage header, instead of one of its own.
	Baggage bool
	// Lifetime is the longest that a handle may be opened.
	Lifetime time.Duration
	// MaxBytes bounds its text.
	MaxBytes int
}

// mostBaggage is in bytes: OpenTelemetry for Python drops a longer baggage entry.
const mostBaggage = 4000

// mostHandleKeys are the current key, the previous one, and the next one while
// replicas learn it.
const mostHandleKeys = 3

// checkEgress checks what leaves the servers. It is nil where nothing is configured.
func (r *reader) checkEgress(issuers []Issuer) *Egress {
	if !r.written("egress") {
		return nil
	}
	e := r.doc.Egress
	checkBounds(r, []bound[time.Duration]{
		{"egress.check_timeout", e.CheckTimeout, time.Millisecond, time.Minute},
		{"egress.handle.lifetime", e.Handle.Lifetime, time.Second, time.Hour},
	})
	names := r.resourceNames()
	return &Egress{
		Listeners: r.checkEgressListeners(names),
		Observe:   e.Mode == observe, AllowUnknown: e.Unknown == allow, AllowUnreadBody: e.UnreadBody == allow,
		CheckTimeout: e.CheckTimeout,
		Handle:       r.checkHandle(e.Handle),
		Destinations: r.checkDestinations(names, issuers),
	}
}

// resourceNames are the names of all resources, for keys that refer to them.
func (r *reader) resourceNames() []string {
	var names []string
	for _, e := range r.doc.Resources {
		names = append(names, e.name())
	}
	return names
}

func (e entry) name() string {
	if e.Name == "" {
		return e.Resource
	}
	return e.Name
}

// checkKnownResource demands the name of a resource.
func (r *reader) checkKnownResource(path, name string, names []string) {
	if slices.Contains(names, name) || name == "" {
		return
	}
	fix := "write the name of one of resources"
	if meant := Nearest(name, names); meant != "" {
		fix = fmt.Sprintf("did you mean %q?", meant)
	}
	r.problem(path, fmt.Sprintf("is %q, which is not the name of a resource", name), fix)
}

// checkHandle reads the keys that seal tokens.
func (r *reader) checkHandle(h handleKeys) *Handle {
	const files = "egress.handle.key_files"
	exchanges := slices.ContainsFunc(r.doc.Egress.Destinations, func(d destinationEntry) bool {
		return d.Token == destination.Exchange
	})
	switch written := r.written("egress.handle"); {
	case exchanges && len(h.KeyFiles) == 0:
		r.problem(files, "is missing, and a destination has token: exchange",
			"write handle: {key_files: [handle.key]} with the name of a file of 32 random bytes (openssl rand 32)")
	case written && len(h.KeyFiles) == 0:
		r.problem(files, "is missing", "name a file of 32 random bytes (openssl rand 32)")
	case written && !exchanges:
		r.warn("egress.handle", "has no effect, because no destination has token: exchange", "remove it")
	}
	result := &Handle{Baggage: h.Carry == carryBaggage, Lifetime: h.Lifetime, MaxBytes: r.handleBytes(h)}
	if len(h.KeyFiles) > mostHandleKeys {
		r.problem(files, fmt.Sprintf("names %d files", len(h.KeyFiles)),
			fmt.Sprintf("keep the current key, the previous one and the next one: at most %d", mostHandleKeys))
		return nil
	}
	for i, name := range h.KeyFiles {
		if key := r.handleKey(element(files, i), name); key != nil {
			result.Keys = append(result.Keys, key)
		}
	}
	for i, key := range result.Keys {
		if slices.ContainsFunc(result.Keys[:i], func(other []byte) bool { return string(other) == string(key) }) {
			r.problem(files, "has one key twice", "name each key once")
		}
	}
	if len(result.Keys) == 0 {
		return nil
	}
	return result
}

// handleKey reads a file of one key. Messages never quote it.
func (r *reader) handleKey(path, name string) []byte {
	key, ok := r.readNamed(path, name)
	if ok && len(key) != handle.KeyBytes {
		r.problem(path, fmt.Sprintf("is %s, which has %d bytes", name, len(key)),
			fmt.Sprintf("write exactly %d random bytes into it: openssl rand %d", handle.KeyBytes, handle.KeyBytes))
		return nil
	}
	return key
}

// handleBytes is the most that a handle may have: in baggage, what every reader keeps.
func (r *reader) handleBytes(h handleKeys) int {
	const at = "egress.handle.max_bytes"
	checkBounds(r, []bound[Size]{{at, h.MaxBytes, 256, handle.MaxBytes}})
	switch {
	case h.Carry != carryBaggage || h.MaxBytes <= mostBaggage:
	case r.written(at):
		r.problem(at, fmt.Sprintf("is %v, and readers of baggage drop an entry of more than %d bytes", h.MaxBytes,
			mostBaggage), fmt.Sprintf("write at most %dB, or carry: header", mostBaggage))
	default:
		return mostBaggage
	}
	return int(h.MaxBytes)
}

// checkDestinations checks what servers call and returns their table.
func (r *reader) checkDestinations(names []string, issuers []Issuer) *destination.Table {
	var ids []string
	for _, is := range issuers {
		ids = append(ids, is.Names()...)
	}
	specs := make([]destination.Spec, len(r.doc.Egress.Destinations))
	for i, d := range r.doc.Egress.Destinations {
		at := element("egress.destinations", i)
		specs[i] = destination.Spec{
			Host: d.Host, Paths: d.Paths, From: d.From, Token: d.Token,
			TokenEndpoint: d.TokenEndpoint, TokenIssuer: d.TokenIssuer,
			BoundSubject: d.BoundSubject == allow, UnreadBody: d.UnreadBody == allow,
		}
		for j, e := range d.Exchange {
			entry := element(at+".exchange", j)
			specs[i].Exchange = append(specs[i].Exchange, r.exchangeEntry(entry, e, issuers))
			r.checkAsserted(entry, e, d, names)
		}
		if r.written(at + ".client_credentials") {
			specs[i].ClientCredentials = r.exchangeEntry(at+".client_credentials", d.ClientCredentials.entry(), issuers)
		}
		r.checkFrom(at+".from", d.From, names)
	}
	table, problems := destination.NewTable(specs, destination.Known{
		Resources: names, Issuers: ids, InsecureHTTPHosts: r.doc.InsecureHTTPHosts,
	})
	complete := r.knownIssuers().complete
	for _, p := range problems {
		if complete || !strings.Contains(p.Message, " issuers") {
			r.reportEgress(p, ids)
		}
	}
	return table
}

// checkFrom demands names of resources, before the table does without an advice.
func (r *reader) checkFrom(path string, from, names []string) {
	for i, name := range from {
		r.checkKnownResource(element(path, i), name, names)
	}
}

// reportEgress adds the place to a finding about a destination, and the issuer that
// an unknown one probably means.
func (r *reader) reportEgress(p finding.Finding, issuers []string) {
	var written string
	if n, _ := fmt.Sscanf(p.Message, "is %q, which is not one of", &written); n == 1 {
		if meant := Nearest(written, issuers); meant != "" {
			p.Fix = fmt.Sprintf("did you mean %q?", meant)
		}
	}
	if p.Other != "" {
		p.Message = strings.Replace(p.Message, p.Other, "egress."+p.Other, 1)
		p.Other = "egress." + p.Other
	}
	p.Path = "egress." + p.Path
	if p.Severity == finding.Error {
		defer func() { r.broken[p.Path] = true }()
	}
	r.report(p.Path, p)
}

// Exchanging returns the names of the resources whose servers may call a destination for
// which their token is exchanged. The nil Egress has none.
func (e *Egress) Exchanging(resources []*resource.Resource) map[string]bool {
	if e == nil {
		return nil
	}
	names := map[string]bool{}
	for _, d := range e.Destinations.All() {
		for _, r := range resources {
			if d.Token == destination.Exchange && (len(d.From) == 0 || slices.Contains(d.From, r.Name)) {
				names[r.Name] = true
			}
		}
	}
	return names
}
