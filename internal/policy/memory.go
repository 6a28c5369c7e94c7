package policy

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"

	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"
)

// DecisionCache remembers decisions, so that what was asked before is not evaluated
// again. It can make a decision faster, never different: an entry holds for the
// one policy it was made by, and for the very values that this policy can read.
// Neither errors nor timeouts are remembered.
//
// One Memory lives as long as the process; every policy that is compiled gets
// the same. It is safe for concurrent use.
type DecisionCache struct {
	decisions *otter.Cache[uint64, *memo]
	evictions *stats.Counter
	seed      maphash.Seed
	snapshots atomic.Uint64
	bytes     atomic.Int64
}

// memo is a decision with all that it rests on. Nobody changes it.
type memo struct {
	snapshot uint64 // the policy it was made by
	key      []byte // of that policy's judge, and what the judge could read
	decision Decision
}

// NewDecisionCache makes a Memory that holds nothing until SetMaximum is called.
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

// SetMaximum bounds the memory, in bytes, from now on; 0 remembers nothing.
func (m *DecisionCache) SetMaximum(bytes int64) {
	m.bytes.Store(max(bytes, 0))
	m.decisions.SetMaximum(uint64(max(bytes, 0)))
}

// Bytes is about what is held now.
func (m *DecisionCache) Bytes() uint64 { return m.decisions.WeightedSize() }

// Evictions counts decisions that had to make room.
func (m *DecisionCache) Evictions() uint64 { return m.evictions.Snapshot().Evictions }

// snapshot is a number that no policy of this Memory had before.
func (m *DecisionCache) snapshot() uint64 { return m.snapshots.Add(1) }

// recall finds the decision of a policy for a key. The hash only says where to
// look; what is found there counts if it is for this policy and this very key.
func (m *DecisionCache) recall(snapshot uint64, key []byte) (*Decision, bool) {
	found, hit := m.decisions.GetIfPresent(maphash.Bytes(m.seed, key))
	if !hit || found.snapshot != snapshot || !bytes.Equal(found.key, key) {
		return nil, false
	}
	return &found.decision, true
}

// remember keeps a decision. The key is copied.
func (m *DecisionCache) remember(snapshot uint64, key []byte, d Decision) {
	// The cache makes room by and by: where there is to be none, an entry would
	// still be found for a moment.
	if m.bytes.Load() > 0 {
		m.decisions.Set(maphash.Bytes(m.seed, key), &memo{snapshot, bytes.Clone(key), d})
	}
}

// weight is about what an entry holds, in bytes.
func (m *memo) weight() uint32 {
	const entry = 512
	return uint32(entry + len(m.key) + m.decision.Size()) //nolint:gosec // the key is no longer than a request, the rest bounded by maxOutput
}
