package decisionlog

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/plugins/logs"
)

// written is what a log with these options writes of an event.
func written(t testing.TB, o Options, e *Event) string {
	t.Helper()
	var out bytes.Buffer
	o.To, o.Standard, o.Buffer, o.SampleAllows = Stdout, &out, 1<<20, 1
	log, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	log.Put(e)
	log.Close(t.Context())
	return out.String()
}

// TestOPAReadsAnEvent with its own type, of which every member is a known one.
func TestOPAReadsAnEvent(t *testing.T) {
	text := written(t, Options{
		Claims: []string{"groups", "jti", "absent"}, Labels: map[string]string{"id": "one", "version": "0.1"},
		Random: func() uint64 { return 0x0123456789abcdef },
	}, denial())
	if !strings.Contains(text, `"timestamp":"2026-11-25T11:00:00.123456789Z"`) {
		t.Errorf("no time in UTC, to the nanosecond: %s", text)
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	var got logs.EventV1
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	input, result := any(map[string]any{
		"request":  map[string]any{"id": "join-me", "method": "POST", "host": "mcp.example.com", "path": "/mcp", "source_address": "10.1.2.3"},
		"resource": map[string]any{"name": "weather"},
		"token": map[string]any{
			"digest": "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0",
			"issuer": "https://as.example.com", "client": "app", "key_id": "key-1",
		},
		"claims": map[string]any{"sub": "alice", "jti": "id-1", "groups": []any{"staff", 7.0, map[string]any{"a": nil}}},
	}), any(map[string]any{
		"allow": false, "reason": "policy_denied", "status": 403.0, "rule": "authz.deny", "code": "no_deletes", "rules": []any{"authz.deny:no_deletes", "authz.require.a"},
		"scopes": []any{"mcp:read", "mcp:write"}, "warnings": []any{"soon"},
	})
	want := logs.EventV1{
		Labels:      map[string]string{"id": "one", "version": "0.1"},
		DecisionID:  "efcdab89-6745-4301-afcd-ab8967452301",
		Path:        "doorward/decision",
		Input:       &input,
		Result:      &result,
		Erased:      []string{"/input/request/headers", "/input/request/query"},
		Masked:      []string{"/input/claims"},
		RequestedBy: "10.1.2.3",
		Timestamp:   time.Date(2026, 11, 25, 11, 0, 0, 123456789, time.UTC),
		Metrics:     map[string]any{"timer_server_handler_ns": 21000.0},
		RequestID:   1,
	}
	if diff := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".inputAST" }, cmp.Ignore())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestWhatIsNotKnownIsLeftOut: a request that ended before anything was known
