package extauthz_test

import (
	"slices"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
)

// FuzzCheck states the one property that matters: whatever the
// request holds, the answer is a refusal unless the request carries the token that
// our issuer signed, to a path of its resource; the two header forms agree; and
// no refusal can be taken for an allow.
func FuzzCheck(f *testing.F) {
	d := startService(f)
	good := d.token()
	f.Add("POST", "mcp.example.com", "/mcp", "Bearer "+good, "", "", "")
	f.Add("GET", "MCP.example.com:443", "/mcp/x?access_token="+good, "", "https://evil.example.com", "x-mcp-auth-subject", "eve")
	f.Add("OPTIONS", "mcp.example.com", "/.well-known/oauth-protected-resource/mcp", "Bearer a, Bearer b", "null", "x_mcp_auth_issuer", "eve")
	f.Add("POST", "weather.ns.svc:8443", "/mcp?a=b;access_token=c", "bearer  "+good, "https://app.example.com", "dpop", "x")
	f.Add("POST", "mcp.example.com", "/mcp/..;/other%2f", "Basic dTpw", "", "\xff", "\xfe")
	f.Fuzz(func(t *testing.T, method, host, path, authorization, origin, name, value string) {
		question := clientRequest{method: method, host: host, path: path}
		for _, header := range [][2]string{{"authorization", authorization}, {"origin", origin}, {name, value}} {
			if header[1] != "" {
				question.headers = append(question.headers, header)
			}
		}
		joined, apart := d.server.Check(t.Context(), question.joined()), d.server.Check(t.Context(), question.apart())
		got := readResponse(t, joined)
		if other := readResponse(t, apart); got != other && name != "authorization" {
			t.Errorf("headers: %+v, header_map: %+v", got, other)
		}
		checkAllowed(t, joined, got)
		if got.reason == "allowed" && !slices.Contains([]string{"Bearer " + good, "bearer  " + good}, authorization) && !carries(authorization, good) {
			t.Errorf("allowed with %q", authorization)
		}
	})
}

// carries reports a good token behind any spelling of the scheme.
func carries(authorization, good string) bool {
	return len(authorization) > len(good) && authorization[len(authorization)-len(good):] == good
}

func checkAllowed(t *testing.T, response *authv3.CheckResponse, got wireAnswer) {
	t.Helper()
	ok := response.GetOkResponse()
	if (ok != nil) != (got.reason == "allowed") || (ok != nil) != (response.GetStatus().GetCode() == 0) {
		t.Fatalf("%s under status %v", got.reason, response.GetStatus())
	}
	if ok == nil {
		return
	}
	if !slices.Contains(ok.GetHeadersToRemove(), "authorization") {
		t.Error("an allow that leaves the credential on the request")
	}
	for _, option := range ok.GetHeaders() {
		if slices.Contains(ok.GetHeadersToRemove(), option.GetHeader().GetKey()) {
			t.Errorf("%s is set and removed", option.GetHeader().GetKey())
		}
	}
}
