package extauthz

import (
	"context"
	"fmt"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/policy"
)

// The steps of a Check, in the order in which they are taken.
const (
	stepRead       = "read"       // the request is taken apart
	stepFind       = "find"       // which resource, or which metadata document, it is for
	stepOrigin     = "origin"     // the page it comes from
	stepCredential = "credential" // what it presents
	stepVerify     = "verify"     // who signed that, and what it says
	stepPossession = "stands"     // revocation, and proof of possession
	stepDecide     = "decide"     // the policy
	stepStrip      = "strip"      // whether an allow takes the credential off
	stepAnswer     = "answer"     // the response is written
)

// Step is one step that a Check took.
type Step struct {
	// Name is "read", "find", "origin", "credential", "verify", "stands"
	// (revocation and possession), "decide", "strip" or "answer".
	Name string
	Took time.Duration
}

// Explanation is one Check with its steps, as [Server.Explain] takes them. Every member but Steps, Ended,
// Reason and Answer is zero where the Check ended before it was known.
type Explanation struct {
	Steps  []Step // those that were taken
	Ended  string // the step that gave the reason
	Reason reason.Reason
	Cause  string // more about the reason: our own words, nothing from the token
	Facts  []Fact // what a refusal was about
	Advice string // what to do about it; "" for an allow

	Resource   *resource.Resource
	Document   string        // name of the resource of a metadata document
	Issuer     string        // a configured issuer
	Claims     *token.Claims // verified
	Binding    string        // as [token.PossessionVerifier.Verify] returns it
	PolicyRan  bool          // whether the policy was
	Decision   policy.Decision
	RuleTraces []policy.Trace

	Answer *authv3.CheckResponse // what Envoy would get
}

// Explain answers as [Server.Check] does, down the same lines, and tells how.
// now times the steps. It is for a person who asks: nothing is logged, and
// doorward_checks_total does not count it.
//
// The policy is evaluated a second time for its grounds. There are none where
// it decides otherwise then, as one that throws dice may.
func (s *Server) Explain(ctx context.Context, check *authv3.CheckRequest, now func() time.Time) (told Explanation) {
	taken := &steps{now: now}
	var answer []byte
	defer func() {
		if fault := recover(); fault != nil {
			cause := fmt.Sprintf("a Check panicked: please report this (%T)", fault)
			told = Explanation{Steps: taken.all, Ended: taken.last(), Reason: reason.Internal, Cause: cause, Advice: reason.Internal.Advice()}
			answer = bareRefusal()
		}
		told.Answer = new(authv3.CheckResponse)
		if proto.Unmarshal(answer, told.Answer) != nil {
			told.Answer = nil // cannot be: the bytes are ours
		}
	}()
	taken.enter(stepRead)
	state := s.state.Load()
	req, v := s.decodeAndCheck(ctx, state, incoming{attributes: describe(check), steps: taken}, time.Now())
	told.Ended = taken.last()
	taken.enter(stepAnswer)
	answer = v.answer(req)
	taken.leave()
	told.fill(v, taken.all)
	account := newDenialAdvice(state, req, v)
	told.Facts, told.Advice = account.facts, account.advice
	if v.decision.Outcome != policy.Failed {
		told.RuleTraces = state.ruleTraces(ctx, req, v)
	}
	return told
}

func (told *Explanation) fill(v *verdict, steps []Step) {
	told.Steps = steps
	told.Reason, told.Cause = v.reason, v.cause
	told.Resource, told.Document, told.Issuer = v.resource, v.document.Name, v.issuer
	told.Claims, told.Binding, told.Decision = v.claims, v.binding, v.decision
}

// grounds asks the policy once more, with a witness.
func (state *State) ruleTraces(ctx context.Context, req *request, v *verdict) []policy.Trace {
	ctx, cancel := context.WithDeadline(ctx, state.deadline(ctx, time.Now()))
	defer cancel()
	judge := state.Policy.For(v.resource.Name)
	again, grounds, err := judge.Explain(ctx, policyInput(req, v))
	if err != nil || again.Outcome != v.decision.Outcome || again.Rule != v.decision.Rule || again.Code != v.decision.Code {
		return nil
	}
	return grounds
}

// steps times the steps of one Check. Nil, as in every Check that nobody
// watches, it does nothing.
type steps struct {
	now   func() time.Time
	began time.Time
	all   []Step // Took of the last is zero until it is left
}

// enter leaves the step before and begins this one. It is so short that the
// compiler puts it into the line: what is left of it there is the comparison.
func (s *steps) enter(name string) {
	if s != nil {
		s.begin(name)
	}
}

func (s *steps) begin(name string) {
	s.leave()
	s.all = append(s.all, Step{Name: name})
	s.began = s.now()
}

func (s *steps) leave() {
	if last := len(s.all) - 1; last >= 0 {
		s.all[last].Took = s.now().Sub(s.began)
	}
}

func (s *steps) last() string { return s.all[len(s.all)-1].Name }
