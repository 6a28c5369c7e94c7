package token

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync/atomic"

	"github.com/doorward/doorward/extauthz/jwks"
)

// badSignatureCache remembers tokens whose signature failed, each once, under the very
// keys it failed with: of all refusals the only one that is dear to find out,
// and true as long as the keys are the same objects. It is a table of a fixed
// size, apart from everything that was verified: garbage can only push out
// garbage.
type badSignatureCache [1 << 13]atomic.Pointer[badSignature]

type badSignature struct {
	digest [sha256.Size]byte
	keys   []*jwks.Key // a set's own slice, which never changes
}

func (f *badSignatureCache) place(digest [sha256.Size]byte) *atomic.Pointer[badSignature] {
	return &f[binary.LittleEndian.Uint64(digest[:])%uint64(len(f))]
}

// known says that the token failed under each of these keys.
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
