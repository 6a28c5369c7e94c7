package extauthz

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync/atomic"
	"unsafe"

	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
)

// tokenCache remembers verified tokens, so that a signature is verified once and
// not at every request. It can make an answer faster, never different: what the
// claims rest on (time, the key's life, the issuer and its rules) is read at
// every hit, and neither binding proofs nor revocation nor the audience are
// part of it. One lives as long as the process, whatever is reloaded.
type tokenCache struct {
	tokens    *otter.Cache[[sha256.Size]byte, *cachedToken]
	evictions *stats.Counter
}

// cachedToken is a verified token.
type cachedToken struct {
	claims  *token.Claims
	verdict atomic.Pointer[cachedVerdict] // the last verdict over it; nil before the first
}

func newTokenCache() *tokenCache {
	evictions := stats.NewCounter()
	return &tokenCache{
		tokens: otter.Must(&otter.Options[[sha256.Size]byte, *cachedToken]{
			MaximumWeight: 1, // nothing, until a State says how much
			Weigher:       func(_ [sha256.Size]byte, k *cachedToken) uint32 { return weight(k.claims) },
			StatsRecorder: evictions,
		}),
		evictions: evictions,
	}
}

// weight is about what an entry holds, in bytes. What a claim costs once it is
// decoded has little to do with its length: a member of `{}` is a whole map.
// A pin comes later, so that its room is taken from the start.
func weight(claims *token.Claims) uint32 {
	const entry, scope, most = 1024 + maxVerdictEntry, 16, 1 << 30
	return uint32(min(entry+scope*len(claims.Scopes)+decodedSize(claims.All), most)) //nolint:gosec // bounded in the line itself
}

// decodedSize is about what a decoded JSON value takes, in bytes.
func decodedSize(value any) int {
	const word, member, object = 16, 64, 320
	total := word
	switch v := value.(type) {
	case string:
		total += len(v)
	case json.Number:
		total += len(v)
	case []any:
		for _, element := range v {
			total += word + decodedSize(element)
		}
	case map[string]any:
		total += object
		for name, value := range v {
			total += member + len(name) + decodedSize(value)
		}
	}
	return total
}

// verify gives a token that is for res's issuers, or the reason for which there
// is none. The key is a digest of the whole token: two tokens that differ in one
// bit are strangers.
func (s *Server) verify(ctx context.Context, state *numberedState, req *request, res *resource.Resource, compact string) (*cachedToken, *token.Refusal) {
	digest := sha256.Sum256(unsafe.Slice(unsafe.StringData(compact), len(compact))) //nolint:gosec // read alone: a copy would cost as much as the digest
	req.tokenDigest = digest
	if before, hit := s.tokenCache.tokens.GetIfPresent(digest); hit {
		if still, refusal := state.Verifier.Revalidate(before.claims, state.trustedIssuer(res, before.claims.Issuer)); still {
			s.metrics.tokens.hit.Inc()
			return before, refusal
		}
	}
	ctx, cancel := context.WithDeadline(ctx, req.until)
	defer cancel()
	claims, refusal := state.Verifier.Verify(ctx, compact, func(iss string) *token.Issuer { return state.trustedIssuer(res, iss) })
	switch {
	case refusal == nil:
		s.metrics.tokens.miss.Inc()
		return s.remember(state, digest, claims), nil
	case refusal.Remembered:
		s.metrics.tokens.negativeHit.Inc()
	default:
		s.metrics.tokens.miss.Inc()
	}
	return nil, refusal
}

// remember looks at the room itself: the cache makes room by and by, so that
// where there is to be none an entry would still be found for a moment.
func (s *Server) remember(state *numberedState, digest [sha256.Size]byte, claims *token.Claims) *cachedToken {
	verified := &cachedToken{claims: claims}
	if state.TokenCache > 0 {
		s.tokenCache.tokens.Set(digest, verified)
	}
	return verified
}
