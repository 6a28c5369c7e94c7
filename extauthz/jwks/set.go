package jwks

import (
	"cmp"
	"slices"

	"github.com/doorward/doorward/extauthz/reason"
)

// Set is one issuer's usable keys at one moment. It never changes; a nil Set
// has no keys.
type Set struct {
	keys []*Key            // sorted by identity, so the document's order has no say
	byID map[string][]*Key // keys with an ID only
}

func newSet(keys []*Key) *Set {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, func(a, b *Key) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID),
			cmp.Compare(a.Algorithm, b.Algorithm),
			cmp.Compare(a.Thumbprint, b.Thumbprint))
	})
	s := &Set{keys: keys, byID: make(map[string][]*Key, len(keys))}
	for _, k := range keys {
		if k.ID != "" {
			s.byID[k.ID] = append(s.byID[k.ID], k)
		}
	}
	return s
}

// Len is the number of usable keys.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.keys)
}

// Lookup finds the key that a token's header names; a nil Set has none. A nil kid is a header
// without one: it is served only where exactly one key fits alg.
//
// The reason is [reason.Allowed] with a key, [reason.AlgorithmNotAllowed] where
// keys of that id are there and none fits alg, and [reason.KeyUnknown]
// otherwise. A key without an id is never found by one (RFC 7515, section
// 4.1.4: the id is a hint to choose by, and here nothing bears it).
func (s *Set) Lookup(kid *string, alg string) (*Key, reason.Reason) {
	if s == nil {
		return nil, reason.KeyUnknown
	}
	if kid == nil {
		return s.onlyKey(alg)
	}
	named := s.byID[*kid]
	if len(named) == 0 {
		return nil, reason.KeyUnknown
	}
	for _, k := range named {
		if k.Fits(alg) {
			return k, reason.Allowed
		}
	}
	return nil, reason.AlgorithmNotAllowed
}

func (s *Set) onlyKey(alg string) (*Key, reason.Reason) {
	var only *Key
	for _, k := range s.keys {
		switch {
		case !k.Fits(alg):
		case only != nil:
			return nil, reason.KeyUnknown
		default:
			only = k
		}
	}
	if only == nil {
		return nil, reason.KeyUnknown
	}
	return only, reason.Allowed
}

// succeed returns the set with the old objects in the place of unchanged JWKs,
// how many keys are new, and the keys that left. A withdrawn key is never
// taken over.
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
