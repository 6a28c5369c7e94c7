package extauthz

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/policy"
)

// Bound is what a token is for.
type Bound struct {
	Resources []*resource.Resource // of the configuration, perhaps not all; empty: a foreign token
	Only      bool                 // it is for Resources[0] and names nothing else
}

// The most that is looked at for one token. No token that comes in is for so many
// resources.
const (
	maxBound    = 8   // resources, also of those that a policy is asked about
	maxAudience = 256 // values of aud that a policy is asked about
)

// bindings are the resources by what binds a token to them beside aud, and by name.
type bindings struct {
	clients   map[string][]*resource.Resource // by client
	dedicated map[string][]*resource.Resource // by a dedicated issuer's ID
	templates []*resource.Resource            // with a dedicated issuer that is a template or has a trust domain
	names     map[string]*resource.Resource   // by name, patterns too
}

// bindings makes the index of a State.
func (state *State) bindings() bindings {
	all := bindings{
		clients: map[string][]*resource.Resource{}, dedicated: map[string][]*resource.Resource{},
		names: map[string]*resource.Resource{},
	}
	for _, res := range state.Resources.All() {
		all.names[res.Name] = res
		for _, client := range res.Clients {
			all.clients[client] = append(all.clients[client], res)
		}
		for _, id := range res.Issuers {
			issuer := state.Issuers[id]
			switch {
			case issuer == nil || !issuer.Dedicated:
			case issuer.Placeholder() != "" || issuer.TrustDomain != "":
				all.templates = append(all.templates, res)
			default:
				all.dedicated[id] = append(all.dedicated[id], res)
			}
		}
	}
	return all
}

// candidate is what the unverified claims of a token say of its issuer, audience and
// client. A value of another type says nothing.
type candidate struct {
	iss, trustDomain string
	audience         []string // each once
	clients          []string // each once
	isWhole          bool     // no value was left out
}

func newCandidate(claims map[string]any) candidate {
	c := candidate{isWhole: true}
	iss, hasIssuer := claims["iss"]
	c.iss, _ = iss.(string)
	if sub, isText := claims["sub"].(string); isText && !hasIssuer {
		rest, _ := strings.CutPrefix(sub, "spiffe://")
		c.trustDomain, _, _ = strings.Cut(rest, "/")
	}
	switch aud := claims["aud"].(type) {
	case nil:
	case string:
		c.audience = []string{aud}
	case []any:
		for _, value := range aud {
			c.add(value)
		}
	default:
		c.isWhole = false
	}
	slices.Sort(c.audience)
	c.audience = slices.Compact(c.audience)
	c.clients = clientsOf(&token.Claims{All: claims})
	return c
}

func (c *candidate) add(value any) {
	if text, isText := value.(string); isText {
		c.audience = append(c.audience, text)
	} else {
		c.isWhole = false
	}
}

// claims are those that a policy reads.
func (c *candidate) claims() map[string]any {
	all := map[string]any{}
	if len(c.audience) > 0 {
		list := make([]any, len(c.audience))
		for i, value := range c.audience {
			list[i] = value
		}
		all["aud"] = list
	}
	for i, name := range []string{"client_id", "azp", "cid", "appid"} {
		if i < len(c.clients) {
			all[name] = c.clients[i]
		}
	}
	return all
}

// BoundTo returns the resources that a token with these unverified claims is for.
// Signature and dates do not count, so that no token of a resource is missed. With an
// error it is not known: the token must be treated as one of a resource.
//
// A token is for a resource whose URI or alias is in aud, of any issuer. By another
// entry of audiences, by its client or by a dedicated issuer it is so only where its
// issuer is one that the resource trusts: anyone may use the same text for another
// purpose. Go finds the resources that this can concern. A token is foreign where Go and
// the policy (egress.rego), which is asked about the first of them, agree that it is.
func (s *Server) BoundTo(ctx context.Context, claims map[string]any) (Bound, error) {
	state := s.state.Load()
	if state == nil {
		return Bound{}, errors.New("extauthz: no configuration is in force yet")
	}
	search := boundSearch{state: state, candidate: newCandidate(claims)}
	search.byAudience()
	if err := search.byOther(ctx); err != nil {
		return Bound{}, err
	}
	search.bound.Only = search.isOnly()
	return search.bound, nil
}

// boundSearch looks for the resources that one candidate is for.
type boundSearch struct {
	state     *numberedState
	candidate candidate
	bound     Bound
	asked     []*resource.Resource // the first that were considered for another way than aud
}

func (s *boundSearch) isFull() bool { return len(s.bound.Resources) >= maxBound }

