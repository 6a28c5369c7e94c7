package testenv

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// spoof is a transport that behaves like a door: it adds headers, and keeps
// the public Host.
type spoof struct {
	host   string
	header http.Header
}

func (s spoof) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = s.host
	for name, values := range s.header {
		r.Header[name] = values
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestToolsAnswerOnBothWires(t *testing.T) {
	for name, sessions := range map[string]bool{"2026-07-28": false, "with sessions": true} {
		t.Run(name, func(t *testing.T) {
			s, err := StartMCPServer(MCPServerOptions{Sessions: sessions})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			door := &http.Client{Transport: spoof{"mcp.example.com", http.Header{
				"X-Mcp-Auth-Issuer":  {"https://as.example.com"},
				"X-Mcp-Auth-Subject": {"alice"},
				"X-Mcp-Auth-Client":  {"app"},
				"X-Mcp-Auth-Scope":   {"mcp:read mcp:write"},
			}}}
			session, err := Connect(t.Context(), ClientOptions{Endpoint: "http://" + s.Address() + "/mcp", HTTP: door})
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()

			var who Identity
			if err := Call(t.Context(), session, "whoami", nil, &who); err != nil {
				t.Fatal(err)
			}
			want := Identity{"https://as.example.com", "alice", "app", "mcp:read mcp:write"}
			if diff := cmp.Diff(want, who); diff != "" {
				t.Errorf("whoami (-want +got):\n%s", diff)
			}
			var sky forecast
			if err := Call(t.Context(), session, "forecast", map[string]any{"city": "Bern"}, &sky); err != nil {
				t.Fatal(err)
			}
			if sky != (forecast{"Bern", "sunny"}) {
				t.Errorf("forecast: %v", sky)
			}
		})
	}
}

func TestMCPServerRemembersRequests(t *testing.T) {
	s, err := StartMCPServer(MCPServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Address()+"/a%2Fb?access_token=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "mcp.example.com"
	request.Header.Set("Authorization", "Bearer x")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	seen := s.Requests()
	if len(seen) != 1 {
		t.Fatalf("%d requests remembered instead of 1", len(seen))
	}
	if seen[0].Host != "mcp.example.com" || seen[0].URL != "/a%2Fb?access_token=x" || seen[0].Header.Get("Authorization") != "Bearer x" {
		t.Errorf("remembered %+v", seen[0])
	}
	if s.Forget(); len(s.Requests()) != 0 {
		t.Error("requests are left after Forget")
	}
}
