package extauthz_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/decisionlog"
)

// logged gives a door a decision log; what it returns ends the log and gives
// what is in it.
func (d *testService) logged(t testing.TB, claims ...string) func() string {
	t.Helper()
	var out bytes.Buffer
	log, err := decisionlog.New(decisionlog.Options{To: decisionlog.Stdout, Standard: &out, SampleAllows: 1, Buffer: 1 << 20, Claims: claims})
	if err != nil {
		t.Fatal(err)
	}
	d.state.Decisions = log
	d.swap(t, d.state)
	return func() string {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		log.Close(ctx)
		return out.String()
	}
}

// TestEveryDecisionIsLogged: one event for each Check, with its reason, and
// none where a metadata document is the answer.
func TestEveryDecisionIsLogged(t *testing.T) {
	d := startService(t, useTempFolder(t, team(`deny contains {"code": "no_deletes", "message": "nothing is deleted"} if input.request.method == "DELETE"
require.office if input.request.method != "PATCH"
require.second if input.request.method != "PATCH"
warn contains {"code": "soon"}`))...)
	end := d.logged(t)
	good := d.token()
	send := func(question clientRequest) {
		check := question.joined()
		check.Attributes.Source = &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
			SocketAddress: &corev3.SocketAddress{Address: "10.1.2.3"},
		}}}
		d.check(t, check)
	}
	with := func(token, method, path string) clientRequest {
		question := bearer(token)
		question.method, question.path = method, path
		return question
	}
	send(with(good, "POST", "/mcp?a=b"))
	send(with(good, "DELETE", ""))
	send(with(good, "PATCH", ""))
	send(with(d.token(map[string]any{"scope": "other"}), "", ""))
	send(with(d.token(map[string]any{"aud": "x"}), "", ""))
	send(with(d.token(map[string]any{"exp": 1}), "", ""))
	send(with("hunter2", "", ""))
	send(with(good, "GET", "/.well-known/oauth-protected-resource/mcp"))
	send(with(good, "", "/elsewhere"))
	d.check(t, &authv3.CheckRequest{})
	d.breakVerifier(t)
	send(with(good, "", ""))

	const verified = `"resource":{"name":"weather"},"token":{"digest":"DIGEST","issuer":"https://as.example.com","client":"app","bound_by":"aud","key_id":"key-1"},"claims":{"jti":"id-1","sub":"alice"}`
	want := strings.ReplaceAll(strings.Join([]string{
		`{"request":{"id":"4711","method":"POST","host":"mcp.example.com","path":"/mcp","source_address":"10.1.2.3"},` + verified + `} {"allow":true,"reason":"allowed","status":200,"scopes":["mcp:read"],"warnings":["soon"]}`,
		`{"request":{"id":"4711","method":"DELETE","host":"mcp.example.com","path":"/mcp","source_address":"10.1.2.3"},` + verified + `} {"allow":false,"reason":"policy_denied","status":403,"rule":"authz.deny","code":"no_deletes","rules":["authz.deny:no_deletes"],"scopes":["mcp:read"],"warnings":["soon"]}`,
		`{"request":{"id":"4711","method":"PATCH","host":"mcp.example.com","path":"/mcp","source_address":"10.1.2.3"},` + verified + `} {"allow":false,"reason":"policy_denied","status":403,"rule":"authz.require.office","rules":["authz.require.office","authz.require.second"],"scopes":["mcp:read"],"warnings":["soon"]}`,
	}, "\n"), "DIGEST", digest(good))
	var got, reasons []string
	for _, event := range events(t, end()) {
		got = append(got, string(event.Input)+" "+string(event.Result))
		reasons = append(reasons, event.reason)
		if event.RequestedBy != "10.1.2.3" && event.reason != "internal" {
			t.Errorf("%s: requested by %q", event.reason, event.RequestedBy)
		}
	}
	if diff := cmp.Diff(want, strings.Join(got[:3], "\n")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"allowed", "policy_denied", "policy_denied", "insufficient_scope", "audience_mismatch", "token_expired", "token_malformed", "no_resource", "internal", "internal",
	}, reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

