package extauthz

import (
	"context"
	"crypto/sha256"

	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
)

// admitted remembers verified tokens, so that a signature is verified once and
// not at every request. It can make an answer faster, never different: what the
// claims rest on (time, the key's life, the issuer and its rules) is read at
// every hit, and neither binding proofs nor revocation nor the audience are
// part of it. One lives as long as the process, whatever is reloaded.
type admitted struct {
	tokens    *otter.Cache[[sha256.Size]byte, *token.Claims]
	evictions *stats.Counter
}

func newAdmitted() *admitted {
	evictions := stats.NewCounter()
	return &admitted{
		tokens: otter.Must(&otter.Options[[sha256.Size]byte, *token.Claims]{
			MaximumWeight: 1, // nothing, until a State says how much
			Weigher:       weight,
			StatsRecorder: evictions,
		}),
		evictions: evictions,
	}
}

// weight is about what an entry holds, in bytes: a claim costs some five times
// its text once it is decoded.
func weight(_ [sha256.Size]byte, claims *token.Claims) uint32 {
	const entry, decoded = 1024, 5
	return uint32(min(entry+decoded*claims.Size, 1<<30)) //nolint:gosec // bounded in the line itself
}

// verify gives the claims of a token that is for res's issuers, or the reason
// for which there are none. The key is a digest of the whole token: two tokens
// that differ in one bit are strangers.
func (s *Server) verify(ctx context.Context, state *State, res *resource.Resource, compact string) (*token.Claims, *token.Refusal) {
	trusted := state.trusted(res)
	digest := sha256.Sum256([]byte(compact))
	if claims, hit := s.admitted.tokens.GetIfPresent(digest); hit {
		if still, refusal := state.Verifier.Still(claims, trusted(claims.Issuer)); still {
			s.metrics.tokens.hit.Inc()
			return claims, refusal
		}
	}
	claims, refusal := state.Verifier.Verify(ctx, compact, trusted)
	switch {
	case refusal == nil:
		s.metrics.tokens.miss.Inc()
		s.admitted.tokens.Set(digest, claims)
	case refusal.Remembered:
		s.metrics.tokens.negativeHit.Inc()
	default:
		s.metrics.tokens.miss.Inc()
	}
	return claims, refusal
}
