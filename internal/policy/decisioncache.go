package policy

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"

	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"
)

// DecisionCache keeps decisions, so that equal requests are evaluated once. A
// cached decision equals the evaluated one: its key is the policy that made it
// and every value that this policy can read. Errors and timeouts are not cached.
//
// Make one with [NewDecisionCache] for the life of the process, and compile every
// policy with it. It is safe for concurrent use.
type DecisionCache struct {
	decisions *otter.Cache[uint64, *memo]
	evictions *stats.Counter
	seed      maphash.Seed
	snapshots atomic.Uint64
	bytes     atomic.Int64
}

// memo is a decision with its key. It never changes.
type memo struct {
	snapshot uint64 // the number of the policy that made it
	key      []byte // of the evaluator, and of what it could read
	decision Decision
}

// NewDecisionCache makes a cache that is empty until SetMaximum is called.
func NewDecisionCache() *DecisionCache {
	evictions := stats.NewCounter()
	return &DecisionCache{
		decisions: otter.Must(&otter.Options[uint64, *memo]{
			MaximumWeight: 1,
			Weigher:       func(_ uint64, m *memo) uint32 { return m.weight() },
			StatsRecorder: evictions,
		}),
		evictions: evictions,
		seed:      maphash.MakeSeed(),
	}
}

// SetMaximum bounds the cache, in bytes, from now on; 0 keeps it empty.
func (m *DecisionCache) SetMaximum(bytes int64) {
	m.bytes.Store(max(bytes, 0))
	m.decisions.SetMaximum(uint64(max(bytes, 0)))
}

// Bytes is the estimated size of the entries.
func (m *DecisionCache) Bytes() uint64 { return m.decisions.WeightedSize() }

// Evictions is the number of decisions evicted for others.
func (m *DecisionCache) Evictions() uint64 { return m.evictions.Snapshot().Evictions }

// snapshot is a new number for a policy.
func (m *DecisionCache) snapshot() uint64 { return m.snapshots.Add(1) }

// recall finds the decision of a policy for a key. The hash finds an entry, which
// must be of this policy and have this key.
func (m *DecisionCache) recall(snapshot uint64, key []byte) (*Decision, bool) {
	found, hit := m.decisions.GetIfPresent(maphash.Bytes(m.seed, key))
	if !hit || found.snapshot != snapshot || !bytes.Equal(found.key, key) {
		return nil, false
	}
	return &found.decision, true
}

// remember caches a decision. It copies the key.
func (m *DecisionCache) remember(snapshot uint64, key []byte, d Decision) {
	// otter evicts later: with a maximum of 0 it would return an entry for a moment.
	if m.bytes.Load() > 0 {
		m.decisions.Set(maphash.Bytes(m.seed, key), &memo{snapshot, bytes.Clone(key), d})
	}
}

// weight is the approximate size of an entry, in bytes.
func (m *memo) weight() uint32 {
	const entry = 512
	size := entry + len(m.key) + m.decision.Size()
	return uint32(size) //nolint:gosec // the key is no longer than a request, the rest bounded by maxOutput
}
