package authority

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// TestTheAuthorityNotesFetches under every behaviour, also those that it does not
// answer.
func TestTheAuthorityNotesFetches(t *testing.T) {
	made := NewTokens(1)
	a, err := Open(made.Known)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	zero := time.Now()
	ask := func(patience time.Duration) int {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.JWKSURL(), nil)
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
	a.SetBehaviour(Refuses)
	if status := ask(time.Minute); status != http.StatusServiceUnavailable {
		t.Errorf("refuses: status %d", status)
	}
	a.SetBehaviour(Silent)
	if status := ask(2 * AnswersSlowly); status != 0 {
		t.Errorf("silent: status %d", status)
	}
	fetches := a.Since(zero, zero)
	if len(fetches) != 3 || fetches[0].Met != Answers || fetches[1].Met != Refuses || fetches[2].Met != Silent {
		t.Errorf("noted: %v", fetches)
	}
}

// TestGoodTrafficIsMixed: most tokens are repeated, and one in ten is new.
func TestGoodTrafficIsMixed(t *testing.T) {
	made := NewTokens(1)
	const poolSize, freshEvery = 200, 10
	seen := map[string]int{}
	for _, token := range made.Mixed(20*poolSize, poolSize, freshEvery) {
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
	forged, unknown := made.Forged(), made.Unknown()
	if forged == made.Forged() || unknown == made.Unknown() {
		t.Error("two disturbing tokens are equal")
	}
}
