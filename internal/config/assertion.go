package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/assertion"
)

// checkAssertions returns what signs the assertions of each resource that has them, by
// its name.
func (r *reader) checkAssertions(issuers []Issuer) map[string]*assertion.Signer {
	signers := map[string]*assertion.Signer{}
	audiences := map[string]string{} // path of the first resource that has one
	for i, e := range r.doc.Resources {
		at := element("resources", i) + ".assertion"
		if !r.written(at) || r.isBroken(at) {
			continue
		}
		checkBounds(r, []bound[time.Duration]{
			{at + ".lifetime", e.Assertion.Lifetime, 5 * time.Second, 10 * time.Minute},
		})
		r.checkAssertionIssuer(at+".issuer", e.Assertion.Issuer, issuers)
		r.checkAssertionAudience(at+".audience", e.Assertion.Audience, issuers)
		if first, again := audiences[e.Assertion.Audience]; again && e.Assertion.Audience != "" {
			r.problem(at+".audience", fmt.Sprintf("is that of another server, at %v, which would accept its assertions",
				r.placeOf(first)), "write a value of its own for each server")
		}
		audiences[e.Assertion.Audience] = at + ".audience"
		if signer := r.signer(at, e.Assertion); signer != nil {
			signers[e.name()] = signer
		}
	}
	if len(audiences) > 0 {
		r.checkKeysAreServed()
	}
	if len(signers) == 0 {
		return nil
	}
	return signers
}

// checkAssertionIssuer refuses an iss that is trusted for access tokens.
func (r *reader) checkAssertionIssuer(path, id string, issuers []Issuer) {
	switch {
	case id == "":
		r.problem(path, "is missing", "write the iss of the assertions, such as https://doorward.example.com")
	case isIssuer(id, issuers):
		r.problem(path, "is an authorization server whose tokens are trusted", "write a name of doorward's own")
	}
}

func isIssuer(id string, issuers []Issuer) bool {
	return slices.ContainsFunc(issuers, func(is Issuer) bool {
		return slices.Contains(is.Names(), strings.TrimSuffix(id, "/")) || slices.Contains(is.Names(), id)
	})
}

// checkAssertionAudience refuses an audience at which an assertion is more than a
// statement for the server: an authorization server could issue tokens for it.
func (r *reader) checkAssertionAudience(path, audience string, issuers []Issuer) {
	isServer := func(e exchangeEntry) bool {
		return e.AuthorizationServer == audience || e.TokenEndpoint == audience
	}
	asked := slices.ContainsFunc(r.doc.Egress.Destinations, func(d destinationEntry) bool {
		return slices.ContainsFunc(d.Exchange, isServer) || isServer(d.ClientCredentials.entry())
	})
	switch {
	case audience == "":
		r.problem(path, "is missing", "write what the server compares aud with, such as its URL inside the mesh")
	case asked || isIssuer(audience, issuers):
		r.problem(path, "is an authorization server, where the assertion would be good for tokens",
			"write a value of the server's own")
	}
}

func (r *reader) signer(at string, a assertionKeys) *assertion.Signer {
	if a.KeyFile == "" {
		r.problem(at+".key_file", "is missing", "name a file with a private key in PEM, such as that of "+
			"openssl ecparam -name prime256v1 -genkey -noout")
		return nil
	}
	key, ok := r.readNamed(at+".key_file", a.KeyFile)
	if !ok || a.Issuer == "" || a.Audience == "" {
		return nil
	}
	options := assertion.Options{Issuer: a.Issuer, Audience: a.Audience, Lifetime: a.Lifetime, Key: key}
	signer, err := assertion.New(options)
	if err != nil {
		r.problem(at+".key_file", fmt.Sprintf("is %s, which cannot be used: %v", a.KeyFile, err),
			"name a file with a private key in PEM: RSA of 2048 bits or more, EC or Ed25519")
		return nil
	}
	for i, name := range a.PublishFiles {
		path := element(at+".publish_files", i)
		text, ok := r.readNamed(path, name)
		if !ok {
			continue
		}
		one := options
		one.Publish = [][]byte{text}
		if _, err := assertion.New(one); err != nil {
			r.problem(path, fmt.Sprintf("is %s, which cannot be used: %v", name, err),
				"name a file with one key in PEM, private or public")
			continue
		}
		options.Publish = append(options.Publish, text)
	}
	if len(options.Publish) > 0 {
		if signer, err = assertion.New(options); err != nil {
			r.problem(at+".publish_files", "cannot be used: "+err.Error(), "name each key once")
		}
	}
	return signer
}

// checkKeysAreServed demands that servers can read the keys of assertions.
func (r *reader) checkKeysAreServed() {
	const fix = "listen on an address that the servers reach, such as 0.0.0.0:9190"
	switch http := r.doc.Listen.HTTP; {
	case http == Off:
		r.problem("listen.http", "is off, and a resource has an assertion, whose keys servers read there", fix)
	case tcpFault(http) == "" && isLoopback(http):
		r.problem("listen.http", "is on loopback, and a resource has an assertion, whose keys servers read there", fix)
	}
}
