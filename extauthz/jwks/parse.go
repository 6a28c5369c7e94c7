package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/doorward/doorward/internal/strictjson"
)

// Bounds on what is read and computed for an issuer.
const (
	maxDocument = 1 << 20 // bytes, of a key set and of a metadata document
	maxKeys     = 256     // elements of a set, usable or not
	maxKeyID    = 1024    // bytes

	minRSABits      = 2048 // RFC 7518, section 3.3
	maxRSABits      = 4096 // a verification costs the square of it
	minExponent     = 3
	maxExponentBits = 31 // what crypto/rsa verifies with
)

// The values of "use" of keys that are taken: RFC 7517, section 4.2, and the
// JWT authorities of a SPIFFE bundle.
const (
	useSignature = "sig"
	useSVID      = "jwt-svid"
)

// Skipped is one element of a set that is not used.
type Skipped struct {
	Index int    // place in "keys", from 0
	ID    string // its kid, "" where it is absent or cannot be read
	Why   string // fixed words and at most a size, for the log
}

// Parse reads a JWK Set (RFC 7517, section 5). It returns the usable keys, and why
// each other element is skipped, which does not affect the usable keys. Unknown
// members are ignored, x5c and x5u included: trust comes from the place of the
// set, not from certificates in it.
//
// It returns an error if doc is not a JWK Set, or is over the bounds: 1 MiB, 256
// elements. A set without a usable key is not an error.
func Parse(doc []byte) (*Set, []Skipped, error) { return parse(doc, useSignature) }

// parse is [Parse] for keys of one use.
func parse(doc []byte, use string) (*Set, []Skipped, error) {
	elements, err := elements(doc)
	if err != nil {
		return nil, nil, fmt.Errorf("not a JWK Set: %w", err)
	}
	var (
		keys    []*Key
		at      []int // index of each key's element
		skipped []Skipped
		seen    = map[identity]bool{}
	)
	for i, element := range elements {
		key, id, err := parseKey(element, use)
		switch {
		case err != nil:
			skipped = append(skipped, Skipped{Index: i, ID: id, Why: err.Error()})
		case seen[key.identity()]: // the same JWK again
		default:
			seen[key.identity()] = true
			keys, at = append(keys, key), append(at, i)
		}
	}
	usable := make([]*Key, 0, len(keys))
	for i, k := range keys {
		if ambiguous(k, keys) {
			const why = "another key has the same kid and fits the same algorithm"
			skipped = append(skipped, Skipped{Index: at[i], ID: k.ID, Why: why})
			continue
		}
		usable = append(usable, k)
	}
	slices.SortFunc(skipped, func(a, b Skipped) int { return a.Index - b.Index })
	return newSet(usable), skipped, nil
}

func elements(doc []byte) ([]json.RawMessage, error) {
	if len(doc) > maxDocument {
		return nil, errors.New("larger than 1 MiB")
	}
	set, err := strictjson.ReadMembers(doc, "keys")
	if err != nil {
		return nil, err
	}
	list, err := strictjson.Elements(set.Get("keys"))
	if err != nil {
		return nil, errors.New("keys is not an array")
	}
	if len(list) > maxKeys {
		return nil, errors.New("more than 256 keys")
	}
	return list, nil
}

// ambiguous reports whether k's id names another key too, for a common algorithm.
// RFC 7517, section 4.5, allows one id for keys that differ in type. Within a type
// a choice would depend on the order of the document, so neither is used.
func ambiguous(k *Key, keys []*Key) bool {
	algorithms := algorithmsOf(k.Public)
	for _, other := range keys {
		if k.ID == "" || other.ID != k.ID || other.Thumbprint == k.Thumbprint {
			continue
		}
		if slices.ContainsFunc(algorithms, func(alg string) bool { return k.Fits(alg) && other.Fits(alg) }) {
			return true
		}
	}
	return false
}

// material are the members that jwx reads. The others are read here, where a
// member of a wrong type is an error and not an absent one.
var material = []string{"kty", "crv", "n", "e", "x", "y"}

// private are the members that make a JWK a private or symmetric key (RFC 7518,
// sections 6.2.2, 6.3.2 and 6.4), which must not be published.
var private = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// jwkNames are all members that are read.
var jwkNames = slices.Concat(material, private, []string{"kid", "use", "key_ops", "alg", "issuer"})