type event struct {
	Number        int `json:"req_id"`
	Input, Result json.RawMessage
	RequestedBy   string `json:"requested_by"`
	reason        string
}

// events are those of a log in the order in which they came.
func events(t *testing.T, text string) []event {
	t.Helper()
	var all []event
	for line := range strings.Lines(text) {
		var one event
		var result struct{ Reason string }
		if err := errors.Join(json.Unmarshal([]byte(line), &one), json.Unmarshal(one.Result, &result)); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		one.reason = result.Reason
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b event) int { return a.Number - b.Number })
	return all
}

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// TestDigests: a token has a digest, also a refused one; what may be a password has
// no digest.
func TestDigests(t *testing.T) {
	d := startService(t)
	foreign, expired, forged := d.token(), d.token(map[string]any{"exp": 1}), forger().Sign(claims())
	for _, row := range []struct {
		intent string
		ask    clientRequest
		want   string
	}{
		{"expired", bearer(expired), digest(expired)},
		{"forged", bearer(forged), digest(forged)},
		{"no token at all", bearer("hunter2"), "none"},
		{"another scheme", clientRequest{headers: [][2]string{{"authorization", "Basic aHVudGVyMg"}}}, "none"},
		{"a stranger's page", clientRequest{headers: [][2]string{{"authorization", "Bearer " + foreign}, {"origin", "https://evil.example"}}}, "none"},
		{"elsewhere", clientRequest{path: "/elsewhere", headers: [][2]string{{"authorization", "Bearer " + foreign}}}, "none"},
	} {
		end := d.logged(t)
		d.check(t, row.ask.joined())
		text := end()
		if has := strings.Contains(text, `"digest":"`+row.want); has == (row.want == "none") || row.want == "none" && strings.Contains(text, "digest") {
			t.Errorf("%s: want %q in %s", row.intent, row.want, text)
		}
	}
}

// TestNothingSecretIsLogged: whatever a client sends and a token holds, the
// decision log has no header, no query, no token, and no claim but those on its
// list.
func TestNothingSecretIsLogged(t *testing.T) {
	d := startService(t)
	end := d.logged(t, "team")
	secrets := []string{}
	secret := func(name string) string {
		secrets = append(secrets, "canary-"+name)
		return "canary-" + name
	}
	private := map[string]any{"email": secret("claim"), "nested": map[string]any{"a": []any{secret("nested")}}, "team": "red"}
	tokens := []string{
		d.token(private), d.token(private, map[string]any{"exp": 1}), d.token(private, map[string]any{"aud": secret("audience")}),
		forger().Sign(claims(private)), d.token(private)[:60], secret("opaque"),
	}
	for _, token := range tokens {
		for _, path := range []string{"/mcp?access_token=" + secret("query") + "&b=" + secret("parameter"), "/mcp;access_token=" + secret("matrix"), "/mcp#access_token=" + secret("fragment")} {
			question := bearer(token)
			question.path = path
			question.headers = append(question.headers, [2]string{"cookie", secret("cookie")}, [2]string{"dpop", secret("dpop")},
				[2]string{"x-other", secret("header")}, [2]string{"x-request-id", "join-me"})
			d.check(t, question.joined())
			d.check(t, question.apart())
		}
		d.check(t, clientRequest{headers: [][2]string{{"authorization", "Basic " + secret("basic")}}}.joined())
		d.check(t, clientRequest{host: "user:" + secret("password") + "@mcp.example.com"}.joined())
	}
	text := end()
	for _, token := range tokens {
		secrets = append(secrets, strings.Split(token, ".")...)
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(text, s) {
			t.Errorf("the decision log holds %q", s)
		}
	}
	if !strings.Contains(text, `"id":"join-me"`) || !strings.Contains(text, `"team":"red"`) {
		t.Errorf("no event can be joined, or a claim of the list is missing: %s", text)
	}
}
