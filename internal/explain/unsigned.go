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
	compact, keySet, err := sign(claims)
	q.SetToken(compact)
	q.keySet = keySet
	return err
}

// sign makes a token of unsigned claims, with a key for this call, and the key set
// that verifies it. So the claims take the same steps as a token, and no step knows
// of unsigned claims. The bytes are used as they are: the steps report what is wrong
// with them.
func sign(claims []byte) (compact string, keySet []byte, err error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return "", nil, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	header := fmt.Sprintf(`{"alg":"EdDSA","kid":%q,"typ":"at+jwt"}`, unsignedKey)
	input := encode([]byte(header)) + "." + encode(claims)
	jwk := map[string]string{
		"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": unsignedKey, "x": encode(public),
	}
	keySet, err = json.Marshal(map[string]any{"keys": []any{jwk}})
	return input + "." + encode(ed25519.Sign(private, []byte(input))), keySet, err
}

// trustingOnly is the issuer with the keys of keySet alone: a real token of the
// issuer is refused.
func trustingOnly(issuer config.Issuer, keySet []byte) config.Issuer {
	issuer.Keys = jwks.Options{Issuer: issuer.Keys.Issuer, Static: keySet}
	issuer.Algorithms = []string{"EdDSA"}
	return issuer
}
