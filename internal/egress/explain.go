package egress

import (
	"context"
	"fmt"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/destination"
	"github.com/doorward/doorward/internal/exchange"
	"github.com/doorward/doorward/internal/policy"
)

// The steps of a Check, in the order in which they are taken.
const (
	StepRead        = "read"        // the request is taken apart
	StepCaller      = "caller"      // whose server calls
	StepDestination = "destination" // where the request goes
	StepSearch      = "search"      // whether it holds a token of a resource
	StepHandle      = "handle"      // whose token the destination gets one for
	StepDecide      = "decide"      // the policy
	StepObtain      = "obtain"      // the token for the destination
	StepAnswer      = "answer"      // the response is written
)

// NotObtained is in an explained answer where a token of an authorization server would be.
const NotObtained = "TOKEN-OF-THE-AUTHORIZATION-SERVER"

// Step is one step that a Check took.
type Step struct {
	Name string
	Took time.Duration
}

// Explanation is one Check with its steps. A member is zero where the Check ended before
// it was known.
type Explanation struct {
	Steps    []Step // those that were taken
	Ended    string // the step that gave the reason
	Reason   reason.Reason
	Observed bool   // what is refused passes
	Cause    string // more about the reason, without a byte of a token
	Advice   string // what to do about it; "" for an allow

	Resource    string // name of the caller's
	Destination *destination.Destination
	Place       string   // where a token is in the request
	TokenFor    []string // names of the resources that it is for
	Claims      *token.Claims
	Decision    policy.Decision
	Entry       *exchange.Entry // by which a token would be obtained; nil: none would be

	Answer *authv3.CheckResponse // what Envoy would get
}

// Explain answers as a Check at the listener does, by the same code, and explains the
// answer. It asks no authorization server: the answer has [NotObtained] in the place of
// a token. The certificate of the Envoy that asks is not looked at. now is the time of the
// Check, and times the steps. Nothing is logged or counted.
func (l *Listener) Explain(
	ctx context.Context, asked *authv3.CheckRequest, now func() time.Time,
) (explained Explanation) {
	taken := &steps{now: now}
	req, v := &request{}, &verdict{}
	defer func() {
		if fault := recover(); fault != nil {
			v = refuse(reason.Internal, fmt.Sprintf("a Check panicked: please report this (%T)", fault))
			explained = v.explanation(taken)
			req = &request{}
		}
		explained.Answer = new(authv3.CheckResponse)
		if proto.Unmarshal(v.answer(req), explained.Answer) != nil {
			explained.Answer = nil // cannot be: the bytes are ours
		}
	}()
	taken.enter(StepRead)
	state := *l.server.state.Load()
	state.Now = now
	req, v = l.check(ctx, &state, checkwire.Describe(asked), time.Now(), taken)
	explained = v.explanation(taken)
	taken.enter(StepAnswer)
	_ = v.answer(req)
	taken.leave()
	explained.Steps = taken.all
	return explained
}

func (v *verdict) explanation(taken *steps) Explanation {
	explained := Explanation{
		Steps: taken.all, Ended: taken.last(), Reason: v.reason, Observed: v.observed, Cause: v.cause,
		Resource: v.resource, Destination: v.to, Place: v.place, TokenFor: v.tokenFor, Claims: v.claims,
		Decision: v.decision, Entry: taken.entry,
	}
	if v.reason != reason.Allowed {
		explained.Advice = v.advice()
	}
	return explained
}

// steps times the steps of one Check. Nil, as in every Check that is not explained, it does
// nothing.
type steps struct {
	now   func() time.Time
	began time.Time
	all   []Step // Took of the last is zero until it is left
	ended string // the step that refused; "": the last one
	entry *exchange.Entry
}

// enter leaves the step before and begins this one.
func (s *steps) enter(name string) {
	if s != nil {
		s.leave()
		s.all, s.began = append(s.all, Step{Name: name}), s.now()
	}
}

func (s *steps) leave() {
	if last := len(s.all) - 1; last >= 0 {
		s.all[last].Took = s.now().Sub(s.began)
	}
}

func (s *steps) last() string {
	if s.ended != "" {
		return s.ended
	}
	return s.all[len(s.all)-1].Name
}

// endIn notes that an earlier step than the last one gave the reason.
func (s *steps) endIn(name string) {
	if s != nil {
		s.ended = name
	}
}

// wouldAsk is what is obtained in an explained Check.
func (s *steps) wouldAsk(entry *exchange.Entry) exchange.Token {
	s.entry = entry
	return exchange.Token{Access: NotObtained}
}
