// Package assertion signs the JWTs by which doorward states, to an MCP server or to
// an authorization server, whose token it has verified: typ mcp-auth+jwt, signed with a
// key of the configuration. Receivers verify them with the JWK Set of [KeySet].
package assertion

import (
	"io"
	"time"
)

// Type is the typ of the header of an assertion. An access token with this typ, in any
// spelling, is refused.
const Type = "mcp-auth+jwt"

// Options are what a [Signer] is made of.
type Options struct {
	Issuer   string        // the iss
	Audience string        // the aud of Sign, unless it is called with another one
	Lifetime time.Duration // an assertion of a token that ends earlier ends with it
	Key      []byte        // a private key in PEM: RSA, EC or Ed25519; it decides alg
	Publish  [][]byte      // further keys of the JWK Set in PEM, private or public
	Random   io.Reader     // of jti; nil: crypto/rand
}

// Claims are those of the verified token that an assertion repeats.
type Claims struct {
	Issuer  string // of the token; beside the subject in sub_id
	Subject string
	Client  string
	Scopes  []string
	Actor   map[string]any // act of RFC 8693; nil: the token has none
	Expiry  time.Time
}
