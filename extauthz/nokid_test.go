package extauthz_test

import (
	"fmt"
	"testing"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// strangers are keys that sign no token here.
func strangers(n int) []*jwttest.Key {
	var keys []*jwttest.Key
	for i := range n {
		keys = append(keys, jwttest.NewKey("ES256", fmt.Sprint("stranger-", i)))
	}
	return keys
}

// TestATokenWithoutKeyIDIsRemembered where four keys fit, whichever signed it,
// and goes on being so while keys come and go beside its own.
func TestATokenWithoutKeyIDIsRemembered(t *testing.T) {
	d := startService(t, remember)
	keys := append(strangers(3), d.key)
	d.state.Issuers[issuerURL].Keys.Replace(jwttest.JWKS(keys...))
	for i, key := range keys {
		silent := *key
		silent.ID = ""
		ask := bearer(silent.Sign(claims(map[string]any{"jti": fmt.Sprint(i)})))
		for _, published := range [][]*jwttest.Key{keys, keys, {key}, append([]*jwttest.Key{jwttest.NewKey("ES256", "newer")}, key)} {
			d.state.Issuers[issuerURL].Keys.Replace(jwttest.JWKS(published...))
			if got := readResponse(t, d.check(t, ask.joined())); got.reason != "allowed" {
				t.Errorf("key %d of %d: %+v", i, len(published), got)
			}
		}
		d.state.Issuers[issuerURL].Keys.Replace(jwttest.JWKS(keys...))
	}
	wantVerified(t, d, 3*len(keys), len(keys), 0)
}
