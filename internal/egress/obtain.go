package egress

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/assertion"
	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/destination"
	"github.com/doorward/doorward/internal/exchange"
	"github.com/doorward/doorward/internal/tracing"
)

// The header, and the member of baggage, that holds a handle.
const (
	handleHeader  = checkwire.Reserved + "handle"
	baggageHeader = "baggage"
)

// user is whose token the handle of a request holds, verified now.
type user struct {
	compact string
	digest  [sha256.Size]byte // of it
	claims  *token.Claims
}

// openHandle opens the handle of a request to a destination that exchanges, and verifies
// the token in it as that of an inbound request, but for possession. The user is nil for
// other destinations.
func (c *check) openHandle(ctx context.Context) (*user, *verdict) {
	if c.to.Token != destination.Exchange {
		return nil, nil
	}
	handles := c.req.handles(c.state.HandleBaggage)
	switch {
	case len(handles) == 0:
		return nil, c.refuse(reason.ExchangeRefused, "the request has no handle")
	case len(handles) > 1:
		return nil, c.refuse(reason.ExchangeRefused, "the request has more than one handle")
	}
	content, err := c.state.Handles.Open(handles[0], c.caller.Resource.Name, c.state.now())
	if err != nil {
		return nil, c.refuse(reason.ExchangeRefused, err.Error())
	}
	claims, refused := c.caller.Verify(ctx, content.URL, content.Token)
	if refused != nil {
		why := reason.ExchangeRefused
		if refused.Reason == reason.KeysUnavailable || refused.Reason == reason.Overloaded {
			why = reason.ExchangeUnavailable
		}
		cause := "the token in the handle: " + refused.Reason.String()
		if refused.Detail != "" {
			cause += ": " + refused.Detail
		}
		v := c.refuse(why, cause)
		v.issuer = refused.Issuer
		return nil, v
	}
	return &user{content.Token, content.Digest, claims}, nil
}

// handles are those of the request.
func (r *request) handles(inBaggage bool) []string {
	all := r.headers.Values(handleHeader)
	if !inBaggage {
		return all
	}
	for _, line := range r.headers.Values(baggageHeader) {
		for member := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(member, "=")
			if strings.TrimSpace(name) == handleHeader {
				value, _, _ = strings.Cut(value, ";")
				all = append(all, strings.TrimSpace(value))
			}
		}
	}
	return all
}

// decide evaluates the policy: with the claims of the user where the handle was good,
// and without them otherwise.
func (c *check) decide(ctx context.Context, who *user) *verdict {
	decision, why, err := c.caller.Decide(ctx, c.req, c.policyDestination())
	v := c.refuse(why, "")
	v.decision = decision
	if who != nil {
		v.user(who)
	}
	switch {
	case err != nil:
		v.cause = err.Error()
	case why == reason.AudienceMismatch:
		v.reason, v.cause = reason.ExchangeRefused, "the token in the handle is no longer one for the resource"
	case why == reason.Passthrough:
		v.reason, v.cause = reason.PolicyError, "the policy would leave the credential on the request"
	}
	return v
}

// obtain completes an allow with the token that the destination gets.
func (c *check) obtain(ctx context.Context, who *user, v *verdict) *verdict {
	var obtained exchange.Token
	var err error
	switch c.to.Token {
	case destination.None, destination.Keep:
		return v
	case destination.Exchange:
		if who == nil {
			return c.refuse(reason.Internal, "the user of the handle is not known")
		}
		if !c.to.BoundSubject && who.claims.All["cnf"] != nil {
			return v.refused(reason.ExchangeRefused, "the token in the handle is bound to a key, and bound_subject is "+
				"not allow")
		}
		entry := c.to.ExchangeFor(who.claims.Issuer)
		if entry == nil {
			return v.refused(reason.ExchangeRefused, "no exchange is configured for the issuer of the token")
		}
		obtained, err = c.exchange(ctx, entry, who)
	case destination.ClientCredentials:
		obtained, err = c.clientCredentials(ctx, &c.to.ClientCredentials)
	default:
		return v.refused(reason.Internal, "the destination has an unknown kind of token")
	}
	if refused := (*exchange.Refused)(nil); errors.As(err, &refused) {
		return v.refused(reason.ExchangeRefused, err.Error())
	}
	if err == nil && obtained.Access == "" {
		err = errors.New("the answer has no token")
	}
	if err != nil {
		return v.refused(reason.ExchangeUnavailable, err.Error())
	}
	v.access = obtained.Access
	return v
}

var (
	errNoSource = errors.New("the source of the token does not run")
	errNoSigner = errors.New("the resource has no assertion")
)

func (c *check) clientCredentials(ctx context.Context, entry *exchange.Entry) (exchange.Token, error) {
	if c.steps != nil {
		return c.steps.wouldAsk(entry), nil
	}
	source := c.state.Sources[entry]
	if source == nil {
		return exchange.Token{}, errNoSource
	}
	start := time.Now()
	obtained, err := source.ClientCredentials(ctx, c.caller.Resource.Name)
	tracing.Record(ctx, tracing.Exchange, start, err != nil)
	return obtained, err
}

func (c *check) exchange(ctx context.Context, entry *exchange.Entry, who *user) (exchange.Token, error) {
	if c.steps != nil {
		return c.steps.wouldAsk(entry), nil
	}
	source := c.state.Sources[entry]
	if source == nil {
		return exchange.Token{}, errNoSource
	}
	start := time.Now()
	obtained, err := source.Exchange(ctx, exchange.Subject{
		Token: who.compact, Resource: c.caller.Resource.Name, Issuer: who.claims.Issuer,
		Expiry: who.claims.Expiry, MayAct: who.claims.All["may_act"],
		Assertion: func(audience string) (string, error) { return c.sign(who.claims, audience) },
	})
	tracing.Record(ctx, tracing.Exchange, start, err != nil)
	return obtained, err
}

// sign makes the assertion about a user for another authorization server.
func (c *check) sign(claims *token.Claims, audience string) (string, error) {
	signer := c.state.Assertions[c.caller.Resource.Name]
	if signer == nil {
		return "", errNoSigner
	}
	actor, _ := claims.All["act"].(map[string]any)
	signed, _, err := signer.Sign(assertion.Claims{
		Issuer: claims.Issuer, Subject: claims.Subject, Client: claims.Client,
		Scopes: c.caller.Resource.HeldScopes(claims.Scopes), Actor: actor, Expiry: claims.Expiry,
	}, audience, c.state.now())
	return signed, err
}
