package extauthz

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"

	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/tracing"
)

// tokenCache keeps verified tokens, so that a signature is verified once and not
// at every request. It makes an answer faster and never different: time, the
// key, the issuer and its rules are checked at every hit; possession, revocation
// and the audience are not cached. Its lifetime is that of its Server.
type tokenCache struct {
	tokens    *otter.Cache[[sha256.Size]byte, *cachedToken]
	evictions *stats.Counter
}

// cachedToken is a verified token.
type cachedToken struct {
	claims  *token.Claims
	others  int                           // how many verdicts are kept beside the last
	room    int                           // bytes more that a verdict may take for what it issues
	verdict atomic.Pointer[cachedVerdict] // the last verdicts over it, the newest first; nil before the first

	issuing sync.Mutex // guards issued, so that each is made once
	issued  issued     // the last
}

func newTokenCache() *tokenCache {
	evictions := stats.NewCounter()
	return &tokenCache{
		tokens: otter.Must(&otter.Options[[sha256.Size]byte, *cachedToken]{
			MaximumWeight: 1, // nothing, until Swap sets the maximum
			Weigher:       func(_ [sha256.Size]byte, k *cachedToken) uint32 { return k.weight() },
			StatsRecorder: evictions,
		}),
		evictions: evictions,
	}
}

// otherVerdicts is how many verdicts are kept beside the last one where operations
// decide: a client alternates between a few.
const otherVerdicts = 3

// weight estimates the size of an entry, in bytes.
func (k *cachedToken) weight() uint32 {
	const last, own = 1, 1 // the last verdict, and issued itself
	more := k.others*maxVerdictEntry + (k.others+last+own)*k.room
	return weight(k.claims) + uint32(more) //nolint:gosec // a few, of bounded size
}

// weight estimates the size of an entry with one verdict, in bytes. The decoded size of a claim
// does not follow from its length: `{}` is a whole map. A cached verdict is added
// later, so that its size is counted from the start.
func weight(claims *token.Claims) uint32 {
	const entry, scope, most = 1024 + maxVerdictEntry, 16, 1 << 30
	//nolint:gosec // bounded in the line itself
	return uint32(min(entry+scope*len(claims.Scopes)+decodedSize(claims.All), most))
}

// decodedSize estimates the size of a decoded JSON value, in bytes.
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

// verify returns the verified token, of an issuer that the resource trusts, or the
// refusal. The cache key is a digest of the whole token: tokens that differ in one
// bit share no entry.
func (s *Server) verify(
	ctx context.Context, state *numberedState, req *request, compact string,
) (*cachedToken, *token.Refusal) {
	//nolint:gosec // read alone: a copy would cost as much as the digest
	digest := sha256.Sum256(unsafe.Slice(unsafe.StringData(compact), len(compact)))
	req.tokenDigest, req.compact, req.remembered = digest, compact, tracing.RememberedNone
	if before, hit := s.tokenCache.tokens.GetIfPresent(digest); hit {
		issuer, audienceOptional := state.issuerOf(req.target, before.claims)
		if still, refusal := state.Verifier.Revalidate(before.claims, issuer, audienceOptional); still {
			s.metrics.tokens.hit.Inc()
			req.remembered = tracing.RememberedToken
			if state.issuesAny && before.room < state.room(before.claims) { // cached before a reload
				before = s.remember(state, digest, before.claims)
			}
			return before, refusal
		}
	}
	ctx, cancel := context.WithDeadline(ctx, req.until)
	defer cancel()
	claims, refusal := state.Verifier.Verify(ctx, compact, state.trust(req.target))
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

// remember checks the maximum itself: the cache evicts asynchronously, so that
// with a maximum of 0 an entry would still be found for a moment.
func (s *Server) remember(state *numberedState, digest [sha256.Size]byte, claims *token.Claims) *cachedToken {
	verified := &cachedToken{claims: claims, room: state.room(claims)}
	if state.readsOperations {
		verified.others = otherVerdicts
	}
	if state.TokenCache > 0 {
		s.tokenCache.tokens.Set(digest, verified)
	}
	return verified
}