// of it is one event all the same.
func TestWhatIsNotKnownIsLeftOut(t *testing.T) {
	text := written(t, Options{}, &Event{Reason: "internal", Status: 503})
	text = regexp.MustCompile(`"decision_id":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"`).ReplaceAllString(text, `"decision_id":"random"`)
	const want = `{"labels":null,"path":"doorward/decision","decision_id":"random","input":{"request":{}},` +
		`"result":{"allow":false,"reason":"internal","status":503},"erased":["/input/request/headers"],` +
		`"timestamp":"0001-01-01T00:00:00Z","metrics":{"timer_server_handler_ns":0},"req_id":1}` + "\n"
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestRedaction: of the claims those on the list alone, of a path what comes
// before its parameters, of a long string its beginning.
func TestRedaction(t *testing.T) {
	for _, row := range []struct {
		intent     string
		listed     []string
		change     func(e *Event)
		want, deny string // what is written, what is not
	}{
		{"no claim without a list", nil, func(*Event) {}, `"claims":{"jti":"id-1","sub":"alice"}`, "canary"},
		{"a claim of the list", []string{"email"}, func(*Event) {}, `"email":"canary@example.com"`, "staff"},
		{"a parameter in the path", nil, func(e *Event) { e.Path = "/mcp;access_token=canary" }, `"path":"/mcp..."`, "canary"},
		{"a fragment in the path", nil, func(e *Event) { e.Path = "/mcp#canary" }, `"path":"/mcp..."`, "canary"},
		{"an encoded query in the path", nil, func(e *Event) { e.Path = "/mcp%3Faccess_token=canary" }, `"path":"/mcp%3Faccess_token..."`, "canary"},
		{"and this is told", nil, func(e *Event) { e.Path = "/mcp&canary" }, `"masked":["/input/claims","/input/request/path"]`, "canary"},
		{"even without claims", nil, func(e *Event) { e.Path, e.Claims = "/mcp&canary", nil }, `"masked":["/input/request/path"]`, "/input/claims"},
		{
			"a token as host, method and path", nil, func(e *Event) {
				e.Host, e.Method, e.Path, e.Claims = canaryToken, canaryToken, "/mcp/"+canaryToken, nil
			},
			`"masked":["/input/request/host","/input/request/method","/input/request/path"]`, "c2lnbmF0dXJl",
		},
		{
			"a token in a claim of the list",
			[]string{"team"},
			func(e *Event) { e.Claims = map[string]any{"team": []any{canaryToken, "red"}} },
			`"team":["[redacted]","red"]`, "c2lnbmF0dXJl",
		},
		{"a token as request id", nil, func(e *Event) {
			e.RequestID, e.Client, e.KeyID, e.Code = canaryToken, canaryToken, canaryToken, canaryToken
		}, `"id":"[redacted]"`, "c2lnbmF0dXJl"},
		{"a token as scope or warning", nil, func(e *Event) {
			e.Scopes, e.Warnings, e.Rules = []string{canaryToken}, []string{canaryToken}, []string{canaryToken}
		}, `"scopes":["[redacted]"],"warnings":["[redacted]"]`, "c2lnbmF0dXJl"},
		{"user information", nil, func(e *Event) { e.Host, e.Claims = "user:canary@mcp.example.com", nil }, `"masked":["/input/request/host"]`, "canary"},
		{"nothing left out is told of", nil, func(e *Event) { e.HasQuery, e.Claims = false, nil }, `"erased":["/input/request/headers"]`, "masked"},
		{"a long string", nil, func(e *Event) { e.Host = strings.Repeat("a", longest) + "canary" }, `aaa..."`, "canary"},
		{"a long element", nil, func(e *Event) { e.Warnings = []string{strings.Repeat("a", longest) + "canary"} }, `aaa..."]`, "canary"},
		{"a long string that fits", nil, func(e *Event) { e.Host = strings.Repeat("a", longest) }, `"` + strings.Repeat("a", longest) + `"`, "aaa..."},
	} {
		e := denial()
		row.change(e)
		text := written(t, Options{Claims: row.listed}, e)
		if !strings.Contains(text, row.want) || strings.Contains(text, row.deny) {
			t.Errorf("%s: want %s and not %s in:\n%s", row.intent, row.want, row.deny, text)
		}
	}
}

// TestNothingIsShared: what an event was made of may be overwritten once Put is
// over, as the memory of a request is.
func TestNothingIsShared(t *testing.T) {
	l := start(Options{Buffer: 1 << 20}.withDefaults(), place(nil), pace{look: time.Hour, stalled: time.Hour})
	memory := []byte(strings.Repeat("request ", 8))
	alias := func(i int) string { return aliasOf(memory[8*i : 8*i+7]) }
	kept := l.keep(&Event{
		TokenDigest: [32]byte{1},
		Reason:      alias(0), Rule: alias(0), Code: alias(0), RequestID: alias(0), Method: alias(0), Host: alias(0), Path: alias(1), SourceAddress: alias(2),
		Resource: alias(3), Issuer: alias(4), Client: alias(5), KeyID: alias(6), Scopes: []string{alias(7)}, Warnings: []string{alias(7)},
		Rules: []string{alias(7)},
	})
	before := string(form{}.append([]byte("{"), kept))
	clear(memory)
	if after := string(form{}.append([]byte("{"), kept)); after != before || strings.Count(after, "request") < 15 {
		t.Errorf("%s\nbecame\n%s", before, after)
	}
	closeNow(l)
}

const canaryToken = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"
