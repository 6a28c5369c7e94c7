package egress_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/egress"
)

// TestExplainAnswersAsCheckDoes: the answer of an explained Check is that of the Check, but
// for what an authorization server alone knows. It logs and counts nothing, and asks none.
func TestExplainAnswersAsCheckDoes(t *testing.T) {
	now := func() time.Time { return testTime }
	ends := map[string]string{
		"a token of ours": "search", "no destination": "search", "keep": "obtain", "exchange": "obtain",
		"a rule says no": "decide", "no handle": "handle", "another source.principal": "caller",
		"the route names no destination": "destination",
	}
	for _, r := range rows() {
		w := start(t, changesOf(r)...)
		s := r.ask(t, w)
		if s.at == "" {
			s.at = socket
		}
		explained := w.checks.At(s.at).Explain(t.Context(), s.joined(), now)
		if written := w.log.String() + w.metrics(t); written != "" {
			t.Errorf("%s: an explained Check leaves %s", r.intent, written)
		}
		if _, _, asked := w.endpoint.last(); asked > 0 {
			t.Errorf("%s: an explained Check asks an authorization server", r.intent)
		}
		if want := ends[r.intent]; want != "" && explained.Ended != want {
			t.Errorf("%s: ended in %s, want %s", r.intent, explained.Ended, want)
		}
		if last := explained.Steps[len(explained.Steps)-1].Name; explained.Cause == "" && last != egress.StepAnswer {
			t.Errorf("%s: the last step is %s", r.intent, last)
		}
		if r.intent == "the server refuses" || r.intent == "the server is down" {
			if explained.Reason != reason.Allowed || explained.Entry == nil {
				t.Errorf("%s: %+v", r.intent, explained)
			}
			continue
		}
		wire, err := proto.Marshal(s.joined())
		if err != nil {
			t.Fatal(err)
		}
		real := new(authv3.CheckResponse)
		if err := proto.Unmarshal(w.checks.At(s.at).Answer(t.Context(), wire), real); err != nil {
			t.Fatal(err)
		}
		for _, option := range real.GetOkResponse().GetHeaders() {
			if h := option.GetHeader(); h.GetKey() == "authorization" {
				h.Value = "Bearer " + egress.NotObtained
			}
		}
		if explained.Reason != r.reason || !proto.Equal(real, explained.Answer) {
			t.Errorf("%s: explained as %s:\n%s\nanswered:\n%s", r.intent, explained.Reason,
				protojson.Format(explained.Answer), protojson.Format(real))
		}
	}
}

// TestExplainedStepsAreInOrder: each step comes once, in the order of a Check.
func TestExplainedStepsAreInOrder(t *testing.T) {
	w := start(t)
	s := to("api.example.com", "x-mcp-auth-handle", w.handle(t, w.token()))
	explained := w.checks.At(socket).Explain(t.Context(), s.joined(), func() time.Time { return testTime })
	var names []string
	for _, step := range explained.Steps {
		names = append(names, step.Name)
	}
	want := []string{"read", "caller", "destination", "search", "handle", "decide", "obtain", "answer"}
	if !slices.Equal(names, want) {
		t.Errorf("the steps are %s", strings.Join(names, ", "))
	}
	if explained.Entry == nil || explained.Entry.TokenEndpoint != issuerURL+"/token" || explained.Claims == nil {
		t.Errorf("what would be asked: %+v", explained)
	}
}
