package extauthz

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/folding"
	"github.com/doorward/doorward/internal/policy"
)

// cachedVerdict is a verdict over a verified token, with its encoded answer. The next
// Check with that token gets the same bytes if the key is equal: the active state, the
// resource, how the token is bound, each part of the request that the rules for this
// resource can read, and the operation where it is read. Whether the token is still
// valid is checked before, and is not part of the key.
type cachedVerdict struct {
	key     string
	verdict *verdict       // with its encoded answer; shared, so never changed
	until   time.Time      // of what it issued; zero where it issued nothing
	before  *cachedVerdict // another one that is kept, older; nil: none
}

// The limits of a cached verdict, in bytes, without the room for what is issued; a
// larger answer is encoded each time.
const (
	maxVerdictEntry = 2 << 10
	maxVerdictBytes = maxVerdictEntry - 512 // key, answer and decision
)

// verdictKey appends to key what a verdict of this Check is cached under: the
// state, the resource, how the token is bound, and what the policy reads of the
// request. It is false where the answer must not be cached: the policy reads what
// no two requests share, or the answer removes something under a name that this
// request chose.
func (r *request) verdictKey(
	key []byte, state *numberedState, binding string, evaluator *policy.Evaluator,
) ([]byte, bool) {
	if len(r.tokens) > 0 || r.hasForgedHeader(evaluator.HeaderNames()) || state.readsBaggage(r) {
		return nil, false
	}
	key = binary.BigEndian.AppendUint64(key, state.number)
	for _, text := range [...]string{r.target.Asked, binding, r.corsOrigin} {
		key = append(binary.AppendUvarint(key, uint64(len(text))), text...)
	}
	key, ok := evaluator.AppendRequestKey(key, r)
	return key, ok && len(key) <= maxVerdictBytes
}

// readsBaggage reports whether an allow depends on the baggage of this request, or holds
// a handle in it.
func (state *numberedState) readsBaggage(r *request) bool {
	if !state.HandleBaggage {
		return false
	}
	_, present, _ := r.headers.Only(baggageHeader)
	return present || state.sealer(r.target.Name) != nil
}

// hasForgedHeader reports a header whose name a server may take for an identity
// header or a header of the policy.
func (r *request) hasForgedHeader(policyHeaders []string) bool {
	return slices.ContainsFunc(r.headers, func(h checkwire.Header) bool {
		return isReservedName(h.Name, policyHeaders)
	})
}

// isReservedName reports every spelling that a server may take for an identity
// header or for one of policyHeaders, all of which begin with "x-".
func isReservedName(name string, policyHeaders []string) bool {
	if len(name) < 2 || name[0] != 'x' || isAlphanumeric(name[1]) {
		return false
	}
	folded := folding.Header(name)
	return strings.HasPrefix(folded, identityPrefix) || slices.ContainsFunc(policyHeaders, func(ours string) bool {
		return name != ours && folded == folding.Header(ours)
	})
}

func isAlphanumeric(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// cachedVerdict returns the verdict that is cached under key, or nil. The clock is read
// for one that issued something.
func (k *cachedToken) cachedVerdict(key []byte, clock *token.Verifier) *verdict {
	for one := k.verdict.Load(); one != nil; one = one.before {
		if one.key != string(key) {
			continue
		}
		if !one.until.IsZero() && !clock.Now().Before(one.until) {
			return nil
		}
		return one.verdict
	}
	return nil
}

// cacheVerdict caches v, with its encoded answer, under key, in the place of the oldest
// one.
func (k *cachedToken) cacheVerdict(key []byte, v *verdict) {
	if len(v.encoded)+len(key)+v.decision.Size() > maxVerdictBytes+k.room {
		return
	}
	newest := &cachedVerdict{key: string(key), verdict: v, until: v.issued.until}
	last, others := newest, 0
	for one := k.verdict.Load(); one != nil && others < k.others; one = one.before {
		if one.key != newest.key {
			last.before = &cachedVerdict{key: one.key, verdict: one.verdict, until: one.until}
			last = last.before
			others++
		}
	}
	k.verdict.Store(newest)
}
