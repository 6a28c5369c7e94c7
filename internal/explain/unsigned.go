package explain

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/internal/config"
)

// unsignedKey is the key id of the key that signs unsigned claims.
const unsignedKey = "insecure-claims"

// SetUnsignedClaims adds a token of claims, as if a trusted issuer had signed
// them. The report states that they are not signed.
func (q *Request) SetUnsignedClaims(claims []byte) error {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	jwk := map[string]string{
		"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": unsignedKey,
		"x": base64.RawURLEncoding.EncodeToString(public),
	}
	q.keySet, err = json.Marshal(map[string]any{"keys": []any{jwk}})
	q.sign = func(typ string) { q.SetToken(sign(claims, private, typ)) }
	q.sign("JWT")
	return err
}

// sign makes a token of unsigned claims, with a key for this call. So the claims
// take the same steps as a token, and no step knows of unsigned claims. The bytes
// are used as they are: the steps report what is wrong with them.
func sign(claims []byte, private ed25519.PrivateKey, typ string) string {
	encode := base64.RawURLEncoding.EncodeToString
	header := fmt.Sprintf(`{"alg":"EdDSA","kid":%q,"typ":%q}`, unsignedKey, typ)
	input := encode([]byte(header)) + "." + encode(claims)
	return input + "." + encode(ed25519.Sign(private, []byte(input)))
}

// trustingOnly is the issuer with the keys of keySet alone: a real token of the
// issuer is refused.
func trustingOnly(issuer config.Issuer, keySet []byte) config.Issuer {
	issuer.Keys = jwks.Options{Issuer: issuer.Keys.Issuer, Static: keySet}
	issuer.Algorithms = []string{"EdDSA"}
	return issuer
}
