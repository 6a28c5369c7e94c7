package main

import (
	"crypto/rand"
	"time"

	"github.com/doorward/doorward/envoy/rig/mint"
)

// tokens makes everything that is sent, before the clock runs: signing costs
// more than verifying.
type tokens struct {
	issuer   string
	known    *mint.Key   // signs all good traffic; published throughout
	newer    []*mint.Key // published one after the other, at rotations
	stranger *mint.Key   // an attacker's, never published, and with the id of the known key
}

func newTokens(rotations int) *tokens {
	t := &tokens{known: mint.NewKey("ES256", "known"), stranger: mint.NewKey("ES256", "known")}
	for range rotations {
		t.newer = append(t.newer, mint.NewKey("ES256", "newer-"+rand.Text()))
	}
	return t
}

// claims are those of a good token; no two are equal.
func (t *tokens) claims() map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": t.issuer, "sub": "alice", "aud": resourceURI, "client_id": "app", "jti": rand.Text(), "scope": "mcp:read mcp:write",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

// good traffic: a pool of tokens that come again and again, and every so often
// one that doorward has never seen.
func (t *tokens) good(n int) []string {
	pool := make([]string, poolSize)
	for i := range pool {
		pool[i] = t.known.Sign(t.claims())
	}
	sent := make([]string, n)
	for i := range sent {
		if i%freshEvery == 0 {
			sent[i] = t.known.Sign(t.claims())
		} else {
			sent[i] = pool[i%poolSize]
		}
	}
	return sent
}

// newest is a good token under the key that was published last.
func (t *tokens) newest(rotation int) string {
	return t.newer[min(rotation, len(t.newer)-1)].Sign(t.claims())
}

// unknown names a key that nobody has.
func (t *tokens) unknown() string {
	key := *t.stranger
	key.ID = rand.Text()
	return key.Sign(t.claims())
}

// forged names the known key, and was signed with another.
func (t *tokens) forged() string { return t.stranger.Sign(t.claims()) }
