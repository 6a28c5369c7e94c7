package policy

import (
	"hash/maphash"
	"testing"
)

// What the hash leads to counts only for the very key and the very policy: two
// keys with one hash are two requests.
func TestOneHashIsNotOneKey(t *testing.T) {
	m := NewDecisionCache()
	m.SetMaximum(1 << 20)
	allowed := Decision{Outcome: Allowed}
	m.remember(1, []byte("key"), allowed)
	if d, hit := m.recall(1, []byte("key")); !hit || d.Outcome != Allowed {
		t.Fatal("nothing is remembered")
	}
	if _, hit := m.recall(2, []byte("key")); hit {
		t.Error("another policy finds it")
	}
	m.decisions.Set(maphash.Bytes(m.seed, []byte("other")), &memo{1, []byte("key"), allowed})
	if _, hit := m.recall(1, []byte("other")); hit {
		t.Error("another key with the same hash finds it")
	}
}

// The caller's buffer is the caller's again once a decision is remembered.
func TestAKeyIsCopied(t *testing.T) {
	m := NewDecisionCache()
	m.SetMaximum(1 << 20)
	key := []byte("key")
	m.remember(1, key, Decision{Outcome: Allowed})
	copy(key, "abc")
	if _, hit := m.recall(1, []byte("key")); !hit {
		t.Error("it changed with the buffer")
	}
}