// parseKey reads one element. It returns the id beside an error too, for the log.
func parseKey(element json.RawMessage, use string) (key *Key, id string, err error) {
	jwkMembers, err := strictjson.ReadMembers(element, jwkNames...)
	if err != nil {
		return nil, "", err
	}
	id, _, err = text(jwkMembers, "kid")
	if err != nil {
		return nil, "", err
	}
	if len(id) > maxKeyID {
		return nil, "", errors.New("kid is longer than 1024 bytes")
	}
	if err := purpose(jwkMembers, use); err != nil {
		return nil, id, err
	}
	public, err := publicKey(jwkMembers)
	if err != nil {
		return nil, id, err
	}
	alg, present, err := text(jwkMembers, "alg")
	if err != nil {
		return nil, id, err
	}
	issuer, _, err := text(jwkMembers, "issuer")
	if err != nil {
		return nil, id, err
	}
	key = &Key{ID: id, Algorithm: alg, Issuer: issuer, Public: public}
	if present && !key.Fits(alg) {
		return nil, id, errors.New("alg is not a signature algorithm of this type and curve")
	}
	key.Thumbprint, err = thumbprint(public)
	return key, id, err
}

// purpose refuses a key that is not for verifying signatures (RFC 7517, sections
// 4.2 and 4.3) or must not be public.
//
// A key of a SPIFFE bundle must name its use: without one, or with another, it
// is no authority for JWT-SVIDs.
func purpose(jwkMembers strictjson.Members, wanted string) error {
	for _, name := range private {
		if jwkMembers.Get(name).Present() {
			return errors.New("a private or symmetric key")
		}
	}
	use, present, err := text(jwkMembers, "use")
	if err != nil {
		return err
	}
	if use != wanted && (present || wanted != useSignature) {
		return errors.New("use is not " + wanted)
	}
	raw := jwkMembers.Get("key_ops")
	if !raw.Present() {
		return nil
	}
	verifies := false
	if !raw.EachString(func(operation string) { verifies = verifies || operation == "verify" }) {
		return errors.New("key_ops is not an array of strings")
	}
	if !verifies {
		return errors.New("key_ops lacks verify")
	}
	return nil
}

func publicKey(jwkMembers strictjson.Members) (crypto.PublicKey, error) {
	kty, _, err := text(jwkMembers, "kty")
	if err != nil {
		return nil, err
	}
	if kty != "RSA" && kty != "EC" && kty != "OKP" {
		return nil, errors.New("kty is not supported")
	}
	only := map[string]json.RawMessage{}
	for _, name := range material {
		if value := jwkMembers.Get(name); value.Present() {
			only[name] = json.RawMessage(value)
		}
	}
	doc, err := json.Marshal(only)
	if err != nil {
		return nil, errors.New("not readable as a JWK")
	}
	// The texts of jwx's errors may quote the document: fixed words instead.
	parsed, err := jwk.ParseKey(doc)
	if err != nil {
		return nil, errors.New("not readable as a JWK of its kty, or its crv is not supported")
	}
	if err := parsed.Validate(); err != nil {
		return nil, errors.New("the key material is not valid")
	}
	if r, ok := parsed.(jwk.RSAPublicKey); ok {
		if err := checkRSA(r.N(), r.E()); err != nil {
			return nil, err
		}
	}
	var public any
	if err := parsed.Raw(&public); err != nil {
		return nil, errors.New("the key material is not valid")
	}
	return supported(public)
}

// checkRSA checks the bytes of both numbers, before anything computes with them:
// jwx truncates a long exponent to an int. Its errors name sizes.
func checkRSA(n, e []byte) error {
	if size := bitLength(n); size < minRSABits || size > maxRSABits {
		return fmt.Errorf("RSA modulus of %d bits, not of 2048 to 4096", size)
	}
	if size := bitLength(e); size > maxExponentBits {
		return fmt.Errorf("RSA exponent of %d bits, not of 2 to 31", size)
	}
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	switch {
	case modulus.Bit(0) == 0:
		return errors.New("RSA modulus is even")
	case exponent.Cmp(big.NewInt(minExponent)) < 0 || exponent.Bit(0) == 0:
		return errors.New("RSA exponent is 1 or even")
	}
	return nil
}

// bitLength returns that of an unsigned number, most significant byte first.
func bitLength(number []byte) int {
	number = bytes.TrimLeft(number, "\x00")
	if len(number) == 0 {
		return 0
	}
	return 8*len(number) - bits.LeadingZeros8(number[0])
}

// supported returns the three types of [Key.Public] and refuses every other.
func supported(public any) (crypto.PublicKey, error) {
	switch p := public.(type) {
	case *rsa.PublicKey:
		return p, nil
	case *ecdsa.PublicKey:
		if _, err := p.ECDH(); err != nil {
			return nil, errors.New("the EC point is not on its curve")
		}
		return p, nil
	case ed25519.PublicKey:
		if len(p) != ed25519.PublicKeySize {
			return nil, errors.New("the Ed25519 key is not 32 bytes long")
		}
		return p, nil
	}
	return nil, errors.New("crv is not supported")
}

// thumbprint returns the thumbprint (RFC 7638) of the key, not of its JWK: another
// padding of the same number is the same key.
func thumbprint(public crypto.PublicKey) (string, error) {
	canonical, err := jwk.FromRaw(public)
	if err != nil {
		return "", errors.New("the key material is not valid")
	}
	sum, err := canonical.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", errors.New("the key material is not valid")
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
