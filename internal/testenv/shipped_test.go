package testenv

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestTheShippedConfiguration runs envoy.yaml as it is, but for addresses and
// patience, and looks at what its lines are for.
func TestTheShippedConfiguration(t *testing.T) {
	s := start(t, nil)
	for _, row := range []struct {
		name string
		look func(*setup)
	}{
		{"an MCP client calls a tool", callsATool},
		{"TP-1: credentials stay at the door", strips},
		{"a refusal reaches the client, with CORS", refuses},
		{"a preflight needs no token", preflights},
		{"metadata is asked of the Check, and is 404 without it", metadataRoute},
		{"ambiguous requests are refused", refusesAmbiguity},
		{"a client cannot speak for Envoy", stripsEnvoyHeaders},
		{"an answer cannot send a request elsewhere", boundsTheAnswer},
		{"the access log tells the reason and no token", logs},
		{"doorward that fails is a 503", failsClosed},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.door.answering(allow())
			s.upstream.Forget()
			inner := *s
			inner.T = t
			row.look(&inner)
		})
	}
}

func callsATool(s *setup) {
	session, err := Connect(s.Context(), ClientOptions{Endpoint: s.envoy.URL() + "/mcp"})
	if err != nil {
		s.Fatal(err)
	}
	defer session.Close()
	var said message
	if err := Call(s.Context(), session, "echo", map[string]any{"message": "through the door"}, &said); err != nil {
		s.Fatal(err)
	}
	if said.Message != "through the door" {
		s.Errorf("echo said %q", said.Message)
	}
	if checks, requests := len(s.door.requests()), len(s.upstream.Requests()); checks == 0 || checks != requests {
		s.Errorf("%d Checks for %d requests", checks, requests)
	}
}

func strips(s *setup) {
	s.send("GET", "/mcp?access_token=a&q=1", "authorization: Bearer a", "dpop: a",
		"x-mcp-auth-subject: mallory", "x-mcp-auth-client: forged", "x-mcp-auth-forged.!~: 1", "x-team: forged")
	seen := s.upstream.Requests()
	if len(seen) != 1 {
		s.Fatalf("%d requests arrived instead of 1", len(seen))
	}
	if seen[0].URL != "/mcp?q=1" || seen[0].Host != "mcp.example.com" {
		s.Errorf("arrived for %s at %s", seen[0].Host, seen[0].URL)
	}
	for name, want := range map[string]string{
		"Authorization": "", "Dpop": "", "X-Mcp-Auth-Client": "", "X-Mcp-Auth-Forged.!~": "",
		"X-Mcp-Auth-Subject": "alice", "X-Team": "weather",
	} {
		if got := strings.Join(seen[0].Header[name], ","); got != want {
			s.Errorf("%s arrived as %q, want %q", name, got, want)
		}
	}
	raw := s.door.requests()[0].GetRequest().GetHttp().GetHeaderMap().GetHeaders()
	if len(raw) == 0 {
		s.Error("the Check saw no header_map: encode_raw_headers is off")
	}
}

