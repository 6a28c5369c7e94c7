package envoy_test

import (
	"testing"

	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// TestClientAddressThroughEnvoy: the shipped file writes the address of the
// connection into x-envoy-external-address, over whatever a client sends there.
func TestClientAddressThroughEnvoy(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	behind := startUpstream(t)
	h := startEnvironment(t, behind.address)
	p := standard(key)
	p.team = `headers["x-client"] := input.request.client_address`
	state := p.state(t)
	state.TrustClientAddress = true
	h.activate(t, state)
	good := bearer(key.Sign(claims()))
	for intent, question := range map[string]clientRequest{
		"plain":               good,
		"forged":              good.with("X-Envoy-External-Address", "203.0.113.9"),
		"forged twice":        good.with("X-Envoy-External-Address", "203.0.113.9").with("X-Envoy-External-Address", "203.0.113.8"),
		"forged by a proxy":   good.with("X-Forwarded-For", "203.0.113.9"),
		"said to be internal": good.with("X-Envoy-Internal", "true").with("X-Envoy-External-Address", "203.0.113.9"),
	} {
		if got := h.send(t, question); got.status != 200 {
			t.Errorf("%s: %v", intent, got)
		}
		for _, arrived := range behind.take() {
			if got := arrived.value("x-client"); got != "127.0.0.1" {
				t.Errorf("%s: the client's address is %q", intent, got)
			}
		}
	}
}
