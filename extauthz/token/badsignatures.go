package token

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync/atomic"

	"github.com/doorward/doorward/extauthz/jwks"
)

// badSignatureCache remembers tokens whose signature failed, with the keys that
// were tried. Of all refusals this one alone is costly to reach, and it holds as
// long as the keys are the same objects. The table has a fixed size and holds
// nothing that was verified: a forged token replaces another one only.
type badSignatureCache [1 << 13]atomic.Pointer[badSignature]

type badSignature struct {
	digest [sha256.Size]byte
	keys   []*jwks.Key // a set's own slice, which never changes
}

func (f *badSignatureCache) place(digest [sha256.Size]byte) *atomic.Pointer[badSignature] {
	return &f[binary.LittleEndian.Uint64(digest[:])%uint64(len(f))]
}

// known reports whether the token failed under each of these keys.
func (f *badSignatureCache) known(digest [sha256.Size]byte, keys []*jwks.Key) bool {
	last := f.place(digest).Load()
	if last == nil || last.digest != digest {
		return false
	}
	for _, key := range keys {
		if !slices.Contains(last.keys, key) {
			return false
		}
	}
	return true
}

func (f *badSignatureCache) remember(digest [sha256.Size]byte, keys []*jwks.Key) {
	f.place(digest).Store(&badSignature{digest, keys})
}
