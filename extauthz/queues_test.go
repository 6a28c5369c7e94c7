package extauthz_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// TestForgeriesOfOneIssuerDoNotStopAnother: there is room for a single signature
// and no queue, and the slot of one issuer cools down after a forged token or
// proof. A new token of another issuer, with a proof of its own, is accepted.
func TestForgeriesOfOneIssuerDoNotStopAnother(t *testing.T) {
	const flooded = "https://flooded.example.com"
	d := startService(t, remember, dpop("optional"), func(p *plan) {
		p.resources[0].Issuers = append(p.resources[0].Issuers, flooded)
		p.resources[0].ProofAlgorithms = token.DefaultAlgorithms()
		p.verifier.InFlight, p.verifier.Waiting = 1, 0
	})
	key := jwttest.NewKey("ES512", "key-1") // the slowest to verify with
	next := *d.state
	next.Issuers = map[string]*token.Issuer{issuerURL: d.state.Issuers[issuerURL], flooded: {
		ID: flooded, Algorithms: token.DefaultAlgorithms(),
		Keys: jwks.NewSource(jwks.Options{Issuer: flooded, Static: jwttest.JWKS(key)}, jwks.Environment{}),
	}}
	next.Possession = token.NewPossessionVerifier(token.PossessionOptions{
		Now: func() time.Time { return testTime }, Since: testTime.Add(-time.Hour), InFlight: 1,
	})
	d.swap(t, &next)

	h, victim := &holder{key: jwttest.NewKey("ES512", "")}, newHolder()
	show := func(token, proof string) string {
		a := clientRequest{headers: [][2]string{{"authorization", "DPoP " + token}, {"dpop", proof}}}
		return readResponse(t, d.check(t, a.joined())).reason
	}
	spoil := func(compact string) string {
		dot := strings.LastIndexByte(compact, '.')
		return compact[:dot+1] + "AAAA" + compact[dot+5:]
	}
	bound := key.Sign(claims(map[string]any{"iss": flooded, "cnf": map[string]any{"jkt": h.key.Thumbprint()}}))
	if got := show(bound, h.proof(bound, nil)); got != "allowed" {
		t.Fatalf("at first: %s", got)
	}
	for round := range 3 {
		fresh := map[string]any{"jti": fmt.Sprint(round), "cnf": map[string]any{"jkt": victim.key.Thumbprint()}}
		forged := spoil(key.Sign(claims(map[string]any{"iss": flooded, "jti": fmt.Sprint(round)})))
		show(forged, h.proof(forged, nil)) // signature_invalid, or overloaded while the issuer's slot cools down
		show(bound, spoil(h.proof(bound, nil)))
		compact := d.token(fresh)
		if got := show(compact, victim.proof(compact, nil)); got != "allowed" {
			t.Errorf("round %d: another issuer's token: %s", round, got)
		}
	}
}
