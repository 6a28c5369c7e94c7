package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/testenv"
)

// TestEveryKindIsAForgery measures each kind for a short time with the real program.
// It checks what doorward answered, and no time.
func TestEveryKindIsAForgery(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the whole binary")
	}
	folder := t.TempDir()
	programs, err := testenv.Build(t.Context(), folder, "cmd/doorward")
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWorld(filepath.Join(folder, "run"))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds() {
		o := options{rounds: 1, window: 100 * time.Millisecond}
		f, err := o.measure(t.Context(), programs[0], w, kind)
		if err != nil {
			t.Fatal(err)
		}
		want := "signature_invalid"
		if strings.HasPrefix(kind.name, "proofs") {
			want = "dpop_proof_invalid"
		}
		if count := traffic.Reasons(f.forged); count[want] == 0 || count[traffic.Allowed] > 0 {
			t.Errorf("%s: answered with %v", kind.name, count)
		}
		if f.refused == f.sent {
			t.Errorf("%s: no new token was let through", kind.name)
		}
	}
}