func refuses(s *setup) {
	s.door.answering(deny())
	response, body := s.send("GET", "/mcp", "Origin: https://app.example.com")
	if response.StatusCode != http.StatusUnauthorized || body != `{"error":"invalid_token"}` {
		s.Errorf("%s %s", response.Status, body)
	}
	for name, want := range map[string]string{
		"WWW-Authenticate":              `Bearer resource_metadata="x"`,
		"Access-Control-Allow-Origin":   "https://app.example.com",
		"Access-Control-Expose-Headers": "www-authenticate, mcp-session-id, dpop-nonce",
	} {
		if got := response.Header.Get(name); got != want {
			s.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if n := len(s.upstream.Requests()); n != 0 {
		s.Errorf("%d requests arrived", n)
	}
}

func preflights(s *setup) {
	for origin, allowed := range map[string]string{"https://app.example.com": "https://app.example.com", "https://evil.example": ""} {
		response, _ := s.send("OPTIONS", "/mcp", "Origin: "+origin, "Access-Control-Request-Method: POST")
		if got := response.Header.Get("Access-Control-Allow-Origin"); response.StatusCode != http.StatusOK || got != allowed {
			s.Errorf("preflight of %s: %s, allowed %q", origin, response.Status, got)
		}
	}
	if checks, requests := len(s.door.requests()), len(s.upstream.Requests()); checks+requests != 0 {
		s.Errorf("%d Checks and %d requests instead of none", checks, requests)
	}
}

func metadataRoute(s *setup) {
	for _, path := range []string{"", "/", "/mcp", "?x"} {
		s.door.answering(allow())
		response, _ := s.send("GET", "/.well-known/oauth-protected-resource"+path)
		if response.StatusCode != http.StatusNotFound || len(s.door.requests()) != 1 {
			s.Errorf("%q: %s after %d Checks", path, response.Status, len(s.door.requests()))
		}
	}
	if n := len(s.upstream.Requests()); n != 0 {
		s.Errorf("%d requests arrived", n)
	}
}

func refusesAmbiguity(s *setup) {
	for intent, request := range map[string][]string{
		"an escaped slash":            {"/mcp%2Fadmin"},
		"an escaped backslash":        {"/mcp%5Cadmin"},
		"a header with an underscore": {"/mcp", "x_mcp_auth_subject: mallory"},
	} {
		response, _ := s.send("GET", request[0], request[1:]...)
		if response.StatusCode != http.StatusBadRequest {
			s.Errorf("%s: %s", intent, response.Status)
		}
	}
	if n := len(s.upstream.Requests()); n != 0 {
		s.Errorf("%d requests arrived", n)
	}
	for path, want := range map[string]string{"/mcp///a": "/mcp/a", "/x/../mcp/./a": "/mcp/a"} {
		s.door.answering(allow())
		s.upstream.Forget()
		s.send("GET", path)
		judged, arrived := s.door.requests()[0].GetRequest().GetHttp().GetPath(), s.upstream.Requests()[0].URL
		if judged != want || arrived != want {
			s.Errorf("%s: judged as %s, arrived as %s, want %s", path, judged, arrived, want)
		}
	}
}

func stripsEnvoyHeaders(s *setup) {
	s.send("GET", "/mcp", "x-envoy-upstream-rq-timeout-ms: 1", "x-envoy-internal: true", "x-envoy-original-path: /", "x-forwarded-for: 10.0.0.1")
	seen := s.upstream.Requests()[0].Header
	for _, name := range []string{"X-Envoy-Upstream-Rq-Timeout-Ms", "X-Envoy-Internal", "X-Envoy-Original-Path"} {
		if got := seen.Get(name); got != "" {
			s.Errorf("%s arrived as %q", name, got)
		}
	}
}

func boundsTheAnswer(s *setup) {
	for _, edit := range []string{":path", ":authority", "x-envoy-retry-on", "x-forwarded-for", "content-length"} {
		answer := allow()
		answer.GetOkResponse().Headers = append(answer.GetOkResponse().Headers, header(edit, "1"))
		s.door.answering(answer)
		if response, _ := s.send("GET", "/mcp"); response.StatusCode != http.StatusInternalServerError {
			s.Errorf("an answer that sets %s: %s", edit, response.Status)
		}
	}
	removal := allow()
	removal.GetOkResponse().HeadersToRemove = []string{"cookie"}
	s.door.answering(removal)
	if response, _ := s.send("GET", "/mcp", "cookie: a=b"); response.StatusCode != http.StatusInternalServerError {
		s.Errorf("an answer that removes another header: %s", response.Status)
	}
	if n := len(s.upstream.Requests()); n != 0 {
		s.Errorf("%d requests arrived", n)
	}
}

func logs(s *setup) {
	s.door.answering(deny())
	s.send("GET", "/logged?access_token=secret", "authorization: Bearer secret")
	line, err := s.envoy.AccessLog.Wait(soon(s.T), "/logged")
	if err != nil {
		s.Fatal(err)
	}
	if strings.Contains(line, "secret") {
		s.Errorf("a token is in the access log: %s", line)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		s.Fatal(err)
	}
	for name, want := range map[string]any{
		"reason": "token_expired", "resource": "weather", "issuer": "https://as", "client_id": "app", "token_id": "t-1",
		"status": 401.0, "method": "GET", "authority": "mcp.example.com", "path": "/logged", "details": "ext_authz_denied",
	} {
		if got[name] != want {
			s.Errorf("%s is logged as %v, want %v", name, got[name], want)
		}
	}
	for _, name := range []string{"time", "client", "request_id", "protocol", "duration_ms"} {
		if got[name] == nil {
			s.Errorf("no %s in the access log", name)
		}
	}
	if _, there := got["upstream"]; there {
		s.Error("a refused request is logged with an upstream")
	}
}

func failsClosed(s *setup) {
	s.door.answering(nil)
	response, _ := s.send("GET", "/mcp")
	if response.StatusCode != http.StatusServiceUnavailable || len(s.upstream.Requests()) != 0 {
		s.Errorf("%s, and %d requests arrived", response.Status, len(s.upstream.Requests()))
	}
}
