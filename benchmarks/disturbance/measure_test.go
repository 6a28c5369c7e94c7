package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestTheAuthorityNotesFetches in every mood, also those that it does not
// answer.
func TestTheAuthorityNotesFetches(t *testing.T) {
	made := newTokens(1)
	a, err := openAuthority(made.known)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	zero := time.Now()
	ask := func(patience time.Duration) int {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"/jwks.json", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0
		}
		response.Body.Close()
		return response.StatusCode
	}
	if status := ask(time.Minute); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	a.become(refuses)
	if status := ask(time.Minute); status != http.StatusServiceUnavailable {
		t.Errorf("refuses: status %d", status)
	}
	a.become(silent)
	if status := ask(2 * thinks); status != 0 {
		t.Errorf("silent: status %d", status)
	}
	fetches := a.since(zero, zero)
	if len(fetches) != 3 || fetches[0].met != answers || fetches[1].met != refuses || fetches[2].met != silent {
		t.Errorf("noted: %v", fetches)
	}
}

// TestGoodTrafficIsMixed: most tokens come again, and one in ten never came.
func TestGoodTrafficIsMixed(t *testing.T) {
	made := newTokens(1)
	seen := map[string]int{}
	for _, token := range made.good(20 * poolSize) {
		seen[token]++
	}
	once := 0
	for _, n := range seen {
		if n == 1 {
			once++
		}
	}
	if want := 20 * poolSize / freshEvery; once != want {
		t.Errorf("%d tokens came once, not %d", once, want)
	}
	forged, unknown := made.forged(), made.unknown()
	if forged == made.forged() || unknown == made.unknown() {
		t.Error("two disturbing tokens are equal")
	}
}

// TestOneFullMeasurement is a tiny one of each kind of disturbance, with the real
// program. It judges what doorward answered, and nothing about time.
func TestOneFullMeasurement(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the whole binary")
	}
	folder := t.TempDir()
	program, err := build(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		of   int // in the plan
		want string
	}{{2, "key_unknown"}, {3, "signature_invalid"}} {
		d := plan(true)[row.of]
		d.windows = windows{100 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond, 0}
		var progress strings.Builder
		result, err := measure(t.Context(), program, folder, d, &progress)
		if err != nil {
			t.Fatal(err)
		}
		if count := reasons(result.disturbing); count[row.want] == 0 || count[allowed] > 0 {
			t.Errorf("%s: answered with %v", d.name(), count)
		}
		if first := result.good[0].due; first != -d.windows.before {
			t.Errorf("%s: the first that counts was due at %v; the warm-up is not to be told", d.name(), first)
		}
		if count := reasons(result.good); count[allowed] == 0 {
			t.Errorf("%s: good traffic was answered with %v", d.name(), count)
		}
	}
}
