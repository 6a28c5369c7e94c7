package token

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// TestReadUnverified reads whatever its letter is good, signed by whomever.
func TestReadUnverified(t *testing.T) {
	key := jwttest.NewKey("ES256", "k")
	forged := key.SignAs(map[string]any{"alg": "ES256", "kid": "k", "typ": "application/AT+JWT"}, map[string]any{
		"iss": usualID, "sub": 7, "azp": "app", "jti": "id", "aud": []string{"a", "b"}, "scp": "x y", "exp": testTime.Unix(), "iat": "soon",
	})
	got, ok := ReadUnverified(forged)
	want := Unverified{
		Algorithm: "ES256", Type: "at+jwt", KeyID: "k", HasKeyID: true,
		Issuer: usualID, Client: "app", ID: "id", Audience: []string{"a", "b"}, Scopes: []string{"x", "y"}, Expiry: testTime,
	}
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("%v (-want +got):\n%s", ok, diff)
	}
	if got, ok := ReadUnverified(forged + "="); ok || got.Issuer != "" {
		t.Errorf("a malformed token is read as %v", got)
	}
}
