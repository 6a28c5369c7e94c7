package extauthz_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/reason"
)

// TestExplainAnswersAsCheckDoes: for every reason, in both forms of headers,
// byte for byte; and the last step is the one that the reason belongs to.
// Passthrough has two: the decision itself, or the check of what it removes.
func TestExplainAnswersAsCheckDoes(t *testing.T) {
	for _, row := range wireRows() {
		t.Run(row.reason.String()+"/"+row.intent, func(t *testing.T) {
			d := startService(t, useTempFolder(t, row.change)...)
			if row.reason == reason.KeysUnavailable {
				d.state.Issuers[issuerURL].Keys.Close()
			}
			question := row.ask(d)
			for form, request := range map[string]*authv3.CheckRequest{"headers": question.joined(), "header_map": question.apart()} {
				told := d.server.Explain(t.Context(), request, time.Now)
				want := d.server.Check(t.Context(), request)
				if got := wireBytes(t, told.Answer); !slices.Equal(got, wireBytes(t, want)) {
					t.Errorf("%s: Explain answers\n%v\nCheck\n%v", form, told.Answer, want)
				}
				if told.Reason != row.reason {
					t.Errorf("%s: told %s", form, told.Reason)
				}
				if got := told.Ended; got != stepOf(row.reason) && row.reason != reason.Passthrough {
					t.Errorf("%s: %s in the step %q of %v", form, row.reason, got, told.Steps)
				}
			}
			if strings.Count(d.log.String(), `"msg":"denied"`) > 2 { // of two Checks
				t.Errorf("Explain is logged: %s", d.log)
			}
		})
	}
}

func wireBytes(t *testing.T, response *authv3.CheckResponse) []byte {
	t.Helper()
	out, err := proto.MarshalOptions{Deterministic: true}.Marshal(response)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func stepOf(r reason.Reason) string {
	switch r {
	case reason.Metadata, reason.Misconfigured, reason.NoResource:
		return "find"
	case reason.OriginNotAllowed, reason.Preflight:
		return "origin"
	case reason.InvalidRequest, reason.NoCredentials:
		return "credential"
	case reason.TokenRevoked, reason.DPoPProofInvalid, reason.DPoPNonceRequired, reason.BindingUnproven:
		return "possession"
	case reason.AudienceMismatch, reason.PolicyError, reason.PolicyDenied, reason.InsufficientScope,
		reason.InsufficientUserAuthentication, reason.OperationMalformed, reason.OperationUnknown:
		return "decide"
	case reason.Allowed, reason.AllowedAnonymous:
		return "strip"
	default:
		return "verify"
	}
}

// TestStepsTakeTime: each is timed from its beginning to that of the next.
func TestStepsTakeTime(t *testing.T) {
	d := startService(t)
	clock := testTime
	told := d.server.Explain(t.Context(), bearer(d.token()).joined(), func() time.Time {
		clock = clock.Add(time.Millisecond)
		return clock
	})
	want := []string{"read", "find", "origin", "credential", "verify", "possession", "decide", "strip", "answer"}
	var names []string
	for _, step := range told.Steps {
		names = append(names, step.Name)
		if step.Took != time.Millisecond {
			t.Errorf("%s took %v", step.Name, step.Took)
		}
	}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

// TestExplainOfWhatCannotBeAnswered is a refusal too: no request, no
// configuration, a fault of ours.
func TestExplainOfWhatCannotBeAnswered(t *testing.T) {
	d := startService(t)
	good := bearer(d.token()).joined()
	for intent, ask := range map[string]func() extauthz.Explanation{
		"no request": func() extauthz.Explanation {
			return d.server.Explain(context.Background(), &authv3.CheckRequest{}, time.Now)
		},
		"a panic": func() extauthz.Explanation {
			d.breakVerifier(t)
			return d.server.Explain(context.Background(), good, time.Now)
		},
	} {
		told := ask()
		got := readResponse(t, told.Answer)
		if told.Reason != reason.Internal || told.Cause == "" || got.status != 503 || told.Ended == "" {
			t.Errorf("%s: %+v", intent, told)
		}
	}
	fresh := newServer(t, extauthz.Options{})
	if told := fresh.Explain(t.Context(), good, time.Now); told.Reason != reason.Internal || told.Answer.GetDeniedResponse() == nil {
		t.Errorf("no configuration: %+v", told)
	}
}

// TestGroundsAreOfThisDecision: there are no traces of a policy that decides
// otherwise the second time.
func TestGroundsAreOfThisDecision(t *testing.T) {
	d := startService(t, useTempFolder(t, team(`deny contains {"code": sprintf("n%d", [n]), "message": ""} if {
	n := rand.intn("x", 1000000000)
}`))...)
	told := d.server.Explain(t.Context(), bearer(d.token()).joined(), time.Now)
	if told.Reason != reason.PolicyDenied || told.RuleTraces != nil {
		t.Errorf("%s for %v", told.Reason, told.RuleTraces)
	}
	steady := startService(t, useTempFolder(t, team(`deny contains {"code": "closed", "message": "shut"}`))...)
	if told := steady.server.Explain(t.Context(), bearer(steady.token()).joined(), time.Now); len(told.RuleTraces) != 2 || told.RuleTraces[1].Line != 3 {
		t.Errorf("grounds %v", told.RuleTraces)
	}
}
