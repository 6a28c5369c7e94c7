package destination

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/exchange"
	"github.com/doorward/doorward/internal/hostpath"
	"github.com/doorward/doorward/internal/outbound"
)

// defaultPort is the port of a host without one: Envoy shows either, and speaks TLS
// to the destination.
const defaultPort = 443

// checker collects the problems of a list of specs.
type checker struct {
	known    Known
	problems finding.List
}

func (c *checker) problem(path, message, fix string) {
	c.problems = append(c.problems, finding.Finding{Path: path, Message: message, Fix: fix})
}

func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// spec checks what can be seen of one spec alone.
func (c *checker) spec(at string, s Spec) *Destination {
	d := &Destination{Spec: s, Name: s.Host}
	d.Paths, d.From, d.Exchange = slices.Clone(s.Paths), slices.Clone(s.From), slices.Clone(s.Exchange)
	c.host(at+".host", s.Host)
	c.paths(at+".paths", s.Paths)
	c.from(at+".from", s.From)
	c.token(at, s)
	c.exchange(at, s)
	c.clientCredentials(at, s)
	c.tokenEndpoint(at, d)
	return d
}

// host demands the one spelling of an authority.
func (c *checker) host(at, written string) {
	const form = "write host or host:port, as Envoy shows the authority"
	host, port, hasPort := hostpath.SplitPort(written)
	number, ok := hostpath.ParsePort(port)
	fault, canonical, readable := hostpath.ReadHost(host)
	switch {
	case written == "":
		c.problem(at, "is missing", "write the host that the server calls, such as api.example.com")
	case strings.Contains(written, "/"):
		c.problem(at, "is a URL", "write the host alone, and paths: [/…] for a part of it")
	case strings.Contains(written, "*"):
		c.problem(at, "has a wildcard, and a destination is one host", "write one destination for each host")
	case strings.Contains(written, "@"):
		c.problem(at, "has user information", form)
	case hasPort && !ok:
		c.problem(at, "has no valid port", "write a number from 1 to 65535, or none for 443")
	case !readable:
		reason, advice, _ := strings.Cut(fault, ": ")
		c.problem(at, reason, advice)
	case hasPort && number == defaultPort:
		c.problem(at, "writes the default port out", "write "+canonical)
	case fault != "" && hasPort:
		c.problem(at, fault, "write "+canonical+":"+strconv.Itoa(int(number)))
	case fault != "":
		c.problem(at, fault, "write "+canonical)
	}
}

func (c *checker) paths(at string, paths []string) {
	if paths != nil && len(paths) == 0 {
		c.problem(at, "is empty, so that no request could be for it", "name a path, or remove it for every path")
	}
	for i, path := range paths {
		entry := element(at, i)
		fault := hostpath.PathFault(path)
		switch {
		case path == "/":
			c.problem(entry, "is every path", "remove paths")
		case fault != "":
			c.problem(entry, "matches no request, because it "+fault,
				"write the path as servers see it after normalisation, such as /v1")
		case strings.ContainsAny(path, "*{}"):
			c.problem(entry, "has one of * { }, which match nothing but themselves",
				"write whole segments; what is below them belongs to the destination")
		case slices.Contains(paths[:i], path):
			c.problem(entry, "is listed twice", "leave one out")
		}
	}
}

func (c *checker) from(at string, from []string) {
	if from != nil && len(from) == 0 {
		c.problem(at, "is empty, so that no server could call it", "name a resource, or remove it for all of them")
	}
	for i, name := range from {
		switch {
		case !slices.Contains(c.known.Resources, name):
			c.problem(element(at, i), fmt.Sprintf("is %q, which is not the name of a resource", name),
				"write the name of one of resources")
		case slices.Contains(from[:i], name):
			c.problem(element(at, i), "is listed twice", "leave one out")
		}
	}
}