func (s *boundSearch) add(res *resource.Resource) {
	same := func(other *resource.Resource) bool { return other.Name == res.Name && other.URI == res.URI }
	if !s.isFull() && !slices.ContainsFunc(s.bound.Resources, same) {
		s.bound.Resources = append(s.bound.Resources, res)
	}
}

func (s *boundSearch) issuerAt(res *resource.Resource) *token.Issuer {
	return s.state.findIssuer(res, s.candidate.iss, s.candidate.trustDomain)
}

func (s *boundSearch) byAudience() {
	for _, audience := range s.candidate.audience {
		named, further := s.state.Resources.Owners(audience)
		for _, res := range named {
			s.add(res)
		}
		for _, res := range further {
			if s.isFull() {
				return
			}
			if s.issuerAt(res) != nil {
				s.add(res)
			}
		}
	}
}

// byOther looks at the resources that have a client of the token, and at those of a
// dedicated issuer.
func (s *boundSearch) byOther(ctx context.Context) error {
	index := s.state.binds()
	for _, names := range [][]string{s.candidate.clients, s.candidate.audience} {
		for _, name := range names {
			if err := s.considerAll(ctx, index.clients[name]); err != nil {
				return err
			}
		}
	}
	if err := s.considerAll(ctx, index.dedicated[s.candidate.iss]); err != nil {
		return err
	}
	return s.considerAll(ctx, index.templates)
}

func (s *boundSearch) considerAll(ctx context.Context, all []*resource.Resource) error {
	for _, res := range all {
		if s.isFull() {
			return nil
		}
		issuer := s.issuerAt(res)
		if issuer == nil || slices.Contains(s.asked, res) {
			continue
		}
		is, err := s.isBound(ctx, res, issuer)
		if err != nil {
			return err
		}
		if is {
			s.add(res)
		}
		if len(s.asked) < maxBound {
			s.asked = append(s.asked, res)
		}
	}
	return nil
}

// isBound reports whether the token is for a resource that trusts its issuer. The policy is
// asked about the first resources alone, and Go decides about more: many servers of one
// authorization server are no reason to take its tokens for others for ours. It is so too
// where aud has more values than that of any token that comes in.
func (s *boundSearch) isBound(ctx context.Context, res *resource.Resource, issuer *token.Issuer) (bool, error) {
	switch {
	case s.isByOther(res, issuer) || len(s.candidate.audience) > maxAudience:
		return true, nil
	case len(s.asked) >= maxBound:
		return false, nil
	}
	return s.state.Policy.Ours(ctx, policy.Input{
		Resource: policy.Resource{
			Name: res.Name, URI: res.URI, Audiences: res.Audiences, Aliases: res.Aliases, Clients: res.Clients,
		},
		Claims: s.candidate.claims(),
		Token: policy.Token{
			Trusted: true, Dedicated: issuer.Dedicated,
			GenericAudiences: issuer.GenericAudiences, ClientIDPattern: issuer.ClientIDPattern,
		},
	})
}

// isByOther is what Go finds: boundByOther for claims that are not verified, without
// the marks of an access token.
func (s *boundSearch) isByOther(res *resource.Resource, issuer *token.Issuer) bool {
	named := s.candidate.clients
	left := s.left(issuer)
	clients := slices.Compact(slices.Sorted(slices.Values(slices.Concat(named, left))))
	if len(clients) == 1 && slices.Contains(res.Clients, clients[0]) {
		return true
	}
	return issuer.Dedicated && areClients(issuer, named, left)
}

// left are the audiences without the values that name no resource.
func (s *boundSearch) left(issuer *token.Issuer) []string {
	return slices.DeleteFunc(slices.Clone(s.candidate.audience), func(aud string) bool {
		return slices.Contains(issuer.GenericAudiences, aud)
	})
}

// isOnly reports whether each value of aud names the one resource or its client, or
// nothing.
func (s *boundSearch) isOnly() bool {
	if len(s.bound.Resources) != 1 || !s.candidate.isWhole {
		return false
	}
	res := s.bound.Resources[0]
	left := s.candidate.audience
	issuer := s.issuerAt(res)
	if issuer != nil {
		left = s.left(issuer)
	}
	return !slices.ContainsFunc(left, func(audience string) bool {
		named, further := s.state.Resources.Owners(audience)
		owners := slices.Concat(named, further)
		if len(owners) > 0 {
			return slices.ContainsFunc(owners, func(owner *resource.Resource) bool { return owner.Name != res.Name })
		}
		isClient := slices.Contains(res.Clients, audience) || issuer != nil && issuer.Dedicated
		return issuer == nil || !isClient
	})
}
