package service

import (
	"testing"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/config"
)

// TestTheShortFormHasAHash, of its flags.
func TestTheShortFormHasAHash(t *testing.T) {
	one, two := Source{Flags: "a", Read: nothing}, Source{Flags: "b", Read: nothing}
	if a, b := one.fingerprint(nil), two.fingerprint(nil); a.hash() == b.hash() || a != one.fingerprint(nil) {
		t.Errorf("%s %s", a.hash(), b.hash())
	}
}

func nothing() (*config.Config, finding.List) { return nil, nil }
