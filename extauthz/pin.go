package extauthz

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/folding"
	"github.com/doorward/doorward/internal/policy"
)

// A verified token pins the last verdict over it, with the bytes of its answer.
// The next Check with that token gets the same bytes where nothing that they
// were made of differs: the state in force, the resource, how the token is
// bound, and each part of the request that the rules for this resource can
// read. Whether the token is still good was found out before, and is no part
// of a pin.
type cachedVerdict struct {
	key     string
	verdict *verdict // with its answer ready; shared, so never changed
}

// mostPinned is what a pin may take, in bytes, with its verdict; a larger answer
// is made anew each time.
const (
	maxVerdictEntry = 2 << 10
	maxVerdictBytes = maxVerdictEntry - 512 // key, answer and decision
)

// verdictKey appends to key what a verdict of this Check is cached under: the
// state, the resource, how the token is bound, and what the policy reads of the
// request. It is false where the answer must not be cached: the policy reads what
// no two requests share, or the answer removes something by the name that this
// request gives it.
func (r *request) verdictKey(
	key []byte, state *numberedState, res *resource.Resource, binding string, judge *policy.Evaluator,
) ([]byte, bool) {
	if len(r.tokens) > 0 || r.hasForgedHeader(judge.HeaderNames()) {
		return nil, false
	}
	key = binary.BigEndian.AppendUint64(key, state.number)
	for _, text := range [...]string{res.Name, binding} {
		key = append(binary.AppendUvarint(key, uint64(len(text))), text...)
	}
	key, ok := judge.AppendRequestKey(key, r)
	return key, ok && len(key) <= maxVerdictBytes
}

// hasForgedHeader reports a header that could pass for one of ours.
func (r *request) hasForgedHeader(policyHeaders []string) bool {
	return slices.ContainsFunc(r.headers, func(h header) bool { return isReservedName(h.name, policyHeaders) })
}

// isReservedName sees every spelling that a server takes for one of ours, or for
// a rule's. All our names begin with "x-".
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

// cachedVerdict is the verdict that was pinned under key, or nil.
func (k *cachedToken) cachedVerdict(key []byte) *verdict {
	if last := k.verdict.Load(); last != nil && last.key == string(key) {
		return last.verdict
	}
	return nil
}

// cacheVerdict pins v under key, with its answer and what it was made of.
func (k *cachedToken) cacheVerdict(key []byte, v *verdict) {
	if len(v.encoded)+len(key)+v.decision.Size() <= maxVerdictBytes {
		k.verdict.Store(&cachedVerdict{string(key), v})
	}
}
