package benchmarks_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/assertion"
	"github.com/doorward/doorward/internal/handle"
)

// issue makes the server of the world get a handle, an assertion or both.
func (w *world) issue(t testing.TB, wantsHandle, wantsAssertion bool) {
	t.Helper()
	state := *w.server.State()
	if wantsHandle {
		sealer, err := handle.New(handle.Options{
			Keys: [][]byte{bytes.Repeat([]byte{1}, handle.KeyBytes)}, Lifetime: time.Hour, MaxBytes: 6 << 10,
		})
		if err != nil {
			t.Fatal(err)
		}
		state.Handles, state.HandleResources = sealer, map[string]bool{"benchmark": true}
	}
	if wantsAssertion {
		state.Assertions = map[string]*assertion.Signer{"benchmark": newSigner(t)}
	}
	if err := w.server.Swap(&state); err != nil {
		t.Fatal(err)
	}
}

func newSigner(t testing.TB) *assertion.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := assertion.New(assertion.Options{
		Issuer: "https://doorward.example", Audience: "https://mcp.internal", Lifetime: time.Hour,
		Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// BenchmarkHotAnswerIssued is BenchmarkHotAnswer where the server gets a handle, an
// assertion or both, which are remembered with the answer.
func BenchmarkHotAnswerIssued(b *testing.B) {
	for _, row := range []struct {
		name              string
		handle, assertion bool
	}{{"neither", false, false}, {"handle", true, false}, {"assertion", false, true}, {"both", true, true}} {
		b.Run(row.name, func(b *testing.B) {
			w := newWorld(b, "RS256", 1, remember)
			w.issue(b, row.handle, row.assertion)
			wires := [][]byte{w.wires[0], traffic.Encode(w.tokens[0], traffic.Raw, 1)}
			w.ask(b)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				w.answer(wires[n%2])
				n++
			}
		})
	}
}

// TestWhatIsIssuedCostsNoAllocation where it is remembered.
func TestWhatIsIssuedCostsNoAllocation(t *testing.T) {
	allocations := func(wantsHandle, wantsAssertion bool) float64 {
		w := newWorld(t, "ES256", 1, remember)
		w.issue(t, wantsHandle, wantsAssertion)
		w.ask(t)
		return testing.AllocsPerRun(200, func() { w.answer(w.wires[0]) })
	}
	without := allocations(false, false)
	for name, got := range map[string]float64{
		"handle": allocations(true, false), "assertion": allocations(false, true), "both": allocations(true, true),
	} {
		if got > without {
			t.Errorf("%s: %v allocations, without %v", name, got, without)
		}
	}
}
