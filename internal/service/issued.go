package service

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/doorward/doorward/internal/assertion"
	"github.com/doorward/doorward/internal/handle"
)

// sealer seals and opens the handles of a revision; nil without handles.
func (r *Revision) sealer() (*handle.Sealer, error) {
	if r.Config.Egress == nil || r.Config.Egress.Handle == nil {
		return nil, nil
	}
	h := r.Config.Egress.Handle
	sealer, err := handle.New(handle.Options{Keys: h.Keys, Lifetime: h.Lifetime, MaxBytes: h.MaxBytes})
	if err != nil { // a configuration without problems has such keys
		return nil, fmt.Errorf("egress.handle: %w", err)
	}
	return sealer, nil
}

// jwksPath is where servers fetch the keys of assertions.
const jwksPath = "/.well-known/jwks.json"

// PublishedKeys returns the JWK Set by which servers verify the assertions of these
// signers, which are by resource.
func PublishedKeys(signers map[string]*assertion.Signer) []byte {
	var sorted []*assertion.Signer
	for _, name := range slices.Sorted(maps.Keys(signers)) {
		sorted = append(sorted, signers[name])
	}
	return assertion.KeySet(sorted...)
}

// assertionKeys serves them. A server keeps what it fetched for a while: a key must be
// published for longer than maxAge before it signs.
func (s *Service) assertionKeys(w http.ResponseWriter, r *http.Request) {
	const maxAge = "300"
	signers := s.checks.State().Assertions
	if len(signers) == 0 {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age="+maxAge)
	_, _ = w.Write(PublishedKeys(signers)) // a client that has gone needs no answer
}
