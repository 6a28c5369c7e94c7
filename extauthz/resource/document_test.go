package resource

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// PR-1, PR-5, PR-6, PR-7: the documents to the byte.
func TestDocumentBody(t *testing.T) {
	tests := []struct {
		intent string
		spec   Spec
		want   string
	}{
		{
			"the least there is: no scopes, no empty members",
			Spec{URI: "https://h.example/mcp", Issuers: []string{issuer}},
			`{"resource":"https://h.example/mcp","authorization_servers":["https://as.example.com"],"bearer_methods_supported":["header"]}`,
		},
		{
			"the resource and its issuers byte for byte",
			Spec{URI: "https://h.example/", Issuers: []string{"https://as.example.com/", "https://AS.example.com/t?a=1&b=<2>"}},
			`{"resource":"https://h.example/","authorization_servers":["https://as.example.com/","https://AS.example.com/t?a=1&b=<2>"],"bearer_methods_supported":["header"]}`,
		},
		{
			"scopes_supported defaults to the scopes",
			Spec{URI: "https://h.example", Issuers: []string{issuer}, Scopes: []string{"mcp:read"}},
			`{"resource":"https://h.example","authorization_servers":["https://as.example.com"],"scopes_supported":["mcp:read"],"bearer_methods_supported":["header"]}`,
		},
		{
			"metadata gives scopes_supported, in its usual place",
			Spec{
				URI: "https://h.example", Issuers: []string{issuer}, Scopes: []string{"mcp:read"},
				Metadata: map[string]any{"scopes_supported": []any{"mcp:read", "mcp:write"}},
			},
			`{"resource":"https://h.example","authorization_servers":["https://as.example.com"],"scopes_supported":["mcp:read","mcp:write"],"bearer_methods_supported":["header"]}`,
		},
		{
			"metadata keeps scopes_supported back",
			Spec{
				URI: "https://h.example", Issuers: []string{issuer}, Scopes: []string{"mcp:read"},
				Metadata: map[string]any{"scopes_supported": []any{}},
			},
			`{"resource":"https://h.example","authorization_servers":["https://as.example.com"],"bearer_methods_supported":["header"]}`,
		},
		{
			"X-2: where DPoP is taken, the algorithms of proofs",
			Spec{URI: "https://h.example", Issuers: []string{issuer}, DPoP: "optional", ProofAlgorithms: []string{"ES256"}},
			`{"resource":"https://h.example","authorization_servers":["https://as.example.com"],"bearer_methods_supported":["header"],"dpop_signing_alg_values_supported":["ES256"]}`,
		},
		{
			"X-2: where DPoP is required, that too",
			Spec{URI: "https://h.example", Issuers: []string{issuer}, DPoP: "required", ProofAlgorithms: []string{"ES256"}},
			`{"resource":"https://h.example","authorization_servers":["https://as.example.com"],"bearer_methods_supported":["header"],"dpop_signing_alg_values_supported":["ES256"],"dpop_bound_access_tokens_required":true}`,
		},
		{
			"where it is off, nothing of it",
			Spec{URI: "https://h.example", Issuers: []string{issuer}, DPoP: "off", ProofAlgorithms: []string{"ES256"}},
			`{"resource":"https://h.example","authorization_servers":["https://as.example.com"],"bearer_methods_supported":["header"]}`,
		},
		{
			"more members in the order of their names, without the empty ones",
			Spec{
				URI: "https://h.example", Issuers: []string{issuer},
				Metadata: map[string]any{
					"resource_name":          `Tom & "Jerry" <x>`,
					"resource_name#fr":       "Météo",
					"resource_documentation": "https://h.example/docs?a=1&b=2",
					"x_number":               1, "x_real": 1.5, "x_false": false,
					"x_object": map[string]any{"b": "", "a": []any{1, nil}},
					"x_string": "", "x_list": []any{}, "x_empty": map[string]any{}, "x_null": nil,
				},
			},
			`{"resource":"https://h.example","authorization_servers":["https://as.example.com"],"bearer_methods_supported":["header"],` +
				`"resource_documentation":"https://h.example/docs?a=1&b=2","resource_name":"Tom & \"Jerry\" <x>","resource_name#fr":"Météo",` +
				`"x_false":false,"x_number":1,"x_object":{"a":[1,null],"b":""},"x_real":1.5}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			tb := table(t, tt.spec)
			path := strings.TrimPrefix(tb.All()[0].MetadataURL, "https://h.example")
			got := tb.Document("GET", "h.example", path)
			if diff := cmp.Diff(Document{Name: tb.All()[0].Name, Status: 200, MaxAge: time.Hour, Body: []byte(tt.want)}, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, got.Body)
			}
		})
	}
}

// A value that JSON cannot hold is no document, though NewTable lets none
// come so far.
func TestEncodeDocumentFails(t *testing.T) {
	s := spec("https://h.example")
	s.Metadata = map[string]any{"x": math.NaN()}
	if got, err := encodeDocument(s, ""); err == nil {
		t.Errorf("encodeDocument = %s", got)
	}
}

// PR-2, PR-3: which document a path means. The table names what answers; ""
// is a 404.
func TestDocumentPath(t *testing.T) {
	const (
		alone    = "https://alone.example/mcp"
		deep     = "https://two.example/a/"
		second   = "https://two.example/b"
		bare     = "https://two.example/c"
		slashed  = "https://two.example/c/"
		origin   = "https://origin.example/"
		below    = "https://origin.example/mcp"
		ported   = "https://two.example:8443/p"
		canon    = "https://canon.example/mcp"
		rival    = "https://rival.example/mcp"
		internal = "http://svc.ns:8080/one"
	)
	tb := table(t,
		spec(alone, "http://alone.ns:8080/inside"),
		spec(deep, "http://shared.ns/a"), spec(second, "http://shared.ns/b"), spec(bare), spec(slashed),
		spec(origin, "http://origin.ns/x"), spec(below),
		spec(ported),
		spec(canon, internal, "http://taken.ns/x"), spec(rival, "http://svc.ns:8080/two", "http://taken.ns/mcp"))

	tests := []struct {
		intent, authority, path string
		want                    string
	}{
		{"the path form", "alone.example", wellKnown + "/mcp", alone},
		{"the path form with the default port", "alone.example:443", wellKnown + "/mcp", alone},
		{"the path form with a query", "alone.example", wellKnown + "/mcp?x=/y", alone},
		{"the host in capitals", "ALONE.example", wellKnown + "/mcp", alone},
		{"the bare form of an only resource", "alone.example", wellKnown, alone},
		{"the bare form with a slash", "alone.example", wellKnown + "/", alone},
		{"the bare form with a query", "alone.example", wellKnown + "?x", alone},
		{"below the path", "alone.example", wellKnown + "/mcp/x", ""},
		{"the path with a slash at its end", "alone.example", wellKnown + "/mcp/", alone},
		{"the path with two slashes at its end", "alone.example", wellKnown + "/mcp//", ""},
		{"the path with a slash at its end and a query", "alone.example", wellKnown + "/mcp/?x", alone},
		{"the path in capitals", "alone.example", wellKnown + "/MCP", ""},
		{"another path", "alone.example", wellKnown + "/x", ""},
		{"an unsafe path", "alone.example", wellKnown + "/x/../mcp", ""},
		{"a doubled slash", "alone.example", wellKnown + "//mcp", ""},
		{"an escaped letter", "alone.example", wellKnown + "/%6dcp", ""},
		{"another host", "other.example", wellKnown, ""},
		{"another port", "alone.example:8443", wellKnown, ""},
		{"a host that is none", "alone.example.", wellKnown, ""},
		{"a path that is no metadata path", "alone.example", "/mcp", ""},
		{"a longer word than the prefix", "alone.example", wellKnown + "s", ""},

		{"an also_at host by its own path", "alone.ns:8080", wellKnown + "/inside", alone},
		{"an also_at host by the canonical path", "alone.ns:8080", wellKnown + "/mcp", alone},
		{"an also_at host by the canonical path and a slash", "alone.ns:8080", wellKnown + "/mcp/", alone},
		{"an also_at host by the bare form", "alone.ns:8080", wellKnown, alone},
		{"an also_at path on the canonical host", "alone.example", wellKnown + "/inside", ""},

		{"a path that ends in a slash keeps it", "two.example", wellKnown + "/a/", deep},
		{"a path that ends in a slash is not the one without", "two.example", wellKnown + "/a", ""},
		{"a path that ends in a slash has no second one", "two.example", wellKnown + "/a//", ""},
		{"a path with a slash at its end that is another resource's", "two.example", wellKnown + "/c/", slashed},
		{"and that resource without it", "two.example", wellKnown + "/c", bare},
		{"the second of two", "two.example", wellKnown + "/b", second},
		{"the bare form of two is nobody's", "two.example", wellKnown, ""},
		{"the bare form of two with a slash", "two.example", wellKnown + "/", ""},
		{"another port is another site", "two.example:8443", wellKnown, ported},
		{"the bare form of two on a shared also_at host", "shared.ns", wellKnown, ""},

		{"a resource that is a whole host owns the bare form", "origin.example", wellKnown, origin},
		{"so it does with a slash", "origin.example", wellKnown + "/", origin},
		{"its neighbour has the path form", "origin.example", wellKnown + "/mcp", below},

		{"a canonical path that two resources would have", "svc.ns:8080", wellKnown + "/mcp", ""},
		{"a canonical path that is another's also_at path", "taken.ns", wellKnown + "/mcp", rival},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			d := tb.Document("GET", tt.authority, tt.path)
			if tt.want == "" {
				if d.Status != http.StatusNotFound {
					t.Errorf("status %d, want 404: %s", d.Status, d.Body)
				}
				return
			}
			if prefix := `{"resource":"` + tt.want + `",`; d.Status != 200 || !strings.HasPrefix(string(d.Body), prefix) {
				t.Errorf("status %d, body %s, want 200 for %s", d.Status, d.Body, tt.want)
			}
		})
	}
}

// PR-6, PR-11: methods and headers, to the byte.
func TestDocumentAnswer(t *testing.T) {
	tb := table(t, spec("https://h.example/mcp"))
	cors := [2]string{"access-control-allow-origin", "*"}
	json := [2]string{"content-type", "application/json"}
	noStore := [2]string{"cache-control", "no-store"}
	found := [][2]string{cors, {"cache-control", "public, max-age=3600"}, json}
	document := `{"resource":"https://h.example/mcp","authorization_servers":["https://as.example.com"],"bearer_methods_supported":["header"]}`
	notAllowed := [][2]string{cors, noStore, json, {"allow", "GET, HEAD, OPTIONS"}}
	tests := []struct {
		method, path string
		status       int
		headers      [][2]string
		body         string
	}{
		{"GET", "/mcp", 200, found, document},
		{"HEAD", "/mcp", 200, found, document},
		{"OPTIONS", "/mcp", 204, [][2]string{
			cors,
			{"access-control-allow-methods", "GET, HEAD, OPTIONS"},
			{"access-control-allow-headers", "authorization, accept, content-type, mcp-protocol-version, *"},
			{"access-control-max-age", "3600"},
		}, ""},
		{"POST", "/mcp", 405, notAllowed, `{"error":"method_not_allowed"}`},
		{"get", "/mcp", 405, notAllowed, `{"error":"method_not_allowed"}`},
		{"", "/mcp", 405, notAllowed, `{"error":"method_not_allowed"}`},
		{"GET", "/x", 404, [][2]string{cors, noStore, json}, `{"error":"not_found"}`},
		{"POST", "/x", 404, [][2]string{cors, noStore, json}, `{"error":"not_found"}`},
		{"OPTIONS", "/x", 404, [][2]string{cors, noStore, json}, `{"error":"not_found"}`},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			d := tb.Document(tt.method, "h.example", wellKnown+tt.path)
			if d.Status != tt.status || string(d.Body) != tt.body {
				t.Errorf("status %d, body %s; want %d, %s", d.Status, d.Body, tt.status, tt.body)
			}
			if diff := cmp.Diff(tt.headers, d.Headers()); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIsOnAMetadataPath(t *testing.T) {
	for path, want := range map[string]bool{
		"/.well-known/oauth-protected-resource":          true,
		"/.well-known/oauth-protected-resource/":         true,
		"/.well-known/oauth-protected-resource/mcp":      true,
		"/.well-known/oauth-protected-resource/../x":     true, // answered 404
		"/.well-known/oauth-protected-resource?x":        true,
		"/.well-known/oauth-protected-resourcex":         false,
		"/.well-known/oauth-protected-resource%2fmcp":    false,
		"/.Well-Known/oauth-protected-resource":          false,
		"/x?/.well-known/oauth-protected-resource":       false,
		"/x/.well-known/oauth-protected-resource":        false,
		"/.well-known/oauth-authorization-server":        false,
		"/.well-known/oauth-protected-resource;x/mcp":    false,
		"//.well-known/oauth-protected-resource":         false,
		"/.well-known/oauth-protected-resource\\x":       false,
		"https://h/.well-known/oauth-protected-resource": false,
		"": false,
	} {
		if got := isUnder(path, wellKnown); got != want {
			t.Errorf("isUnder(%q, wellKnown) = %v, want %v", path, got, want)
		}
	}
}

// TestIsMetadata: a client that looks for an authorization server on the host
// of a resource learns that there is none.
func TestIsMetadata(t *testing.T) {
	const rfc8414, openID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	tb := table(t, spec("https://h.example/mcp", "http://h.ns:8080/inside"), spec("https://o.example"))
	for _, row := range []struct {
		authority, path string
		want            bool
	}{
		{"h.example", wellKnown + "/mcp", true},
		{"other.example", wellKnown, true},
		{"h.example", rfc8414, true},
		{"h.example", rfc8414 + "/", true},
		{"H.example:443", rfc8414 + "/mcp", true},
		{"h.example", rfc8414 + "/../x", true},
		{"h.example", openID + "?x", true},
		{"h.ns:8080", openID + "/tenant", true},
		{"o.example", openID, true},
		{"other.example", rfc8414, false},
		{"h.example:8443", openID, false},
		{"h.example.", openID, false},
		{"", openID, false},
		{"h.example", rfc8414 + "x", false},
		{"h.example", "/mcp" + openID, false},
		{"h.example", "/.well-known/jwks.json", false},
		{"h.example", "/mcp", false},
	} {
		if got := tb.IsMetadata(row.authority, row.path); got != row.want {
			t.Errorf("IsMetadata(%q, %q) = %v", row.authority, row.path, got)
		}
		discovers := strings.HasPrefix(row.path, rfc8414) || strings.HasPrefix(row.path, openID)
		if d := tb.Document("GET", row.authority, row.path); discovers && d.Status != http.StatusNotFound {
			t.Errorf("%s on %q is answered with %d", row.path, row.authority, d.Status)
		}
	}
}

// FuzzDocument: a document is found on its own authority alone, and by a
// configured path alone; there is always one of four answers.
func FuzzDocument(f *testing.F) {
	tb := table(f, spec("https://h.example/mcp"), spec("https://h.example/a/"), spec("https://o.example"))
	paths := map[string]bool{"": true, "/": true, "/mcp": true, "/mcp/": true, "/a/": true}
	f.Add("GET", "h.example", wellKnown+"/mcp")
	f.Add("OPTIONS", "o.example", wellKnown+"/?q")
	f.Add("POST", "h.example", wellKnown+"/%6dcp")
	f.Fuzz(func(t *testing.T, method, authority, path string) {
		d := tb.Document(method, authority, path)
		d.Headers()
		if d.Status == 404 {
			return
		}
		path, _, _ = strings.Cut(path, "?")
		if !paths[strings.TrimPrefix(path, wellKnown)] || d.Status != 200 && d.Status != 204 && d.Status != 405 {
			t.Fatalf("Document(%q, %q, %q) = %d", method, authority, path, d.Status)
		}
	})
}
