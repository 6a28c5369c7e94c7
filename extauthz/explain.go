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
	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/policy"
)

// The steps of a Check, in the order in which they are taken.
const (
	stepRead       = "read"       // the request is taken apart
	stepFind       = "find"       // which resource, or which metadata document, it is for
	stepOrigin     = "origin"     // the page it comes from
	stepCredential = "credential" // what it presents
	stepVerify     = "verify"     // who signed that, and its claims
	stepPossession = "possession" // revocation, and proof of possession
	stepDecide     = "decide"     // the policy
	stepStrip      = "strip"      // whether an allow takes the credential off
	stepAnswer     = "answer"     // the response is written
)

// Step is one step that a Check took.
type Step struct {
	// Name is "read", "find", "origin", "credential", "verify", "possession"
	// (revocation and possession), "decide", "strip" or "answer".
	Name string
	Took time.Duration
}

// Explanation is one Check with its steps, as [Server.Explain] takes them. Every
// member but Steps, Ended, Reason and Answer is zero where the Check ended before
// it was known.
type Explanation struct {
	Steps  []Step // those that were taken
	Ended  string // the step that gave the reason
	Reason reason.Reason
	Cause  string // more about the reason, without a byte of the token
	Facts  []Fact // what a refusal was about
	Advice string // what to do about it; "" for an allow

	Resource   *resource.Resource
	Document   string        // name of the resource of a metadata document
	Issuer     string        // a configured issuer
	Claims     *token.Claims // verified
	BoundBy    string        // how the token shows that it is for the resource: "aud", "client", "dedicated"; or ""
	Binding    string        // as [token.PossessionVerifier.Verify] returns it
	Decision   policy.Decision
	Granted    []string // scopes of the token, by the names of the resource, and those that they include
	Missing    []string // scopes that the challenge names and the token lacks
	RuleTraces []policy.Trace

	Answer *authv3.CheckResponse // what Envoy would get
}

// Explain answers as [Server.Check] does, by the same code, and explains the
// answer. now times the steps. Nothing is logged, and doorward_checks_total does
// not count it.
//
// The policy is evaluated a second time for RuleTraces. They are empty where the
// second decision is another one, as of a rule that uses rand.intn.
func (s *Server) Explain(
	ctx context.Context, check *authv3.CheckRequest, now func() time.Time,
) (explained Explanation) {
	taken := &steps{now: now}
	var answer []byte
	defer func() {
		if fault := recover(); fault != nil {
			cause := fmt.Sprintf("a Check panicked: please report this (%T)", fault)
			explained = Explanation{
				Steps: taken.all, Ended: taken.last(),
				Reason: reason.Internal, Cause: cause, Advice: reason.Internal.Advice(),
			}
			answer = bareRefusal()
		}
		explained.Answer = new(authv3.CheckResponse)
		if proto.Unmarshal(answer, explained.Answer) != nil {
			explained.Answer = nil // cannot be: the bytes are ours
		}
	}()
	taken.enter(stepRead)
	state := s.state.Load()
	req, v := s.decodeAndCheck(ctx, state, incoming{attributes: checkwire.Describe(check), steps: taken}, time.Now())
	explained.Ended = taken.last()
	taken.enter(stepAnswer)
	answer = v.answer(req)
	taken.leave()
	explained.fill(v, taken.all)
	account := newDenialAdvice(state, req, v)
	explained.Facts, explained.Advice = account.facts, account.advice
	if v.decision.Outcome != policy.Failed {
		explained.RuleTraces = state.ruleTraces(ctx, req, v)
	}
	return explained
}

func (explained *Explanation) fill(v *verdict, steps []Step) {
	explained.Steps = steps
	explained.Reason, explained.Cause = v.reason, v.cause
	explained.Resource, explained.Document, explained.Issuer = v.resource, v.document.Name, v.issuer
	explained.Claims, explained.Binding, explained.Decision = v.claims, v.binding, v.decision
	if v.isBound() {
		explained.BoundBy, explained.Granted, explained.Missing = v.boundBy, v.grantedScopes(), v.missingScopes()
	}
}

// ruleTraces evaluates the policy once more, and traces it.
func (state *State) ruleTraces(ctx context.Context, req *request, v *verdict) []policy.Trace {
	ctx, cancel := context.WithDeadline(ctx, state.deadline(ctx, time.Now()))
	defer cancel()
	evaluator := state.Policy.For(v.resource.Name)
	again, traces, err := evaluator.Explain(ctx, state.policyInput(req, v, req.operation.members()[0]))
	if err != nil || again.Outcome != v.decision.Outcome || again.Rule != v.decision.Rule ||
		again.Code != v.decision.Code {
		return nil
	}
	return traces
}

// steps times the steps of one Check. Nil, as in every Check that is not
// explained, it does nothing.
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