func (c *checker) token(at string, s Spec) {
	switch s.Token {
	case None, Keep, Exchange, ClientCredentials:
	case "":
		c.problem(at+".token", "is missing", "write none, keep, exchange or client_credentials")
	default:
		c.problem(at+".token", fmt.Sprintf("is %q", s.Token), "write none, keep, exchange or client_credentials")
	}
	if s.BoundSubject && s.Token != Exchange {
		c.problem(at+".bound_subject", "has no effect, because no token is exchanged",
			"remove it, or write token: exchange")
	}
}

// exchange checks the entries: one for each of the issuers whose tokens may be
// exchanged, since no other server may see a token.
func (c *checker) exchange(at string, s Spec) {
	list := at + ".exchange"
	switch {
	case s.Token == Exchange && len(s.Exchange) == 0:
		c.problem(list, "is missing, and token is exchange", "write one entry for each issuer whose tokens may be "+
			"exchanged: exchange: [{issuer: https://…, …}]")
	case s.Token != Exchange && len(s.Exchange) > 0:
		c.problem(list, "has no effect, because token is not exchange", "write token: exchange, or remove it")
	}
	for i, e := range s.Exchange {
		entry := element(list, i)
		before := func(other exchange.Entry) bool { return other.Issuer == e.Issuer }
		switch {
		case e.Issuer == "":
			c.problem(entry+".issuer", "is missing", "write the issuer whose tokens are exchanged")
		case !slices.Contains(c.known.Issuers, e.Issuer):
			c.problem(entry+".issuer", fmt.Sprintf("is %q, which is not one of the issuers", e.Issuer),
				"add it to issuers, or remove the entry")
		case slices.ContainsFunc(s.Exchange[:i], before):
			c.problem(entry+".issuer", "has an entry already, and a token has one way",
				"keep one entry for each issuer")
		}
		c.below(entry, e.Issuer, e.Check())
	}
}

func (c *checker) clientCredentials(at string, s Spec) {
	entry := at + ".client_credentials"
	present := !s.ClientCredentials.Equal(exchange.Entry{})
	switch {
	case s.Token != ClientCredentials && present:
		c.problem(entry, "has no effect, because token is not client_credentials",
			"write token: client_credentials, or remove it")
	case s.Token == ClientCredentials && !present:
		c.problem(entry, "is missing, and token is client_credentials",
			"write client_credentials: {issuer: https://…, client_id: …, client_secret_file: …}")
	case s.Token == ClientCredentials:
		if s.ClientCredentials.Issuer == "" {
			c.problem(entry+".issuer", "is missing", "write the authorization server of the destination")
		}
		c.below(entry, s.ClientCredentials.Issuer, s.ClientCredentials.CheckClientCredentials())
	}
}

// below adds the findings of an entry. One without issuer has that finding already.
func (c *checker) below(at, issuer string, problems finding.List) {
	for _, p := range problems {
		if p.Path == "issuer" && issuer == "" {
			continue
		}
		p.Path = at + "." + p.Path
		c.problems = append(c.problems, p)
	}
}

// tokenEndpoint demands a URL of the destination, and the issuer whose tokens it may
// get.
func (c *checker) tokenEndpoint(at string, d *Destination) {
	at += ".token_endpoint"
	if d.TokenEndpoint == "" {
		if d.TokenIssuer != "" {
			c.problem(strings.TrimSuffix(at, "endpoint")+"issuer", "has no effect without token_endpoint",
				"remove it, or write token_endpoint: https://…")
		}
		return
	}
	u, err := url.Parse(d.TokenEndpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.EscapedPath() == "":
		c.problem(at, "is not the URL of a token endpoint", "write https://host/path")
		return
	case u.User != nil || strings.ContainsAny(d.TokenEndpoint, "?#"):
		c.problem(at, "has user information, a query or a fragment", "write https://host/path")
	case u.Scheme == "http" && !outbound.MayBePlain(u, c.known.InsecureHTTPHosts):
		c.problem(at, "is http://", "write https://, or name its host in insecure_http_hosts")
	case hostpath.PathFault(u.EscapedPath()) != "":
		c.problem(at, "has a path that matches no request, because it "+hostpath.PathFault(u.EscapedPath()),
			"write the path as servers see it after normalisation")
	case !IsURL(d.TokenEndpoint, d.Host, u.EscapedPath()) || !d.has(u.EscapedPath()):
		c.problem(at, "is not a URL of this destination", "write it at the destination with its host and path")
	case d.Token == Exchange || d.Token == ClientCredentials:
		c.problem(at, "cannot be combined with token: "+d.Token+", which sets the authorization of its own "+
			"that a server sends there", "write token: keep")
	}
	d.TokenPath = u.EscapedPath()
	c.tokenIssuer(strings.TrimSuffix(at, "endpoint")+"issuer", at, d, u)
}

