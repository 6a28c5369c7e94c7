// Package signing reads keys in PEM and signs JWTs with them: the assertions that
// doorward makes for MCP servers, and those that prove to an authorization server who
// it is. Errors are fixed sentences and hold nothing of a key.
package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// minRSABits is the size that RFC 7518, section 3.3, requires.
const minRSABits = 2048

// Key is a key for signatures. It may be used by any number of goroutines.
type Key struct {
	// Algorithm is the JWS algorithm that it signs with.
	Algorithm string
	// ID is its SHA-256 thumbprint (RFC 7638) in base64url.
	ID string

	private any // nil: it is public
	public  jwk.Key
}

// Read reads the one key of a PEM file: RSA of 2048 bits or more, EC on P-256, P-384
// or P-521, or Ed25519, private or public.
func Read(text []byte) (*Key, error) { return read(text, "") }

// ReadPrivate is [Read] for a private key that signs with this algorithm, or with the
// usual one of the key where that is "".
func ReadPrivate(text []byte, algorithm string) (*Key, error) {
	key, err := read(text, algorithm)
	if err == nil && key.private == nil {
		return nil, errors.New("the key is public: write the private key that signs")
	}
	return key, err
}

func read(text []byte, algorithm string) (*Key, error) {
	block, err := oneBlock(text)
	if err != nil {
		return nil, err
	}
	parsed, err := jwk.ParseKey(block, jwk.WithPEM(true))
	if err != nil { // its text may quote the file
		return nil, errors.New("the PEM block is no key that can be read: " +
			"write an unencrypted one: RSA, EC on P-256, P-384 or P-521, or Ed25519 (`openssl genpkey`)")
	}
	k := &Key{}
	if k.Algorithm, err = algorithmOf(parsed, algorithm); err != nil {
		return nil, err
	}
	if isPrivate, err := jwk.IsPrivateKey(parsed); err == nil && isPrivate {
		if parsed.Raw(&k.private) != nil {
			return nil, errUnusable
		}
	}
	return k, k.publish(parsed)
}

var errUnusable = errors.New("the key cannot be used for signatures")

// publish sets the public part, which has the members that verifiers look for.
func (k *Key) publish(parsed jwk.Key) error {
	sum, err := parsed.Thumbprint(crypto.SHA256)
	if err != nil {
		return errUnusable
	}
	k.ID = base64.RawURLEncoding.EncodeToString(sum)
	if k.public, err = jwk.PublicKeyOf(parsed); err != nil {
		return errUnusable
	}
	for name, value := range map[string]any{
		jwk.AlgorithmKey: k.Algorithm, jwk.KeyUsageKey: "sig", jwk.KeyIDKey: k.ID,
	} {
		if k.public.Set(name, value) != nil {
			return errUnusable
		}
	}
	return nil
}

// oneBlock returns the only PEM block of a file, without the parameters that openssl
// writes before an EC key.
func oneBlock(text []byte) ([]byte, error) {
	var found []byte
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		if block.Type != "EC PARAMETERS" {
			if found != nil {
				return nil, errors.New("the file holds more than one PEM block: write each key into a file of its own")
			}
			found = pem.EncodeToMemory(block)
		}
		text = rest
	}
	if found == nil {
		return nil, errors.New("the file holds no PEM block")
	}
	return found, nil
}

// algorithmOf returns the algorithm that was asked for where the key has it, and the
// usual one of the key for "".
func algorithmOf(key jwk.Key, asked string) (string, error) {
	fitting, err := algorithmsOf(key)
	switch {
	case err != nil:
		return "", err
	case asked == "":
		return fitting[0], nil
	case !slices.Contains(fitting, asked):
		return "", fmt.Errorf("the key does not sign with %q: its algorithms are %s",
			asked, strings.Join(fitting, ", "))
	}
	return asked, nil
}

func algorithmsOf(key jwk.Key) ([]string, error) {
	public, err := jwk.PublicRawKeyOf(key)
	if err != nil {
		return nil, errUnusable
	}
	switch public := public.(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < minRSABits {
			return nil, errors.New("the RSA key is shorter than 2048 bits")
		}
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
	case *ecdsa.PublicKey:
		curves := map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
		if algorithm := curves[public.Params().Name]; algorithm != "" {
			return []string{algorithm}, nil
		}
	case ed25519.PublicKey:
		return []string{"EdDSA"}, nil
	}
	return nil, errors.New("the key is neither RSA, nor EC on P-256, P-384 or P-521, nor Ed25519")
}

// JWK returns the public part as a JWK (RFC 7517), with kid, alg and use.
func (k *Key) JWK() json.RawMessage {
	text, err := json.Marshal(k.public)
	if err != nil {
		panic("signing: a public key cannot be written: " + err.Error()) // it was read, and is valid
	}
	return text
}

// Sign returns claims, which can be written as JSON, as a signed JWT with this typ and
// kid, neither of them where it is "". The key must be private.
func (k *Key) Sign(typ, kid string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("writing claims: %w", err)
	}
	header := jws.NewHeaders()
	for name, value := range map[string]string{jws.TypeKey: typ, jws.KeyIDKey: kid} {
		if value == "" {
			continue
		}
		if err := header.Set(name, value); err != nil {
			return "", fmt.Errorf("the header %s: %w", name, err)
		}
	}
	signed, err := jws.Sign(payload,
		jws.WithKey(jwa.SignatureAlgorithm(k.Algorithm), k.private, jws.WithProtectedHeaders(header)))
	if err != nil {
		return "", errUnusable
	}
	return string(signed), nil
}
