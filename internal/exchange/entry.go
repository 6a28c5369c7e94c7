package exchange

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
)

// The values of [Entry.Subject].
const (
	SubjectToken     = "token"     // the client's token, at its own issuer
	SubjectAssertion = "assertion" // an assertion of ours, at another authorization server
)

// Entry is one way to a token for a destination: an element of its `exchange`, or
// its `client_credentials`. Check it with [Entry.Check] or
// [Entry.CheckClientCredentials]. Do not change it once it is in use: a change is
// another Entry. Neither package fmt nor JSON shows it, because it holds secrets.
type Entry struct {
	// Issuer is the exact iss of the tokens that are exchanged. For client
	// credentials it is the authorization server.
	Issuer string
	// Subject is SubjectToken or SubjectAssertion. "" is SubjectToken.
	Subject string
	// AuthorizationServer is the issuer identifier of the server that gets the
	// assertion, with SubjectAssertion alone.
	AuthorizationServer string
	// DiscoveryURL is where the metadata of the authorization server is. "": where
	// RFC 8414 and OpenID Connect Discovery place it.
	DiscoveryURL string
	// TokenEndpoint is where requests are sent. "": the metadata names it.
	TokenEndpoint string

	Resource           string   // for what the answer is (RFC 8707); "": not sent
	Audience           string   // the same by a name (RFC 8693, section 2.1); "": not sent
	Scope              []string // that is asked for; empty: not sent
	RequestedTokenType string   // "": an access token
	ActorToken         []byte   // who acts for the subject; empty: not sent
	ActorTokenType     string   // "": a JWT

	// ClientID is who we are at the authorization server. Exactly one of the next
	// three proves it.
	ClientID                     string
	ClientSecret                 []byte // RFC 6749, section 2.3.1
	PrivateKey                   []byte // in PEM, for private_key_jwt (RFC 7523)
	ClientCertificate, ClientKey []byte // in PEM, for tls_client_auth (RFC 8705)
	PrivateKeyID, PrivateKeyAlg  string // kid and alg of the client assertion; alg "": by the key

	CAPEM             []byte   // certificates that are trusted besides the system's roots
	InsecureHTTPHosts []string // hosts that may be asked without TLS
}

// server is the issuer identifier of the authorization server that is asked.
func (e Entry) server() string {
	if e.Subject == SubjectAssertion {
		return e.AuthorizationServer
	}
	return e.Issuer
}

// Format hides an entry from package fmt.
func (e Entry) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "exchange for "+e.Issuer) }

// MarshalJSON hides an entry from JSON, and from logs in JSON.
func (e Entry) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(e)) }

// Equal reports whether two entries are the same in every field.
func (e Entry) Equal(other Entry) bool { return e.digest() == other.digest() }

// digest covers every field, so that one which is added counts by itself.
func (e Entry) digest() [sha256.Size]byte {
	hash := sha256.New()
	value := reflect.ValueOf(e)
	for _, field := range reflect.VisibleFields(value.Type()) {
		_, _ = fmt.Fprintf(hash, "%s %#v\n", field.Name, value.FieldByIndex(field.Index).Interface())
	}
	return [sha256.Size]byte(hash.Sum(nil))
}
