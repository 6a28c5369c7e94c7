package jwks

import (
	"cmp"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/reason"
)

// Set is one issuer's usable keys at one moment. It never changes; a nil Set
// has no keys.
type Set struct {
	keys    []*Key            // sorted, so that the order of the document does not matter
	byID    map[string][]*Key // keys with an ID only
	fitting map[string][]*Key // by algorithm: the keys for a header without kid, at most one too many
}

// maxCandidates is how many keys a token without kid is tried against: a
// signature that fails costs as many verifications.
const maxCandidates = 4

func newSet(keys []*Key) *Set {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, func(a, b *Key) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID),
			cmp.Compare(a.Algorithm, b.Algorithm),
			cmp.Compare(a.Thumbprint, b.Thumbprint))
	})
	s := &Set{keys: keys, byID: make(map[string][]*Key, len(keys)), fitting: map[string][]*Key{}}
	for _, k := range keys {
		if k.ID != "" {
			s.byID[k.ID] = append(s.byID[k.ID], k)
		}
		for _, alg := range algorithmsOf(k.Public) {
			if before := s.fitting[alg]; len(before) <= maxCandidates && k.Fits(alg) && !containsMaterial(before, k) {
				s.fitting[alg] = append(before, k)
			}
		}
	}
	return s
}

// containsMaterial reports whether one of keys is k under another kid or alg: a
// signature that fails under one of them fails under the other.
func containsMaterial(keys []*Key, k *Key) bool {
	return slices.ContainsFunc(keys, func(other *Key) bool { return other.Thumbprint == k.Thumbprint })
}

// Len returns the number of usable keys.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.keys)
}

// Lookup returns the keys that a token's header allows; a nil Set has no keys. A
// kid names one key. A nil kid, for a header without kid, allows each key that
// fits alg, once for every key material, and four at most. Do not change the
// slice, which is the set's own.
//
// The reason is [reason.Allowed] with keys, [reason.AlgorithmNotAllowed] where the
// keys of that id do not fit alg, and [reason.KeyUnknown] otherwise. A key without
// an id is not found by an id (RFC 7515, section 4.1.4).
func (s *Set) Lookup(kid *string, alg string) ([]*Key, reason.Reason) {
	if s == nil {
		return nil, reason.KeyUnknown
	}
	if kid == nil {
		if len(s.fitting[alg]) == 0 || s.ambiguousKeys(kid, alg) {
			return nil, reason.KeyUnknown
		}
		return s.fitting[alg], reason.Allowed
	}
	named := s.byID[*kid]
	if len(named) == 0 {
		return nil, reason.KeyUnknown
	}
	for i, k := range named {
		if k.Fits(alg) {
			return named[i : i+1], reason.Allowed
		}
	}
	return nil, reason.AlgorithmNotAllowed
}

// ambiguousKeys reports whether a header without kid allows too many keys. A fetch
// is not expected to change that.
func (s *Set) ambiguousKeys(kid *string, alg string) bool {
	return kid == nil && len(s.fitting[alg]) > maxCandidates
}

// crowdedAlgorithms returns the algorithms under which a token without kid is not
// verified, sorted and separated by spaces.
func (s *Set) crowdedAlgorithms() string {
	var names []string
	for alg := range s.fitting {
		if s.ambiguousKeys(nil, alg) {
			names = append(names, alg)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// succeed returns the set with the old objects in the place of unchanged JWKs, how
// many keys are new, and the keys that left. It does not take over withdrawn keys.
func (s *Set) succeed(old *Set) (next *Set, added int, left []*Key) {
	if old == nil {
		return s, len(s.keys), nil
	}
	kept := make(map[identity]*Key, len(old.keys))
	for _, k := range old.keys {
		if !k.Withdrawn() {
			kept[k.identity()] = k
		}
	}
	keys := make([]*Key, 0, len(s.keys))
	for _, k := range s.keys {
		if same, ok := kept[k.identity()]; ok {
			delete(kept, k.identity())
			k = same
		} else {
			added++
		}
		keys = append(keys, k)
	}
	for _, k := range kept {
		left = append(left, k)
	}
	return newSet(keys), added, left
}

func withdraw(keys []*Key) {
	for _, k := range keys {
		k.withdrawn.Store(true)
	}
}
