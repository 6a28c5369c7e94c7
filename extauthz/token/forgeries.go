package token

import (
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"

	"github.com/doorward/doorward/extauthz/jwks"
)

// forgeries remembers tokens whose signature failed, each under the very key it
// failed with: of all refusals the only one that is dear to find out, and true
// as long as the key is the same object. It is a table of a fixed size, apart
// from everything that was verified: garbage can only push out garbage.
type forgeries [1 << 13]atomic.Pointer[forgery]

type forgery struct {
	digest [sha256.Size]byte
	key    *jwks.Key
}

func (f *forgeries) place(digest [sha256.Size]byte) *atomic.Pointer[forgery] {
	return &f[binary.LittleEndian.Uint64(digest[:])%uint64(len(f))]
}

func (f *forgeries) known(digest [sha256.Size]byte, key *jwks.Key) bool {
	last := f.place(digest).Load()
	return last != nil && last.digest == digest && last.key == key
}

func (f *forgeries) remember(digest [sha256.Size]byte, key *jwks.Key) {
	f.place(digest).Store(&forgery{digest, key})
}
