package extauthz_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestNothingSecretIsWritten is TK-11: neither the log nor a metric nor a body
// holds a part of the token or a header.
func TestNothingSecretIsWritten(t *testing.T) {
	d := startService(t, useTempFolder(t, team(`deny contains {"code": "no", "message": "said no"} if input.claims.sub == "bob"
warn contains {"code": "tried", "message": "would deny"}`))...)
	for _, token := range []string{
		d.token(), d.token(map[string]any{"exp": 1}), forger().Sign(claims()), d.token(map[string]any{"sub": "bob"}),
		d.token(map[string]any{"aud": "b", "email": "secret-claim"}), d.token()[:40], "opaque-secret",
	} {
		question := bearer(token)
		question.path = "/mcp?access_token=query-secret"
		question.headers = append(question.headers, [2]string{"cookie", "cookie-secret"}, [2]string{"dpop", "dpop-secret"}, [2]string{"x-request-id", "join-me"})
		got := readResponse(t, d.check(t, question.joined()))
		for part := range strings.SplitSeq(token, ".") {
			for where, text := range map[string]string{"log": d.log.String(), "body": got.body, "challenge": got.challenge, "metrics": metricText(t, d)} {
				if strings.Contains(text, part) {
					t.Errorf("%s: %s holds a part of the token: %s", got.reason, where, text)
				}
			}
		}
	}
	for _, secret := range []string{"query-secret", "cookie-secret", "dpop-secret", "secret-claim", "mcp:write"} {
		if strings.Contains(d.log.String(), secret) {
			t.Errorf("the log holds %q: %s", secret, d.log)
		}
	}
	if !strings.Contains(d.log.String(), "join-me") {
		t.Error("no line can be joined to Envoy's log")
	}
}

func metricText(t *testing.T, d *testService) string {
	t.Helper()
	families, err := d.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, family := range families {
		text.WriteString(family.String())
	}
	return text.String()
}

// TestOneLineTellsAnOperator what went wrong and what to do.
func TestOneLineTellsAnOperator(t *testing.T) {
	d := startService(t)
	d.check(t, bearer(d.token(map[string]any{"aud": "x"})).joined())
	var line map[string]any
	if err := json.Unmarshal([]byte(d.log.String()), &line); err != nil {
		t.Fatalf("%v in %s", err, d.log)
	}
	delete(line, "time")
	advice, _ := line["advice"].(string)
	if !strings.Contains(advice, "resource="+resourceURI) {
		t.Errorf("advice: %q", advice)
	}
	for name, want := range map[string]any{
		"level": "INFO", "msg": "denied", "reason": "audience_mismatch", "status": 401.0, "resource": "weather", "request_id": "4711",
		"issuer": issuerURL, "method": "POST", "authority": "mcp.example.com", "path": "/mcp", "audience": "x", "subject": "alice", "client_id": "app", "token_id": "id-1", "key_id": "key-1",
	} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
	d.check(t, bearer(d.token()).joined())
	if got := strings.Count(d.log.String(), "\n"); got != 1 {
		t.Errorf("an allow is written: %s", d.log)
	}
}

// TestAFloodIsANumber: ten lines a second and reason, then a count.
func TestAFloodIsANumber(t *testing.T) {
	d := startService(t) // outside the bubble: it has a listener
	synctest.Test(t, func(t *testing.T) {
		for range 25 {
			d.server.Check(t.Context(), clientRequest{}.joined())
		}
		d.server.Check(t.Context(), clientRequest{host: "nowhere"}.joined())
		if got := strings.Count(d.log.String(), `"no_credentials"`); got != 10 {
			t.Errorf("%d lines within a second", got)
		}
		if got := strings.Count(d.log.String(), `"no_resource"`); got != 1 {
			t.Errorf("one reason silences another: %d lines", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !strings.Contains(d.log.String(), `"count":15`) {
			t.Errorf("the rest is not counted: %s", d.log)
		}
		d.server.Check(t.Context(), clientRequest{}.joined())
		if got := strings.Count(d.log.String(), `"msg":"denied","reason":"no_credentials"`); got != 11 {
			t.Errorf("%d lines after the second", got)
		}
		time.Sleep(time.Second)
	})
}

// TestEveryRuleThatSaidNo is in the one line, and counted by labels that no
// request chooses, in a bounded number of series.
func TestEveryRuleThatSaidNo(t *testing.T) {
	d := startService(t, useTempFolder(t, team(`require.b if false
require.a if false
deny contains {"code": "closed", "message": "m"}
deny contains {"code": input.claims.sub, "message": "chosen by the client"}
warn contains {"code": input.claims.sub}`))...)
	token := d.token(map[string]any{"sub": "mallory"})
	d.check(t, bearer(token).joined())
	d.check(t, bearer(token).joined()) // the pinned answer counts alike
	var line struct{ Rule, Rules string }
	if err := json.NewDecoder(strings.NewReader(d.log.String())).Decode(&line); err != nil {
		t.Fatal(err)
	}
	if line.Rule != "authz.deny" || line.Rules != "authz.deny:closed authz.deny:mallory authz.require.a authz.require.b" {
		t.Errorf("%+v", line)
	}
	const want = `
# HELP doorward_policy_denials_total Rules of the team that denied a request: each that did, so one request may count several times.
# TYPE doorward_policy_denials_total counter
doorward_policy_denials_total{code="",resource="weather",rule="authz.deny"} 2
doorward_policy_denials_total{code="",resource="weather",rule="authz.require.a"} 2
doorward_policy_denials_total{code="",resource="weather",rule="authz.require.b"} 2
doorward_policy_denials_total{code="closed",resource="weather",rule="authz.deny"} 2
# HELP doorward_policy_warnings_total Elements of the team's warn rules.
# TYPE doorward_policy_warnings_total counter
doorward_policy_warnings_total{code="",resource="weather",rule="authz.warn"} 2
`
	if err := testutil.GatherAndCompare(d.registry, strings.NewReader(want), "doorward_policy_denials_total", "doorward_policy_warnings_total"); err != nil {
		t.Error(err)
	}
}

func TestMetrics(t *testing.T) {
	d := startService(t, useTempFolder(t, team(`warn contains {"code": "w", "message": "w"}`))...)
	question := bearer(d.token())
	question.path = "/mcp?access_token=x"
	d.check(t, question.joined())
	d.check(t, clientRequest{host: "nowhere"}.joined())
	want := `
# HELP doorward_checks_total Checks answered, by resource and reason.
# TYPE doorward_checks_total counter
doorward_checks_total{reason="allowed",resource="weather"} 1
doorward_checks_total{reason="no_resource",resource=""} 1
# HELP doorward_policy_warnings_total Elements of the team's warn rules.
# TYPE doorward_policy_warnings_total counter
doorward_policy_warnings_total{code="w",resource="weather",rule="authz.warn"} 1
# HELP doorward_query_tokens_removed_total Allowed requests from whose query an access_token was removed.
# TYPE doorward_query_tokens_removed_total counter
doorward_query_tokens_removed_total{resource="weather"} 1
`
	if err := testutil.GatherAndCompare(d.registry, strings.NewReader(want),
		"doorward_checks_total", "doorward_policy_warnings_total", "doorward_query_tokens_removed_total"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"doorward_check_duration_seconds", "doorward_policy_evaluation_duration_seconds"} {
		if got, err := testutil.GatherAndCount(d.registry, name); err != nil || got == 0 {
			t.Errorf("%s: %d series, %v", name, got, err)
		}
	}
}
