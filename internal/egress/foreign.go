package egress

import (
	"crypto/sha256"

	"github.com/maypok86/otter/v2"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/internal/tokensearch"
)

// maxForeign is how many foreign tokens are remembered, each in about 150 bytes.
const maxForeign = 8 << 10

// foreign are tokens that were found to be for no resource, by digest, so that a server's
// own credential is not read again at each request. They make an answer faster and never
// different: they are of one State of egress and the one inbound State that was in force
// with it.
type foreign struct {
	state   *State
	inbound *extauthz.State
	tokens  *otter.Cache[[sha256.Size]byte, struct{}]
}

func newForeign(state *State, inbound *extauthz.State) *foreign {
	return &foreign{state, inbound, otter.Must(&otter.Options[[sha256.Size]byte, struct{}]{MaximumSize: maxForeign})}
}

// isCurrent reports whether these are of the two States that decide now.
func (f *foreign) isCurrent(state *State, s *Server) bool {
	return f != nil && f.state == state && f.inbound == s.inbound.State()
}

// foreignIn returns what isForeign of [tokensearch.FindOthers] is with a State.
func (s *Server) foreignIn(state *State) func(digest [sha256.Size]byte) bool {
	known := s.foreign.Load()
	if !known.isCurrent(state, s) {
		return nil
	}
	return func(digest [sha256.Size]byte) bool {
		_, has := known.tokens.GetIfPresent(digest)
		return has
	}
}

// remember notes a token that is for no resource. One that two readers could read
// differently is foreign only if each reading is.
func (s *Server) remember(state *State, candidate tokensearch.Candidate) {
	if known := s.foreign.Load(); known.isCurrent(state, s) && candidate.Readings == 1 {
		known.tokens.Set(candidate.Digest, struct{}{})
	}
}
