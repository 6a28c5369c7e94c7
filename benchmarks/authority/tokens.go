package authority

import (
	"crypto/rand"
	"time"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// Resource is what every token is for.
const Resource = "https://mcp.example.com/mcp"

// Tokens makes everything that is sent. Signing costs more than verifying, so
// that it is best done before the clock runs.
type Tokens struct {
	Issuer   string
	Known    *jwttest.Key   // signs all good traffic; published throughout
	Newer    []*jwttest.Key // published one after the other, at rotations
	stranger *jwttest.Key   // an attacker's, never published, and with the id of the known key
}

// NewTokens makes the keys: ES256, and so many that come by rotation.
func NewTokens(rotations int) *Tokens {
	t := &Tokens{Known: jwttest.NewKey("ES256", "known"), stranger: jwttest.NewKey("ES256", "known")}
	for range rotations {
		t.Newer = append(t.Newer, jwttest.NewKey("ES256", "newer-"+rand.Text()))
	}
	return t
}

// claims are those of a good token; no two are equal.
func (t *Tokens) claims() map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": t.Issuer, "sub": "alice", "aud": Resource, "client_id": "app", "jti": rand.Text(),
		"scope": "mcp:read mcp:write", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

// Good is a new token, signed by the known key.
func (t *Tokens) Good() string { return t.Known.Sign(t.claims()) }

// Pool is n good tokens.
func (t *Tokens) Pool(n int) []string {
	pool := make([]string, n)
	for i := range pool {
		pool[i] = t.Good()
	}
	return pool
}

// Mixed is n requests' good tokens: a pool of so many that come again and again
// and, one in so many times, one that was never seen (0: none).
func (t *Tokens) Mixed(n, poolSize, freshEvery int) []string {
	pool := t.Pool(poolSize)
	sent := make([]string, n)
	for i := range sent {
		if freshEvery > 0 && i%freshEvery == 0 {
			sent[i] = t.Good()
		} else {
			sent[i] = pool[i%poolSize]
		}
	}
	return sent
}

// Newest is a good token under the key that a rotation published.
func (t *Tokens) Newest(rotation int) string {
	return t.Newer[min(rotation, len(t.Newer)-1)].Sign(t.claims())
}

// Unknown names a key that was never published.
func (t *Tokens) Unknown() string {
	key := *t.stranger
	key.ID = rand.Text()
	return key.Sign(t.claims())
}

// Forged names the known key, and was signed with another.
func (t *Tokens) Forged() string { return t.stranger.Sign(t.claims()) }
