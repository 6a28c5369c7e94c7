package config

import (
	"fmt"
	"slices"

	"github.com/doorward/doorward/internal/exchange"
)

// exchangeEntry reads the files of an entry. What else it knows of the authorization
// server is what the issuer's own entry says.
func (r *reader) exchangeEntry(at string, e exchangeEntry, issuers []Issuer) exchange.Entry {
	read := func(key, name string) []byte {
		text, ok := r.readNamed(join(at, key), name)
		if name != "" && !ok {
			r.broken[at+".client_id"] = true // what proves it is there, and cannot be read
		}
		return text
	}
	entry := exchange.Entry{
		Issuer: e.Issuer, Subject: e.Subject, AuthorizationServer: e.AuthorizationServer,
		TokenEndpoint: e.TokenEndpoint, RequestedTokenType: e.RequestedTokenType,
		Resource: e.Resource, Audience: e.Audience, Scope: e.Scope,
		ActorToken: read("actor_token_file", e.ActorTokenFile), ActorTokenType: e.ActorTokenType,
		ClientID:          e.ClientID,
		ClientSecret:      read("client_secret_file", e.ClientSecretFile),
		PrivateKey:        read("private_key_file", e.PrivateKeyFile),
		PrivateKeyID:      e.PrivateKeyID,
		PrivateKeyAlg:     e.Algorithm,
		ClientCertificate: read("client_certificate.cert_file", e.ClientCertificate.CertFile),
		ClientKey:         read("client_certificate.key_file", e.ClientCertificate.KeyFile),
		CAPEM:             r.certificates(at+".ca_file", e.CAFile),
		InsecureHTTPHosts: r.doc.InsecureHTTPHosts,
	}
	server := e.Issuer
	if e.AuthorizationServer != "" {
		server = e.AuthorizationServer
	}
	i := slices.IndexFunc(issuers, func(is Issuer) bool { return is.Keys.Issuer == server })
	if i >= 0 && entry.TokenEndpoint == "" {
		entry.DiscoveryURL = issuers[i].Keys.DiscoveryURL
	}
	if i >= 0 && entry.CAPEM == nil {
		entry.CAPEM = issuers[i].Keys.CAPEM
	}
	return entry
}

// checkAsserted demands that each server that may call the destination has an
// assertion, where that is what is exchanged.
func (r *reader) checkAsserted(at string, e exchangeEntry, d destinationEntry, names []string) {
	if e.Subject != exchange.SubjectAssertion {
		return
	}
	for i, name := range names {
		calls := len(d.From) == 0 || slices.Contains(d.From, name)
		if calls && !r.written(element("resources", i)+".assertion") {
			r.problem(at+".subject", fmt.Sprintf("is assertion, and resource %q, which may call, has none", name),
				"write assertion: {issuer: …, audience: …, key_file: …} in it, or leave it out of from")
			return
		}
	}
}
