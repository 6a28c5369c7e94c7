package assertion

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
)

// minRSABits is the size that RFC 7518, section 3.3, requires.
const minRSABits = 2048

// readKey reads the one key of a PEM file, and names it by its thumbprint (RFC 7638).
// The errors are fixed sentences: those of jwx may quote the file.
func readKey(text []byte) (jwk.Key, error) {
	block, err := oneBlock(text)
	if err != nil {
		return nil, err
	}
	key, err := jwk.ParseKey(block, jwk.WithPEM(true))
	if err != nil {
		return nil, errors.New("the PEM block is no key that can be read: " +
			"write an unencrypted one: RSA, EC on P-256, P-384 or P-521, or Ed25519 (`openssl genpkey`)")
	}
	alg, err := algorithmOf(key)
	if err != nil {
		return nil, err
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, errors.New("the key has no thumbprint")
	}
	own := map[string]any{
		jwk.AlgorithmKey: alg, jwk.KeyUsageKey: "sig", jwk.KeyIDKey: base64.RawURLEncoding.EncodeToString(sum),
	}
	for name, value := range own {
		if err := key.Set(name, value); err != nil {
			return nil, errors.New("the key cannot be used for signatures")
		}
	}
	return key, nil
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

// algorithmOf returns the one algorithm that a key signs with here.
func algorithmOf(key jwk.Key) (jwa.SignatureAlgorithm, error) {
	public, err := jwk.PublicRawKeyOf(key)
	if err != nil {
		return "", errors.New("the key is no key for signatures")
	}
	switch public := public.(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < minRSABits {
			return "", errors.New("the RSA key is shorter than 2048 bits")
		}
		return jwa.RS256, nil
	case *ecdsa.PublicKey:
		algorithms := map[string]jwa.SignatureAlgorithm{"P-256": jwa.ES256, "P-384": jwa.ES384, "P-521": jwa.ES512}
		if alg, known := algorithms[public.Params().Name]; known {
			return alg, nil
		}
	case ed25519.PublicKey:
		return jwa.EdDSA, nil
	}
	return "", errors.New("the key is neither RSA, nor EC on P-256, P-384 or P-521, nor Ed25519")
}

// isPrivate reports whether a key signs.
func isPrivate(key jwk.Key) bool {
	private, err := jwk.IsPrivateKey(key)
	return err == nil && private
}

// KeySet returns the JWK Set (RFC 7517) of all keys of the Signers, each once and
// public: what is served at /.well-known/jwks.json.
func KeySet(signers ...*Signer) []byte {
	set := struct {
		Keys []jwk.Key `json:"keys"`
	}{[]jwk.Key{}}
	seen := map[string]bool{}
	for _, signer := range signers {
		for _, key := range signer.published {
			if !seen[key.KeyID()] {
				seen[key.KeyID()] = true
				set.Keys = append(set.Keys, key)
			}
		}
	}
	text, err := json.Marshal(set)
	if err != nil {
		panic("assertion: a public key cannot be written: " + err.Error()) // they were read, and are valid
	}
	return text
}
