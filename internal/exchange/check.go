package exchange

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"strings"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/outbound"
)

// checker collects what is wrong with an entry.
type checker struct {
	Entry
	problems finding.List
}

func (c *checker) problem(path, message, fix string) {
	c.problems = append(c.problems, finding.Finding{Path: path, Message: message, Fix: fix})
}

// Check returns what is wrong with an entry of `exchange`, without using the
// network. The paths of the findings are configuration keys below the entry.
func (e Entry) Check() finding.List {
	c := checker{Entry: e}
	c.checkSubject()
	c.checkEndpoint()
	c.checkTarget()
	if e.Resource == "" && e.Audience == "" {
		c.problem("resource", "and audience are missing, so an answer for any other API would do",
			"write the one that the destination checks, as its tokens have it in aud")
	}
	if e.RequestedTokenType != "" && e.RequestedTokenType != typeAccessToken && e.RequestedTokenType != typeJWT {
		c.problem("requested_token_type", "is no type of token that an API accepts",
			"write "+typeAccessToken+" or "+typeJWT+", or leave it out")
	}
	c.checkActor()
	c.checkClient()
	return c.problems
}

// CheckClientCredentials is [Entry.Check] for an entry of `client_credentials`.
func (e Entry) CheckClientCredentials() finding.List {
	c := checker{Entry: e}
	for _, key := range [][2]string{
		{"subject", e.Subject},
		{"authorization_server", e.AuthorizationServer},
		{"requested_token_type", e.RequestedTokenType},
		{"actor_token_file", string(e.ActorToken)},
	} {
		if key[1] != "" {
			c.problem(key[0], "is for an exchange, and client credentials have no subject", "leave it out")
		}
	}
	c.Subject = ""
	c.checkEndpoint()
	c.checkTarget()
	c.checkClient()
	return c.problems
}

func (c *checker) checkSubject() {
	switch c.Subject {
	case "", SubjectToken:
		if c.AuthorizationServer != "" {
			c.problem("authorization_server", "would get the client's token, which goes to its own issuer alone",
				"write subject: assertion, or leave authorization_server out")
		}
	case SubjectAssertion:
		if c.AuthorizationServer == "" {
			c.problem("authorization_server", "is missing, so no server gets the assertion",
				"write the issuer identifier of the authorization server that trusts assertions of ours")
		}
	default:
		c.problem("subject", "is neither token nor assertion", "write token, or leave it out")
	}
}

// checkEndpoint checks that there is a URL to begin with.
func (c *checker) checkEndpoint() {
	if c.Issuer == "" {
		c.problem("issuer", "is missing", "write the exact iss of the tokens")
		return
	}
	check := func(path, value, otherwise string) {
		u, err := outbound.SecureURL(value, c.InsecureHTTPHosts)
		switch {
		case err != nil:
			c.problem(path, err.Error(), otherwise)
		case u.Scheme == "http":
			c.problems = append(c.problems, finding.Finding{
				Path: path, Severity: finding.Warning,
				Message: "plain http: others on the network can read tokens and secrets: use https outside of tests",
			})
		}
	}
	switch {
	case c.TokenEndpoint != "":
		check("token_endpoint", c.TokenEndpoint, "")
	case c.DiscoveryURL != "":
		check("discovery_url", c.DiscoveryURL, "")
	case c.Subject == SubjectAssertion && c.AuthorizationServer != "":
		check("authorization_server", c.AuthorizationServer, "or write token_endpoint")
	case c.Subject != SubjectAssertion:
		check("issuer", c.Issuer, "or write token_endpoint")
	}
	if len(c.CAPEM) > 0 && !x509.NewCertPool().AppendCertsFromPEM(c.CAPEM) {
		c.problem("ca_file", "no certificate in it", "give PEM blocks of type CERTIFICATE")
	}
}

// checkTarget checks resource (RFC 8707, section 2) and scope (RFC 6749, section 3.3).
func (c *checker) checkTarget() {
	if u, err := url.Parse(c.Resource); c.Resource != "" &&
		(err != nil || u.Scheme == "" || strings.Contains(c.Resource, "#")) {
		c.problem("resource", "is no absolute URI without a fragment (RFC 8707, section 2)",
			"write the URI of the API, or audience for a name")
	}
	for _, scope := range c.Scope {
		if scope == "" || strings.ContainsFunc(scope, isNotScope) {
			c.problem("scope", "holds what is no scope", "write each scope as an element, without spaces")
			return
		}
	}
}

func isNotScope(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }

func (c *checker) checkActor() {
	actor := c.actorToken()
	if len(c.ActorToken) > 0 && (actor == "" || len(actor) > maxToken || strings.ContainsFunc(actor, isNotToken)) {
		c.problem("actor_token_file", "holds no token", "write one token into it")
	}
	if c.ActorTokenType != "" && len(c.ActorToken) == 0 {
		c.problem("actor_token_type", "is of no token", "write actor_token_file, or leave it out")
	}
}

// checkClient checks that there is one way to prove who we are.
func (c *checker) checkClient() {
	if c.ClientID == "" {
		c.problem("client_id", "is missing", "write the name that the authorization server has for doorward")
	}
	certificate := len(c.ClientCertificate)+len(c.ClientKey) > 0
	ways := 0
	for _, written := range []bool{c.ClientSecret != nil, c.PrivateKey != nil, certificate} {
		if written {
			ways++
		}
	}
	if ways != 1 {
		c.problem("client_id", "needs one proof, and not none or several",
			"write one of client_secret_file, private_key_file and client_certificate")
	}
	if secret := c.clientSecret(); c.ClientSecret != nil && (secret == "" || strings.ContainsFunc(secret, isControl)) {
		c.problem("client_secret_file", "holds no secret", "write the secret into it, on one line")
	}
	if c.PrivateKey != nil {
		if _, err := c.signingKey(); err != nil {
			c.problem("private_key_file", err.Error(), "")
		}
	} else if c.PrivateKeyID+c.PrivateKeyAlg != "" {
		c.problem("client_id", "has the name or the algorithm of a key, and no key", "write private_key_file")
	}
	if _, err := tls.X509KeyPair(c.ClientCertificate, c.ClientKey); certificate && err != nil {
		c.problem("client_certificate", "cannot be used", "write a cert_file and the key_file of its key, in PEM")
	}
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
