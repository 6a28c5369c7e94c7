package exchange

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"net/url"
	"time"

	"github.com/doorward/doorward/internal/signing"
)

// assertionLifetime is that of a client assertion, which is used once, at once.
const assertionLifetime = time.Minute

// authenticate adds who we are to a request.
func (e Entry) authenticate(p *parameters, post bool, now time.Time) error {
	secret := e.clientSecret()
	switch {
	case secret != "" && !post:
		// RFC 6749, section 2.3.1: both are form-encoded first.
		basic := url.QueryEscape(e.ClientID) + ":" + url.QueryEscape(secret)
		p.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(basic)))
		p.sent = append(p.sent, secret)
		return nil
	case secret != "":
		p.add("client_secret", secret)
		p.sent = append(p.sent, secret)
	case len(e.PrivateKey) > 0:
		assertion, err := e.clientAssertion(now)
		if err != nil {
			return err
		}
		p.add("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		p.add("client_assertion", assertion)
		p.sent = append(p.sent, assertion)
	}
	p.add("client_id", e.ClientID)
	return nil
}

// clientSecret is without the line break at the end of a file.
func (e Entry) clientSecret() string { return string(bytes.TrimRight(e.ClientSecret, "\r\n")) }

func (e Entry) actorToken() string { return string(bytes.TrimSpace(e.ActorToken)) }

// clientAssertion is RFC 7523, section 3. Its only audience is the issuer identifier
// of the authorization server, so that no other server accepts it.
func (e Entry) clientAssertion(now time.Time) (string, error) {
	key, err := e.signingKey()
	if err != nil {
		return "", err
	}
	return key.Sign("JWT", e.PrivateKeyID, map[string]any{
		"iss": e.ClientID, "sub": e.ClientID, "aud": e.server(), "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
}

func (e Entry) signingKey() (*signing.Key, error) {
	return signing.ReadPrivate(e.PrivateKey, e.PrivateKeyAlg)
}
