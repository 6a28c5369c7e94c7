package authority

import (
	"crypto/rand"
	"time"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// Resource is the audience of every token.
const Resource = "https://mcp.example.com/mcp"

// Tokens makes the tokens that are sent. Signing costs more than verifying: make
// them before the measurement.
type Tokens struct {
	Issuer   string
	Known    *jwttest.Key   // signs all good traffic; published throughout
	Newer    []*jwttest.Key // published one after the other, at rotations
	attacker *jwttest.Key   // never published, with the id of the known key
}

// NewTokens makes the keys, with this number of newer ones. All are ES256.
func NewTokens(rotations int) *Tokens {
	t := &Tokens{Known: jwttest.NewKey("ES256", "known"), attacker: jwttest.NewKey("ES256", "known")}
	for range rotations {
		t.Newer = append(t.Newer, jwttest.NewKey("ES256", "newer-"+rand.Text()))
	}
	return t
}

// claims returns those of a good token; no two tokens have the same.
func (t *Tokens) claims() map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": t.Issuer, "sub": "alice", "aud": Resource, "client_id": "app", "jti": rand.Text(),
		"scope": "mcp:read mcp:write", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

// Good returns a new token, signed by the known key.
func (t *Tokens) Good() string { return t.Known.Sign(t.claims()) }

// Pool returns n good tokens.
func (t *Tokens) Pool(n int) []string {
	pool := make([]string, n)
	for i := range pool {
		pool[i] = t.Good()
	}
	return pool
}

// Mixed returns the tokens of n good requests: those of a pool again and again, and
// for one request in so many a new one (0: none).
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

// Newest returns a good token, signed by the key of a rotation.
func (t *Tokens) Newest(rotation int) string {
	return t.Newer[min(rotation, len(t.Newer)-1)].Sign(t.claims())
}

// Unknown returns a token that names a key that was never published.
func (t *Tokens) Unknown() string {
	key := *t.attacker
	key.ID = rand.Text()
	return key.Sign(t.claims())
}

// Forged returns a token that names the known key and was signed by another.
func (t *Tokens) Forged() string { return t.attacker.Sign(t.claims()) }
