package token_test

import (
	"context"
	"fmt"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/token"
)

// A verifier on its own: keys of one issuer, and a token that is refused.
func ExampleVerifier() {
	keys := jwks.NewSource(jwks.Options{
		Issuer: "https://as.example.com",
		Static: []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a",` +
			`"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`),
	}, jwks.Environment{})
	issuer := &token.Issuer{ID: "https://as.example.com", Algorithms: []string{"EdDSA"}, Keys: keys}
	verifier := token.NewVerifier(token.Options{})
	trusted := func(iss, _ string) (_ *token.Issuer, audienceOptional bool) {
		if iss == issuer.ID {
			return issuer, false
		}
		return nil, false
	}
	claims, refusal := verifier.Verify(context.Background(), "not.a.token", trusted)
	fmt.Println(claims == nil, refusal.Reason)
	// Output: true token_malformed
}
