package config

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// checkEgressListeners checks the addresses at which egress is checked: who connects
// there can get the tokens of its callers.
func (r *reader) checkEgressListeners(names []string) []EgressListener {
	var all []EgressListener
	if len(r.doc.Egress.Listeners) == 0 {
		r.problem("egress.listeners", "names no listener, so that nothing is checked",
			"write listeners: [{listen: unix:///run/doorward/NAME.sock, resource: NAME}]")
	}
	for i, l := range r.doc.Egress.Listeners {
		at := element("egress.listeners", i)
		r.checkEgressListener(at, l)
		r.checkCallers(at, l, names)
		all = append(all, EgressListener(l))
	}
	return all
}

func (r *reader) checkEgressListener(at string, l egressListener) {
	const form = "write unix:///absolute/path or host:port"
	network, address := Network(l.Listen)
	fault := tcpFault(address)
	switch {
	case l.Listen == "":
		r.problem(at+".listen", "is missing", form)
	case network == "":
		r.problem(at+".listen", `cannot be "off"`, form+", or remove the listener")
	case network == "unix":
		r.checkSocket(at+".listen", address)
		for _, key := range []string{"tls", "peers"} {
			if r.written(join(at, key)) {
				r.problem(join(at, key), "has no effect on a Unix socket, which its owner alone may open", "remove it")
			}
		}
		return
	case fault != "":
		r.problem(at+".listen", fault, form)
	}
	r.checkTLS(at+".tls", l.TLS)
	r.checkPeers(at, l)
}

// checkPeers demands client certificates, and whose: a listener over TCP is reached by
// others than the Envoy that it is for, on loopback too.
func (r *reader) checkPeers(at string, l egressListener) {
	const reason = ", and who connects to an egress listener can get the tokens of its callers"
	tls := at + ".tls"
	switch {
	case l.Listen == "" || r.isBroken(at+".listen"):
	case !r.written(tls):
		r.problem(at+".listen", "is TCP without client certificates"+reason,
			"listen on unix:///absolute/path, or add tls: {cert_file: …, key_file: …, client_ca_file: …} and peers")
	case !r.written(tls + ".client_ca_file"):
		r.problem(tls+".client_ca_file", "is missing"+reason, "name the authority of the Envoy's certificate")
	case len(l.Peers) == 0:
		r.problem(at+".peers", "is missing"+reason, "write the URIs in the certificates that may connect, such as "+
			"spiffe://example.org/ns/mesh/sa/egress")
	}
	var paths []string
	for i, peer := range l.Peers {
		path := element(at+".peers", i)
		paths = append(paths, path)
		if fault := peerFault(peer); fault != "" {
			r.problem(path, fault, "write a SPIFFE ID such as spiffe://example.org/ns/mesh/sa/egress, or another URI "+
				"as it is in the certificate")
		}
	}
	r.unique(l.Peers, paths)
}

// peerFault says why a text is no URI of a certificate (RFC 5280, section 4.2.1.6),
// "" if it is one.
func peerFault(peer string) string {
	u, err := url.Parse(peer)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "" && u.Opaque == "" || strings.ContainsAny(peer, " *"):
		return fmt.Sprintf("is %q, which is no URI", peer)
	case u.Scheme != "spiffe":
		return ""
	case u.User != nil || u.Port() != "" || strings.ContainsAny(peer, "?#%") || u.Host != strings.ToLower(u.Host) ||
		len(u.Path) < 2 || strings.HasSuffix(u.Path, "/") || strings.Contains(u.Path, "//"):
		return fmt.Sprintf("is %q, which is no SPIFFE ID of a workload", peer)
	}
	return ""
}

// checkCallers demands that each listener says whose servers call there.
func (r *reader) checkCallers(at string, l egressListener, names []string) {
	switch {
	case l.Resource != "" && len(l.Callers) > 0:
		r.problem(at+".callers", "is a second answer to whose server calls", "keep one of resource and callers")
	case l.Resource == "" && len(l.Callers) == 0 && !r.isBroken(at+".callers") && !r.isBroken(at+".resource"):
		r.problem(at+".resource", "is missing, so that every caller would be unknown",
			"write resource: with the name of the server's resource, or callers: {SOURCE_PRINCIPAL: NAME}")
	}
	r.checkKnownResource(at+".resource", l.Resource, names)
	for _, principal := range slices.Sorted(maps.Keys(l.Callers)) {
		path := join(at+".callers", principal)
		if principal == "" || strings.TrimSpace(principal) != principal || strings.Contains(principal, "*") {
			r.problem(path, "is no value of source.principal, which is compared byte for byte",
				"write it as Envoy shows it, such as spiffe://example.org/ns/weather/sa/server")
			continue
		}
		r.checkKnownResource(path, l.Callers[principal], names)
	}
}
