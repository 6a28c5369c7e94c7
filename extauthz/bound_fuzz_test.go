package extauthz

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

// FuzzBoundTo: what comes in is bound to its resource, and so is what the policy calls
// ours at some resource, asked about each of them; nothing else is.
func FuzzBoundTo(f *testing.F) {
	engine, problems := policy.Compile(context.Background(), policy.Sources{Library: rego.Files, Egress: true})
	if engine == nil {
		f.Fatal(problems)
	}
	for _, flags := range []uint16{0, 0x1f, 0x15, 0x0b, 0x3f, 0xff, 0x133, 0xb2, 0x4a} {
		f.Add(flags, []byte{}, []byte{4})
		f.Add(flags, []byte{4, 6}, []byte{4, 4})
		f.Add(flags, []byte{7}, []byte{})
		f.Add(flags, []byte{9, 5}, []byte{5, 0, 4})
		f.Add(flags, []byte{2, 4}, []byte{4})
		f.Add(flags, []byte{3}, []byte{})
	}
	f.Fuzz(func(t *testing.T, flags uint16, auds, clients []byte) {
		if len(auds) > 5 || len(clients) > 4 {
			return
		}
		state, claims, w, aud, claimed := boundCase(t, flags, auds, clients)
		if flags>>9&1 == 0 {
			claims.All["iss"] = byUs
		}
		state.Policy = engine
		s := new(Server)
		s.state.Store(&numberedState{State: state, number: 1, binds: sync.OnceValue(state.bindings)})
		bound, err := s.BoundTo(t.Context(), claims.All)
		if err != nil {
			t.Fatal(err)
		}
		c := newCandidate(claims.All)
		for _, res := range state.Resources.All() {
			issuer := state.Issuers[byUs]
			asked, err := engine.Ours(t.Context(), policy.Input{
				Resource: policy.Resource{URI: res.URI, Audiences: res.Audiences, Aliases: res.Aliases, Clients: res.Clients},
				Claims:   claims.All,
				Token: policy.Token{
					Trusted: state.findIssuer(res, c.iss, c.trustDomain) != nil, Dedicated: issuer.Dedicated,
					GenericAudiences: issuer.GenericAudiences, ClientIDPattern: issuer.ClientIDPattern,
				},
			})
			found := slices.ContainsFunc(bound.Resources, func(r *resource.Resource) bool { return r.Name == res.Name })
			if err != nil || asked != found {
				t.Errorf("%+v, iss %q, aud %q, clients %q at %s: found %v, the policy says %v, %v", w, c.iss, aud, claimed, res.Name, found, asked, err)
			}
			if comesIn := res.Name == "a" && c.iss == byUs && w.wayOf(respelled(aud), claimed) != ""; comesIn && !found {
				t.Errorf("%+v, aud %q, clients %q: comes in and may leave", w, aud, claimed)
			}
		}
	})
}
