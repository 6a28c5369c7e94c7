package extauthz

import (
	"errors"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/assertion"
	"github.com/doorward/doorward/internal/handle"
	"github.com/doorward/doorward/internal/policy"
)

// issued is what the server gets in the place of a token: a handle, which it sends with
// its own requests and which is exchanged on its way out, and an assertion of who sent
// the token. The zero issued is nothing.
type issued struct {
	to        recipient
	handle    string
	tooLarge  bool // there is no handle because it would be too large
	assertion string
	until     time.Time // from then on new ones are made; zero where nothing is issued
}

// recipient is the resource under one State: with a reload, new keys are in force.
type recipient struct {
	state uint64
	asked string // for a pattern, the URL that the request fills in
}

// sealer returns what seals handles for a resource, or nil.
func (state *State) sealer(resource string) *handle.Sealer {
	if state.HandleResources[resource] {
		return state.Handles
	}
	return nil
}

// issues reports whether the server of some resource gets a handle or an assertion.
func (state *State) issues() bool { return state.Handles != nil || len(state.Assertions) > 0 }

// room is how many bytes more a verdict over a token may take where it holds a handle
// and an assertion. It is an estimate: a verdict that is larger is not cached.
func (state *numberedState) room(claims *token.Claims) int {
	const sealed, signed = 512, 2 << 10 // of each, what does not come from the token
	room := 0
	if state.Handles != nil {
		room += sealed + claims.Size*3/2
	}
	if len(state.Assertions) > 0 {
		room += signed + claims.Size
	}
	return room
}

// issue writes into an allow what its server gets. Where it cannot be made, the
// verdict is a refusal: the server would take its absence for a request without a user.
func (s *Server) issue(state *numberedState, req *request, v *verdict, known *cachedToken) {
	sealer, signer := state.sealer(v.resource.Name), state.Assertions[v.resource.Name]
	if sealer == nil && signer == nil {
		return
	}
	known.issuing.Lock()
	defer known.issuing.Unlock()
	to, now := recipient{state.number, v.resource.Asked}, state.Verifier.Now()
	if known.issued.to != to || !now.Before(known.issued.until) {
		made, err := v.makeIssued(sealer, signer, req.compact, now)
		if err != nil {
			v.reason, v.cause, v.decision = reason.Internal, err.Error(), policy.Decision{}
			return
		}
		if made.to = to; made.tooLarge {
			s.log.tooLarge(req, v)
		}
		known.issued = made
	}
	v.issued = known.issued
}

// makeIssued makes what is wanted. It is used for half of the shorter lifetime, so that
// the server has the other half for its own requests. One that ends earlier, with its
// token, is not renewed earlier: the next would end with it too.
func (v *verdict) makeIssued(
	sealer *handle.Sealer, signer *assertion.Signer, compact string, now time.Time,
) (made issued, err error) {
	var lifetime time.Duration
	if sealer != nil {
		lifetime = sealer.Lifetime()
		made.handle, err = sealer.Seal(handle.Content{
			Resource: v.resource.Name, URL: v.resource.Asked,
			Issuer: v.claims.Issuer, Token: compact, Expiry: v.claims.Expiry,
		}, now)
		made.tooLarge = errors.Is(err, handle.ErrTooLarge)
		if err != nil && !made.tooLarge {
			return issued{}, err
		}
	}
	if signer != nil {
		if lifetime == 0 || signer.Lifetime() < lifetime {
			lifetime = signer.Lifetime()
		}
		if made.assertion, _, err = signer.Sign(v.assertionClaims(), "", now); err != nil {
			return issued{}, err
		}
	}
	made.until = now.Round(0).Add(lifetime / 2)
	return made, nil
}

// assertionClaims are the claims of the token that an assertion repeats.
func (v *verdict) assertionClaims() assertion.Claims {
	actor, _ := v.claims.All["act"].(map[string]any)
	return assertion.Claims{
		Issuer: v.claims.Issuer, Subject: v.claims.Subject, Client: v.claims.Client,
		Scopes: v.resource.HeldScopes(v.claims.Scopes), Actor: actor, Expiry: v.claims.Expiry,
	}
}
