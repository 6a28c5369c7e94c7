package extauthz_test

import (
	"testing"

	"github.com/doorward/doorward/extauthz/resource"
)

// TestNoSpellingOfAURIPassesAnEntry: a server that decodes what its template matches,
// or that parses the URI, reads the resource of another entry.
func TestNoSpellingOfAURIPassesAnEntry(t *testing.T) {
	d := startService(t, remember, rememberDecisions, byOperation(func(s *resource.Spec) {
		s.Operations = []resource.Operation{
			{Method: "resources/read", Name: "file:///secret/*", Scopes: []string{"mcp:admin"}},
			{Method: "resources/read", Name: "https://h/secret/*", Scopes: []string{"mcp:admin"}},
			{Method: "resources/read", Name: "docs://page/*"},
		}
	}))
	for uri, want := range map[string]string{
		"file:///secret/key":                           "insufficient_scope",
		"file:///secret%2Fkey":                         "operation_unknown",
		"file:///secret%5Ckey":                         "operation_unknown",
		"file:///secret%2F%2Fkey":                      "operation_unknown",
		"file:///%2Fsecret/key":                        "operation_unknown",
		"file:///public/..%2Fsecret/key":               "operation_unknown",
		"file:///public%2F..%2Fsecret/key":             "operation_unknown",
		"https://@h/secret/key":                        "operation_unknown",
		"https://h/secret%2Fkey":                       "operation_unknown",
		"file:///public%2Fkey":                         "allowed",
		"docs://page/https%3A%2F%2Fh%2Fa":              "allowed",
		"docs://page%2Fa":                              "operation_unknown",
		"file:///secret%252Fkey":                       "allowed", // a name with a percent sign
		"https://other/?u=https%3A%2F%2Fh%2Fsecret%2F": "allowed",
	} {
		for _, method := range []string{"resources/read", "resources/subscribe"} {
			ask := post(d.token(), `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":{"uri":"`+uri+`"}}`)
			for range 2 {
				if got := readResponse(t, d.check(t, ask.joined())).reason; got != want {
					t.Errorf("%s %s: %s, want %s", method, uri, got, want)
				}
			}
		}
	}
}
