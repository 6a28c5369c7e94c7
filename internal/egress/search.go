package egress

import (
	"context"
	"strings"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/tokensearch"
)

// examine refuses a candidate that is a token of a resource, unless it goes to exactly the one
// resource that it is for.
func (c *check) examine(ctx context.Context, candidate tokensearch.Candidate, err error) *verdict {
	if err != nil {
		v := c.refuse(reason.Passthrough, "the request was not searched to its end: "+err.Error())
		v.isUnread = true
		return v
	}
	if c.state.isAssertion(candidate) {
		return c.found(candidate, "it is an assertion, which is for its server alone")
	}
	bound, err := c.inbound.BoundTo(ctx, candidate.Claims)
	switch {
	case err != nil:
		v := c.refuse(reason.PolicyError, "it is not known for which resource a token is: "+err.Error())
		v.place = candidate.Place
		return v
	case len(bound.Resources) == 0:
		c.remember(c.state, candidate)
		return nil
	case c.isItsOwnResource(bound):
		return nil
	}
	v := c.found(candidate, "")
	for _, res := range bound.Resources {
		v.tokenFor = append(v.tokenFor, res.Name)
	}
	return v
}

// isItsOwnResource reports a token that goes to the resource it is for and names nothing
// else.
func (c *check) isItsOwnResource(bound extauthz.Bound) bool {
	if !bound.Only || len(bound.Resources) != 1 || c.to == nil {
		return false
	}
	there := c.inbound.State().Resources.Find(c.host, c.req.path)
	return there != nil && there.Name == bound.Resources[0].Name && there.URI == bound.Resources[0].URI
}

// found is the refusal for a token in the request.
func (c *check) found(candidate tokensearch.Candidate, cause string) *verdict {
	v := c.refuse(reason.Passthrough, cause)
	v.place = candidate.Place
	return v
}

// unread refuses what cannot be searched: a body that Envoy does not show as it is, and a
// parameter that Envoy cannot remove.
func (c *check) unread() *verdict {
	allowed := c.state.AllowUnreadBody || c.to != nil && c.to.UnreadBody
	message := tokensearch.Message{Method: c.req.method, Headers: c.req.headers.Values, Body: c.req.body}
	if why := tokensearch.Unread(message); why != "" && !allowed {
		v := c.refuse(reason.Passthrough, why)
		v.place, v.isUnread = "body", true
		return v
	}
	if c.removesCredentials() && c.req.hidesToken() {
		v := c.refuse(reason.Passthrough, "an access_token behind a semicolon of the query cannot be removed")
		v.place = "query"
		return v
	}
	return nil
}

// values are the members of a set of names as one text.
func values(names []string) string { return strings.Join(names, " ") }

// IsOurs reports whether a text is a token of a resource, or may be one. It is the IsOurs of
// an [exchange.Environment].
func (s *Server) IsOurs(compact string) bool {
	state := s.state.Load()
	if state == nil {
		return true
	}
	part := func(yield func(tokensearch.Part) bool) { yield(tokensearch.Part{Value: compact}) }
	for candidate, err := range tokensearch.FindOthers(part, s.foreignIn(state)) {
		if err != nil || state.isAssertion(candidate) {
			return true
		}
		bound, err := s.inbound.BoundTo(context.Background(), candidate.Claims)
		if err != nil || len(bound.Resources) > 0 {
			return true
		}
		s.remember(state, candidate)
	}
	return false
}
