package extauthz_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/doorward/doorward/internal/testenv/jwttest"
	"github.com/doorward/doorward/internal/testenv/readers"
)

// teamFolder marks a rule that useTempFolder writes to a file.
func teamFolder(rule string) string { return "rule:" + rule }

// useTempFolder turns rules of a row into a folder that policy can read.
func useTempFolder(t *testing.T, change func(*plan)) []func(*plan) {
	if change == nil {
		return nil
	}
	return []func(*plan){change, func(p *plan) {
		for i, path := range p.policy {
			rule, isRule := strings.CutPrefix(path, "rule:")
			if !isRule {
				continue
			}
			p.policy[i] = t.TempDir()
			module := "package authz\n\n" + rule + "\n"
			if err := os.WriteFile(filepath.Join(p.policy[i], "team.rego"), []byte(module), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}}
}

func okHeaders(response *authv3.CheckResponse) map[string]string {
	set := map[string]string{}
	for _, option := range response.GetOkResponse().GetHeaders() {
		set[option.GetHeader().GetKey()] = option.GetHeader().GetValue()
	}
	return set
}

// TestUpstreamSeesWhoAndNeverTheToken is PT-1, T-7 and T-8: identity headers
// are ours or gone, credentials are gone, and nothing is both set and removed.
func TestUpstreamSeesWhoAndNeverTheToken(t *testing.T) {
	always := []string{"authorization", "dpop", "x-mcp-auth-handle", "x-mcp-auth-assertion"}
	tests := []struct {
		intent  string
		claims  map[string]any
		ask     clientRequest
		set     map[string]string
		removed []string
		query   []string
	}{
		{
			"all four", nil,
			clientRequest{},
			map[string]string{
				"x-mcp-auth-issuer": issuerURL, "x-mcp-auth-subject": "alice",
				"x-mcp-auth-client": "app", "x-mcp-auth-scope": "mcp:read mcp:write",
			},
			always, nil,
		},
		{
			"a claim that is not there is removed unseen",
			map[string]any{"sub": nil, "client_id": nil},
			clientRequest{},
			map[string]string{"x-mcp-auth-issuer": issuerURL, "x-mcp-auth-scope": "mcp:read mcp:write"},
			append([]string{"x-mcp-auth-subject", "x-mcp-auth-client"}, always...), nil,
		},
		{
			"bytes that a header cannot hold",
			map[string]any{"sub": "a b\r\nx: %é"},
			clientRequest{},
			map[string]string{
				"x-mcp-auth-issuer": issuerURL, "x-mcp-auth-subject": "a%20b%0D%0Ax:%20%25%C3%A9",
				"x-mcp-auth-client": "app", "x-mcp-auth-scope": "mcp:read mcp:write",
			},
			always, nil,
		},
		{
			"a client forges our names, in every spelling", nil,
			clientRequest{headers: [][2]string{
				{"x-mcp-auth-subject", "eve"},
				{"X-MCP-Auth-Role", "admin"},
				{"x_mcp_auth_subject", "eve"},
				{"x-mcp_auth-issuer", "eve"},
				{"x-mcp-authx", "fine"},
				{"x-mcp-auth-handle", "eve"},
				{"X-MCP-Auth-Assertion", "eve"},
				{"x_mcp_auth_handle", "eve"},
				{"x.mcp.auth.assertion", "eve"},
			}},
			map[string]string{
				"x-mcp-auth-issuer": issuerURL, "x-mcp-auth-subject": "alice",
				"x-mcp-auth-client": "app", "x-mcp-auth-scope": "mcp:read mcp:write",
			},
			append([]string{
				"x-mcp-auth-role", "x_mcp_auth_subject", "x-mcp_auth-issuer", "x_mcp_auth_handle", "x.mcp.auth.assertion",
			}, always...), nil,
		},
		{
			"TK-4: query tokens go by the very spelling seen", nil,
			clientRequest{path: "/mcp?access_token=a&x=1&access%5Ftoken=b&access_token=c&Access_Token=d&q=access_token"},
			map[string]string{
				"x-mcp-auth-issuer": issuerURL, "x-mcp-auth-subject": "alice",
				"x-mcp-auth-client": "app", "x-mcp-auth-scope": "mcp:read mcp:write",
			},
			always,
			[]string{"Access_Token", "access%5Ftoken", "access_token"},
		},
	}
	d := startService(t)
	for _, test := range tests {
		t.Run(test.intent, func(t *testing.T) {
			test.ask.headers = append(test.ask.headers, [2]string{"authorization", "Bearer " + d.token(test.claims)})
			for form, request := range map[string]*authv3.CheckRequest{"headers": test.ask.joined(), "header_map": test.ask.apart()} {
				response := d.check(t, request)
				ok := response.GetOkResponse()
				if ok == nil {
					t.Fatalf("%s: %+v", form, readResponse(t, response))
				}
				set := okHeaders(response)
				if diff := cmp.Diff(test.set, set); diff != "" {
					t.Errorf("%s: set (-want +got):\n%s", form, diff)
				}
				removed := slices.Sorted(slices.Values(ok.GetHeadersToRemove()))
				if diff := cmp.Diff(slices.Sorted(slices.Values(test.removed)), removed); diff != "" {
					t.Errorf("%s: removed (-want +got):\n%s", form, diff)
				}
				if diff := cmp.Diff(test.query, ok.GetQueryParametersToRemove()); diff != "" {
					t.Errorf("%s: query (-want +got):\n%s", form, diff)
				}
			}
		})
	}
}

func TestTeamHeadersAreSetOrGone(t *testing.T) {
	rules := `headers["x-team"] := "red" if input.claims.sub == "alice"
headers["x-tier"] := "gold" if input.claims.sub == "bob"`
	d := startService(t, useTempFolder(t, team(rules))...)
	question := bearer(d.token())
	question.headers = append(question.headers, [2]string{"x-tier", "forged"}, [2]string{"x_team", "forged"}, [2]string{"x-other", "fine"})
	response := d.check(t, question.joined())
	if got := okHeaders(response)["x-team"]; got != "red" {
		t.Errorf("x-team is %q", got)
	}
	removed := response.GetOkResponse().GetHeadersToRemove()
	for _, name := range []string{"x-tier", "x_team"} {
		if !slices.Contains(removed, name) {
			t.Errorf("%s of the client goes upstream: %q", name, removed)
		}
	}
	if slices.Contains(removed, "x-team") || slices.Contains(removed, "x-other") {
		t.Errorf("removed too much: %q", removed)
	}
}

// TestNamesThatAReaderFolds is T-7 for every byte in every place of a name: what
// some server takes for a header of ours, or of a rule that does not set it
// here, leaves the request; what the answer sets stays.
func TestNamesThatAReaderFolds(t *testing.T) {
	d := startService(t, useTempFolder(t, team(`headers["x-admin"] := "yes" if input.claims.sub == "root"`+"\n"+`headers["x-my~team"] := "red"`))...)
	ours := []string{"x-mcp-auth-subject", "x-mcp-auth-scope", "x-mcp-auth-role", "x-admin", "x-my~team"}
	question := bearer(d.token(map[string]any{"sub": nil}))
	for _, name := range ours {
		for b := range 0x80 { // what is no UTF-8 is no CheckRequest
			for i := range len(name) {
				spelled := name[:i] + string([]byte{byte(b)}) + name[i+1:]
				question.headers = append(question.headers, [2]string{spelled, "forged"})
			}
		}
	}
	for form, request := range map[string]*authv3.CheckRequest{"headers": question.joined(), "header_map": question.apart()} {
		ok := d.server.Check(t.Context(), request).GetOkResponse()
		if ok == nil {
			t.Fatal("refused")
		}
		set, gone := okHeaders(&authv3.CheckResponse{HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: ok}}), map[string]bool{}
		for _, name := range ok.GetHeadersToRemove() {
			if gone[name] = true; set[name] != "" {
				t.Errorf("%s: %q is set and removed", form, name)
			}
		}
		forged := 0
		for _, header := range question.headers[1:] {
			name := lower(header[0])
			taken := slices.ContainsFunc(ours, func(mine string) bool {
				return readers.Lighttpd(name) == readers.Lighttpd(mine) || readers.FastCGIToPHP(readers.CGI(name)) == readers.FastCGIToPHP(readers.CGI(mine))
			})
			if taken {
				forged++
			}
			if taken && !gone[name] && set[name] == "" {
				t.Errorf("%s: %q goes on to the server", form, name)
			}
			if !taken && gone[name] && !strings.HasPrefix(readers.Lighttpd(name), "HTTP_X_MCP_AUTH_") {
				t.Errorf("%s: %q is gone", form, name)
			}
		}
		if forged < 800 || set["x-my~team"] != "red" {
			t.Errorf("%s: %d forgeries, set %v", form, forged, set)
		}
	}
}

// lower is a name as Envoy has it.
func lower(name string) string {
	bytes := []byte(name)
	for i, c := range bytes {
		if c >= 'A' && c <= 'Z' {
			bytes[i] = c + 'a' - 'A'
		}
	}
	return string(bytes)
}

// TestDynamicMetadata is what an access log can show, and no more.
func TestDynamicMetadata(t *testing.T) {
	allowed := map[string]any{
		"reason": "allowed", "resource": "weather", "issuer": issuerURL,
		"client_id": "app", "token_id": "id-1", "scope": "mcp:read mcp:write",
	}
	tests := []struct {
		intent  string
		subject bool
		token   func(*testService) string
		want    map[string]any
	}{
		{"allowed", false, func(d *testService) string { return d.token() }, allowed},
		{"the subject only where asked for", true, func(d *testService) string { return d.token() }, with(allowed, "subject", "alice")},
		{
			"nothing of a token that is not verified", true, func(*testService) string { return forger().Sign(claims()) },
			map[string]any{"reason": "signature_invalid", "resource": "weather"},
		},
		{"a verified token that is refused", false, func(d *testService) string { return d.token(map[string]any{"aud": "x"}) }, with(allowed, "reason", "audience_mismatch")},
	}
	for _, test := range tests {
		t.Run(test.intent, func(t *testing.T) {
			d := startService(t, func(p *plan) { p.subject = test.subject })
			got := d.check(t, bearer(test.token(d)).joined()).GetDynamicMetadata().AsMap()
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// forger is a forger's key under our key's id.
func forger() *jwttest.Key { return jwttest.NewKey("ES256", "key-1") }

func with(all map[string]any, name string, value any) map[string]any {
	changed := maps.Clone(all)
	changed[name] = value
	return changed
}

// TestAMetadataAnswerNamesItsResource, and a 404 names none.
func TestAMetadataAnswerNamesItsResource(t *testing.T) {
	d := startService(t)
	for path, want := range map[string]string{
		"/.well-known/oauth-protected-resource/mcp": "weather", "/.well-known/oauth-protected-resource/nothing": "",
	} {
		got := d.check(t, clientRequest{method: "GET", path: path}.joined()).GetDynamicMetadata().GetFields()
		if got["reason"].GetStringValue() != "metadata" || got["resource"].GetStringValue() != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}
