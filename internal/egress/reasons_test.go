package egress_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/egress"
)

var record = flag.Bool("record", false, "write testdata/reasons.txt")

const reasonsFile = "testdata/reasons.txt"

// row is one request and the reason that it ends in.
type row struct {
	intent string
	change func(*plan)
	ask    func(t *testing.T, w *world) sent
	reason reason.Reason
	status int
}

// rows hold each reason that an egress Check can end in.
func rows() []row {
	plain := func(s sent) func(*testing.T, *world) sent { return func(*testing.T, *world) sent { return s } }
	withToken := func(name string) func(*testing.T, *world) sent {
		return func(_ *testing.T, w *world) sent { return to("keep.example.com", name, "Bearer "+w.token()) }
	}
	withHandle := func(host string, changes ...map[string]any) func(*testing.T, *world) sent {
		return func(t *testing.T, w *world) sent {
			return to(host, "authorization", "Bearer of-the-server", "x-mcp-auth-handle", w.handle(t, w.token(changes...)))
		}
	}
	rule := func(rule string) func(*plan) { return func(p *plan) { p.rule = rule } }
	closed := rule(`deny contains {"code": "closed", "message": "shut"} if input.direction == "egress"`)
	broken := rule(`deny contains d if { d := {"code": "x", "message": json.unmarshal(input.request.method)} }`)
	observe := func(p *plan) {
		p.rule = `deny contains {"code": "closed", "message": "shut"} if input.request.method == "DELETE"`
		p.state = func(s *egress.State) { s.Observe = true }
	}
	return []row{
		{"before a configuration is in force", func(p *plan) { p.unconfigured = true }, plain(to("keep.example.com")), reason.Internal, 503},
		{"a panic", func(p *plan) {
			p.state = func(s *egress.State) { s.Destinations = nil }
		}, plain(to("keep.example.com")), reason.Internal, 503},
		{"a listener that is no longer configured", func(p *plan) {
			p.state = func(s *egress.State) { s.Listeners = map[string]egress.Callers{} }
		}, plain(to("keep.example.com")), reason.Misconfigured, 503},
		{"no source.principal", nil, plain(sent{at: shared, authority: "keep.example.com", path: "/"}), reason.Misconfigured, 503},
		{"another source.principal", nil, plain(sent{at: shared, principal: "spiffe://td/eve", authority: "keep.example.com", path: "/"}), reason.Misconfigured, 503},
		{"a resource that is not configured", nil, plain(sent{at: shared, principal: "spiffe://td/gone", authority: "keep.example.com", path: "/"}), reason.Misconfigured, 503},
		{"a known source.principal", nil, plain(sent{at: shared, principal: theServer, authority: "keep.example.com", path: "/"}), reason.Allowed, 200},
		{"the route names a destination that is not configured", nil, plain(to("keep.example.com").named("x.example.com")), reason.Misconfigured, 503},
		{"the route names no destination", nil, plain(to("keep.example.com").named("")), reason.Misconfigured, 503},
		{"a token of ours", nil, withToken("authorization"), reason.Passthrough, 403},
		{"a token of ours, observed", observe, withToken("x-token"), reason.Passthrough, 200},
		{"a body that Envoy does not show", nil, plain(to("keep.example.com", "content-length", "7")), reason.Passthrough, 403},
		{"no destination", nil, plain(to("x.example.com", "x-request-id", "r-1")), reason.NoDestination, 403},
		{"no destination, observed", observe, plain(to("x.example.com")), reason.NoDestination, 200},
		{"no destination, and none is needed", func(p *plan) {
			p.state = func(s *egress.State) { s.AllowUnknown = true }
		}, plain(to("x.example.com", "authorization", "Bearer of-the-server")), reason.Allowed, 200},
		{"a destination of other callers", nil, plain(to("calendar.example.com")), reason.NoDestination, 403},
		{"a rule fails", broken, plain(to("keep.example.com")), reason.PolicyError, 503},
		{"a rule fails, observed", func(p *plan) { observe(p); broken(p) }, plain(to("keep.example.com")), reason.PolicyError, 503},
		{"a rule says no", closed, plain(to("keep.example.com")), reason.PolicyDenied, 403},
		{"a rule says no, observed", func(p *plan) { observe(p); closed(p) }, plain(to("keep.example.com")), reason.PolicyDenied, 200},
		{"the user lacks a scope", nil, withHandle("api.example.com", map[string]any{"scope": "other"}), reason.InsufficientScope, 403},
		{"no handle", nil, plain(to("api.example.com")), reason.ExchangeRefused, 403},
		{"the token in the handle has expired", nil, withHandle("api.example.com", map[string]any{"exp": testTime.Unix() - 31}), reason.ExchangeRefused, 403},
		{"the server refuses", nil, func(t *testing.T, w *world) sent {
			w.endpoint.refuse("invalid_target")
			return withHandle("api.example.com")(t, w)
		}, reason.ExchangeRefused, 403},
		{"the server is down", nil, func(t *testing.T, w *world) sent {
			w.endpoint.change(func(e *endpoint) { e.down = true })
			return withHandle("api.example.com")(t, w)
		}, reason.ExchangeUnavailable, 503},
		{"no keys", func(p *plan) { p.unreachable = true }, withHandle("api.example.com"), reason.ExchangeUnavailable, 503},
		{"keep", nil, plain(to("keep.example.com", "authorization", "Bearer of-the-server", "x_mcp_auth_subject", "eve")), reason.Allowed, 200},
		{"none", nil, plain(to("none.example.com", "authorization", "Bearer of-the-server")), reason.Allowed, 200},
		{"exchange", nil, withHandle("api.example.com"), reason.Allowed, 200},
		{"exchange of an assertion", nil, func(t *testing.T, w *world) sent {
			w.endpoint.issueUpstream()
			return withHandle("asserted.example.com")(t, w)
		}, reason.Allowed, 200},
		{"client credentials", nil, func(_ *testing.T, w *world) sent {
			w.endpoint.issueUpstream()
			return to("own.example.com", "authorization", "Bearer of-the-server")
		}, reason.Allowed, 200},
	}
}

