package scenario

import (
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/benchmarks/authority"
)

// TestOthersTakeThePlace of good requests from the moment that the disturbance
// begins, or come where there were none.
func TestOthersTakeThePlace(t *testing.T) {
	const forged = "forged"
	for _, row := range []struct {
		intent  string
		instead bool
		good    int // about; the gaps are random
	}{
		{"in their place", true, 300},
		{"on top", false, 0},
	} {
		d := Scenario{
			Rate: 100, Instead: row.instead, Windows: Windows{Warm: time.Second, Before: 2 * time.Second, During: 4 * time.Second},
			Token: func(*authority.Tokens, time.Duration) string { return forged },
		}
		times, tokens := d.others(nil, []string{"good"})
		good, disturbing := 0, 0
		for i, token := range tokens {
			if (token == forged) != (times[i] >= 0) {
				t.Fatalf("%s: a %s token at %v", row.intent, token, times[i])
			}
			if token == forged {
				disturbing++
			} else {
				good++
			}
		}
		if good < row.good*8/10 || good > row.good*12/10 || disturbing < 320 || disturbing > 480 {
			t.Errorf("%s: %d good requests, not about %d, and %d disturbing ones, not about 400", row.intent, good, row.good, disturbing)
		}
	}
}

// TestConfiguration: what a scenario adds is where it belongs.
func TestConfiguration(t *testing.T) {
	plain := Doorward("http://127.0.0.1:1", "", nil).Config
	full := Doorward("http://127.0.0.1:1", "{min: 1s}", []string{"decision_log: {}"}).Config
	if strings.Contains(plain, "refresh") || !strings.Contains(full, "jwks.json\n  refresh: {min: 1s}\nresources:") || !strings.HasSuffix(full, "\ndecision_log: {}\n") {
		t.Errorf("plain:\n%s\nfull:\n%s", plain, full)
	}
}
