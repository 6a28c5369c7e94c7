package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func private(key any) []byte { return block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))) }

func ec(curve elliptic.Curve) *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(curve, rand.Reader)) }

// TestKeys: each kind signs with its algorithms, and its JWK verifies that.
func TestKeys(t *testing.T) {
	rsaKey, p256 := must(rsa.GenerateKey(rand.Reader, 2048)), ec(elliptic.P256())
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	for _, row := range []struct {
		intent     string
		pem        []byte
		asked, alg string
	}{
		{"RSA", private(rsaKey), "", "RS256"},
		{"RSA by another algorithm", private(rsaKey), "PS384", "PS384"},
		{"RSA in PKCS #1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), "", "RS256"},
		{"P-256", private(p256), "", "ES256"},
		{"P-256 as openssl writes it", append(block("EC PARAMETERS", []byte{6, 0}), block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(p256)))...), "ES256", "ES256"},
		{"P-384", private(ec(elliptic.P384())), "", "ES384"},
		{"P-521", private(ec(elliptic.P521())), "", "ES512"},
		{"Ed25519", private(edKey), "", "EdDSA"},
	} {
		key, err := ReadPrivate(row.pem, row.asked)
		if err != nil || key.Algorithm != row.alg {
			t.Errorf("%s: %+v, %v", row.intent, key, err)
			continue
		}
		signed := must(key.Sign("some+jwt", key.ID, map[string]string{"iss": "us"}))
		set := must(jwk.Parse([]byte(`{"keys":[` + string(key.JWK()) + `]}`)))
		payload, err := jws.Verify([]byte(signed), jws.WithKeySet(set))
		if err != nil || string(payload) != `{"iss":"us"}` {
			t.Errorf("%s: %s, %v", row.intent, payload, err)
		}
		header := must(jws.ParseString(signed)).Signatures()[0].ProtectedHeaders()
		if header.Type() != "some+jwt" || header.KeyID() != key.ID || header.Algorithm().String() != row.alg {
			t.Errorf("%s: the header is %v", row.intent, header)
		}
		var members map[string]any
		if err := json.Unmarshal(key.JWK(), &members); err != nil || members["d"] != nil || members["p"] != nil ||
			members["use"] != "sig" || members["kid"] != key.ID || members["alg"] != row.alg {
			t.Errorf("%s: %v, %v", row.intent, members, err)
		}
	}
}

// TestPublicKey is published, and signs nothing.
func TestPublicKey(t *testing.T) {
	own := ec(elliptic.P256())
	text := block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(own.Public())))
	key, err := Read(text)
	if err != nil || key.ID != must(Read(private(own))).ID {
		t.Fatalf("%+v, %v", key, err)
	}
	if signed, err := key.Sign("", "", map[string]string{}); err == nil {
		t.Errorf("a public key signs: %s", signed)
	}
	if key, err := ReadPrivate(text, ""); err == nil || !strings.Contains(err.Error(), "is public") {
		t.Errorf("%+v, %v", key, err)
	}
}

// TestTheHeaderHasWhatIsGiven, and what cannot be written is not signed.
func TestTheHeaderHasWhatIsGiven(t *testing.T) {
	key := must(Read(private(ec(elliptic.P256()))))
	for want, given := range map[string][2]string{
		`{"alg":"ES256"}`:                       {"", ""},
		`{"alg":"ES256","kid":"k"}`:             {"", "k"},
		`{"alg":"ES256","kid":"k","typ":"JWT"}`: {"JWT", "k"},
	} {
		header, _, _ := strings.Cut(must(key.Sign(given[0], given[1], map[string]string{})), ".")
		if got := string(must(base64.RawURLEncoding.DecodeString(header))); got != want {
			t.Errorf("%q: %s", given, got)
		}
	}
	if signed, err := key.Sign("", "", func() {}); err == nil || signed != "" {
		t.Errorf("%q, %v", signed, err)
	}
}

func TestRefusedKeys(t *testing.T) {
	good := private(ec(elliptic.P256()))
	var short crypto.Signer = must(rsa.GenerateKey(rand.Reader, 1024))
	for _, row := range []struct {
		intent string
		pem    []byte
		asked  string
		words  string
	}{
		{"nothing", nil, "", "holds no PEM block"},
		{"no PEM", []byte("s3cr3t"), "", "holds no PEM block"},
		{"two keys", append(good, good...), "", "more than one PEM block"},
		{"a broken key", block("PRIVATE KEY", []byte("s3cr3t")), "", "no key that can be read"},
		{"a short key", private(short), "", "shorter than 2048 bits"},
		{"another curve", private(ec(elliptic.P224())), "", "EC on P-256"},
		{"the algorithm of another key", good, "RS256", `does not sign with "RS256": its algorithms are ES256`},
		{"no signature", good, "none", "does not sign with"},
	} {
		key, err := ReadPrivate(row.pem, row.asked)
		if err == nil || !strings.Contains(err.Error(), row.words) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %+v, %v", row.intent, key, err)
		}
	}
}