// TestEveryReason asks for each reason over gRPC, in both forms of headers, and compares
// all that is answered and written with testdata/reasons.txt.
func TestEveryReason(t *testing.T) {
	seen := map[reason.Reason]bool{}
	var all strings.Builder
	for _, r := range rows() {
		seen[r.reason] = true
		w := start(t, changesOf(r)...)
		got := w.want(t, r.intent, r.ask(t, w), r.reason.String(), r.status)
		fmt.Fprintf(&all, "## %s\n%s\n", r.intent, w.written(t, r, got))
	}
	for _, never := range reason.All() {
		if seen[never] == slices.Contains(inboundAlone, never) {
			t.Errorf("%s: a row asks for it, or none does: %v", never, seen[never])
		}
	}
	if *record {
		if err := os.WriteFile(reasonsFile, []byte(all.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(reasonsFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), all.String()); diff != "" {
		t.Errorf("what is answered and written (-want +got):\n%s\ngo test ./internal/egress -run TestEveryReason -record", diff)
	}
}

// inboundAlone are reasons of requests that come in. What a token that was verified lacks is
// an exchange_refused on the way out. A request that leaves is no operation of the
// resource, so that none asks for another authentication.
var inboundAlone = []reason.Reason{
	reason.Metadata, reason.Preflight, reason.AllowedAnonymous, reason.NoResource, reason.OriginNotAllowed,
	reason.InvalidRequest, reason.NoCredentials, reason.TokenMalformed, reason.AlgorithmNotAllowed,
	reason.TypeNotAllowed, reason.IssuerUnknown, reason.ClaimsMissing, reason.TokenExpired, reason.TokenNotYetValid,
	reason.TokenRevoked, reason.KeyUnknown, reason.SignatureInvalid, reason.KeysUnavailable, reason.BindingUnproven,
	reason.DPoPProofInvalid, reason.DPoPNonceRequired, reason.AudienceMismatch, reason.OperationMalformed,
	reason.OperationUnknown, reason.InsufficientUserAuthentication, reason.Overloaded,
}

func changesOf(r row) []func(*plan) {
	if r.change == nil {
		return nil
	}
	return []func(*plan){r.change}
}

// written is all that is answered and written of a row.
func (w *world) written(t *testing.T, r row, got answer) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "answer: %d %s\n", got.status, got.body)
	for _, name := range slices.Sorted(maps.Keys(got.set)) {
		fmt.Fprintf(&b, "  set %s: %s\n", name, got.set[name])
	}
	if len(got.remove) > 0 {
		fmt.Fprintf(&b, "  remove %s %s\n", strings.Join(got.remove, " "), strings.Join(got.query, " "))
	}
	metadata, err := json.Marshal(w.check(t, r.ask(t, w).at, r.ask(t, w).joined()).GetDynamicMetadata().AsMap())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "metadata: %s\n", metadata)
	b.WriteString(w.metrics(t))
	line, _, _ := strings.Cut(w.log.String(), "\n")
	b.WriteString("log: " + regexp.MustCompile(`"time":"[^"]*",`).ReplaceAllString(line, "") + "\n")
	for line := range strings.Lines(w.events()) {
		var event struct{ Input, Result json.RawMessage }
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "event: %s %s\n", event.Input, event.Result)
		break
	}
	folder := regexp.MustCompile(` at \S*/team.rego`).ReplaceAllString(b.String(), " at team.rego")
	text := regexp.MustCompile(`"digest":"[0-9a-f]{64}"`).ReplaceAllString(folder, `"digest":"DIGEST"`)
	return strings.ReplaceAll(text, w.endpoint.access, "ISSUED")
}

// metrics are the counters that are not zero.
func (w *world) metrics(t *testing.T) string {
	t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", label.GetName(), label.GetValue()))
			}
			value := metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
			fmt.Fprintf(&b, "metric: %s{%s} %v\n", family.GetName(), strings.Join(labels, ","), value)
		}
	}
	return b.String()
}

// TestBytesThatAreNoCheckRequest are refused, and no gRPC error.
func TestBytesThatAreNoCheckRequest(t *testing.T) {
	w := start(t)
	for intent, wire := range map[string][]byte{
		"nothing": nil, "odd bytes": []byte("\xff\xff"), "no HTTP": {0x0a, 0}, "an attribute alone": {0x0a, 2, 0x22, 0},
	} {
		response := new(authv3.CheckResponse)
		if err := proto.Unmarshal(w.checks.At(socket).Answer(t.Context(), wire), response); err != nil {
			t.Errorf("%s: %v", intent, err)
			continue
		}
		if got := read(t, response); got.reason != "internal" || got.status != 503 {
			t.Errorf("%s: %+v", intent, got)
		}
	}
	if text := w.log.String(); strings.Count(text, `"reason":"internal"`) != 4 {
		t.Errorf("the log: %s", text)
	}
}
