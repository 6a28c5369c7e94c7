package main

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/testenv"
)

// TestTheLogsAreCompared, each of the two by itself.
func TestTheLogsAreCompared(t *testing.T) {
	for name, row := range map[string]struct {
		envoy, doorward string
		want            []string
	}{
		"both agree": {"token_expired", "token_expired", nil},
		"Envoy's differs": {
			"no_resource", "token_expired",
			[]string{"the reason in Envoy's access log: no_resource; wanted: token_expired"},
		},
		"Envoy's has none": {
			"", "token_expired",
			[]string{"the reason in Envoy's access log: none; wanted: token_expired"},
		},
		"doorward's differs": {
			"token_expired", "no_resource",
			[]string{"the reason in doorward's log: no_resource; wanted: token_expired"},
		},
	} {
		w := &walk{parts: &parts{envoy: &testenv.Envoy{}, doorward: &testenv.Doorward{}}}
		_, _ = fmt.Fprintf(&w.parts.envoy.AccessLog, `{"client":"127.0.0.1:1","request_id":"r-1","reason":%q}`+"\n", row.envoy)
		_, _ = fmt.Fprintf(&w.parts.doorward.Log, `{"msg":"denied","request_id":"r-1","reason":%q,"advice":"do this"}`+"\n", row.doorward)
		var r report
		w.operator(t.Context(), &r, exchange{client: "127.0.0.1:1"}, "token_expired")
		if diff := cmp.Diff(row.want, r.wrong); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestWhatArrived: a refusal reaches nobody, the rest arrives once and clean.
func TestWhatArrived(t *testing.T) {
	refused, allowed := attempt{want: want{status: 403}}, attempt{more: "/admin?access_token=x", want: want{status: 200}}
	for name, row := range map[string]struct {
		attempt attempt
		urls    []string
		want    []string
	}{
		"refused":                 {refused, nil, nil},
		"refused, yet it arrived": {refused, []string{"/mcp"}, []string{"requests that reached the MCP server: 1; wanted: 0"}},
		"allowed":                 {allowed, []string{"/mcp/admin"}, nil},
		"allowed, yet not there":  {allowed, nil, []string{"requests that reached the MCP server: 0; wanted: 1"}},
		"with the token in its URL": {
			allowed,
			[]string{"/mcp/admin?access_token=x"},
			[]string{"URL at the MCP server: /mcp/admin?access_token=x; wanted: /mcp/admin"},
		},
	} {
		var passed []testenv.ReceivedRequest
		for _, url := range row.urls {
			passed = append(passed, testenv.ReceivedRequest{Method: "POST", URL: url})
		}
		var r report
		r.arrived(row.attempt, passed)
		if diff := cmp.Diff(row.want, r.wrong); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestLeaks: what the last step looks for is found.
func TestLeaks(t *testing.T) {
	tokens := []string{"head.claims.signature"}
	for name, row := range map[string]struct {
		url    string
		header http.Header
		want   []string
	}{
		"nothing":                   {"/mcp?a=b", http.Header{"Accept": {"*/*"}}, nil},
		"an authorization header":   {"/mcp", http.Header{"Authorization": {""}}, []string{"request 1 at the MCP server, a POST, has an authorization header"}},
		"the query":                 {"/mcp?access_token=x", nil, []string{"request 1 at the MCP server, a POST, has access_token in its URL"}},
		"the query by another name": {"/mcp?t=head.claims.signature", nil, []string{"request 1 at the MCP server, a POST, has a token among its headers or in its URL"}},
		"a part in another header":  {"/mcp", http.Header{"X-Copy": {"a", "ms.signature"}}, []string{"request 1 at the MCP server, a POST, has a token among its headers or in its URL"}},
	} {
		got := leaks([]testenv.ReceivedRequest{{Method: "POST", URL: row.url, Header: row.header}}, tokens)
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string][]string{
		"":                  {""},
		"  a   b":           {"  a   b"},
		"one two three":     {"one two", "three"},
		"  one two three":   {"  one two", "  three"},
		"a-word-of-its-own": {"a-word-of-its-own"},
	} {
		if diff := cmp.Diff(want, wrap(text, 10)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// TestTheLastStepSearchesTheLogs: a token in any of the three is found.
func TestTheLastStepSearchesTheLogs(t *testing.T) {
	server, err := testenv.StartMCPServer(testenv.MCPServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	response, err := http.Get("http://" + server.Address() + "/mcp")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	api, err := testenv.StartAPI(testenv.APIOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	for want, leak := range map[string]func(*parts) *testenv.LogBuffer{
		"All well":                         func(*parts) *testenv.LogBuffer { return &testenv.LogBuffer{} },
		"Envoy's access log holds a token": func(p *parts) *testenv.LogBuffer { return &p.envoy.AccessLog },
		"Envoy's log holds a token":        func(p *parts) *testenv.LogBuffer { return &p.envoy.Log },
		"doorward's log holds a token":     func(p *parts) *testenv.LogBuffer { return &p.doorward.Log },
	} {
		for _, text := range []string{"claims.signature", "a handle"} {
			var out bytes.Buffer
			w := &walk{
				parts:    &parts{mcp: server, api: api, envoy: &testenv.Envoy{}, doorward: &testenv.Doorward{}},
				page:     &page{out: &out},
				recorder: &recorder{tokens: []string{"head.claims.signature"}},
				secrets:  []string{"handle"},
			}
			_, _ = fmt.Fprintln(leak(w.parts), text)
			w.nothingLeaked()
			if len(w.differed) == 0 {
				_, _ = fmt.Fprint(&out, "All well")
			}
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %q in:\n%s", want, &out)
			}
		}
	}
}