// has reports whether a path belongs to a destination, others apart.
func (s *Spec) has(path string) bool {
	return slices.ContainsFunc(s.prefixes(), func(prefix string) bool { return hostpath.Covers(prefix, path) })
}

// tokenIssuer fills in the issuer of a token endpoint.
func (c *checker) tokenIssuer(at, endpoint string, d *Destination, u *url.URL) {
	if d.TokenIssuer != "" {
		if !slices.Contains(c.known.Issuers, d.TokenIssuer) {
			c.problem(at, fmt.Sprintf("is %q, which is not one of the issuers", d.TokenIssuer),
				"add it to issuers, or remove token_endpoint")
		}
		return
	}
	var there []string
	for _, issuer := range c.known.Issuers {
		if i, err := url.Parse(issuer); err == nil && i.Scheme == u.Scheme && i.Host == u.Host {
			there = append(there, issuer)
		}
	}
	if len(there) != 1 {
		c.problem(endpoint, fmt.Sprintf("is on the host of %d issuers, so that it is not known whose tokens it may get",
			len(there)), "write token_issuer: with one of the issuers")
		return
	}
	d.TokenIssuer = there[0]
}

// claimed is the path of a destination, and its configuration key.
type claimed struct {
	destination *Destination
	path        string
	at          string
}

// overlaps checks that no request of a caller is for two destinations. Paths are
// compared folded: of two paths that differ in case alone, a server that ignores case
// would serve one for the other.
func (c *checker) overlaps(all []*Destination) {
	type address struct{ host, folded string }
	taken := map[address][]claimed{}
	for i, d := range all {
		for j, path := range d.prefixes() {
			mine := claimed{d, path, element("destinations", i) + ".host"}
			if len(d.Paths) > 0 {
				mine.at = element(element("destinations", i)+".paths", j)
			}
			key := address{d.Host, hostpath.Fold(path)}
			c.claim(mine, taken[key])
			taken[key] = append(taken[key], mine)
		}
	}
}

// claim reports the first conflict with others on the same address.
func (c *checker) claim(mine claimed, others []claimed) {
	for _, other := range others {
		if message, fix := conflict(mine, other); message != "" {
			c.problems = append(c.problems, finding.Finding{
				Path: mine.at, Message: fmt.Sprintf(message, other.at), Fix: fix, Other: other.at,
			})
			return
		}
	}
}

// conflict is the format of what is wrong with two claims on one address, with %s for
// the other; "" if nothing is.
func conflict(mine, other claimed) (format, fix string) {
	switch {
	case mine.destination.Host == "":
		return "", ""
	case mine.path != other.path:
		return "differs from %s in case or escapes alone", "write paths that no server takes for each other"
	case mine.destination == other.destination:
		return "", "" // reported
	case !sharesCaller(mine.destination.From, other.destination.From):
		return "", ""
	}
	return "is the same host and path as %s, for the same callers", "give the two different paths, or from: " +
		"without a resource of the other"
}

// sharesCaller reports whether a resource may call two destinations; nil is every one.
func sharesCaller(a, b []string) bool {
	return a == nil || b == nil || slices.ContainsFunc(a, func(name string) bool { return slices.Contains(b, name) })
}
