package extauthz_test

import (
	"testing"
	"time"

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

// TestNewsOfAResourceNeedsItsEntry: subscriptions/listen of revision 2026-07-28 takes
// the place of resources/subscribe.
func TestNewsOfAResourceNeedsItsEntry(t *testing.T) {
	listen := func(uris string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":[` + uris + `]}}}`
	}
	secret := resource.Operation{Method: "resources/read", Name: "memo:secret", Scopes: []string{"mcp:admin"}}
	own := resource.Operation{Method: "subscriptions/listen"}
	any := resource.Operation{Method: "*"}
	listed := []resource.Operation{{Method: "subscriptions/listen"}, {Method: "resources/subscribe", Name: "memo:open"}}
	for _, row := range []struct {
		intent     string
		operations []resource.Operation
		isOpen     bool // without a token
		ask        func(token string) clientRequest
		want       string
	}{
		{"none", []resource.Operation{secret}, false, func(c string) clientRequest { return post(c, listen("")) }, "allowed"},
		{"of an open one", []resource.Operation{secret}, false, func(c string) clientRequest { return post(c, listen(`"memo:open"`)) }, "allowed"},
		{"of a secret one", []resource.Operation{secret}, false, func(c string) clientRequest { return post(c, listen(`"memo:open","memo:secret"`)) }, "insufficient_scope"},
		{"of a secret one, with an own entry", []resource.Operation{own, secret}, false, func(c string) clientRequest { return post(c, listen(`"memo:secret"`)) }, "insufficient_scope"},
		{"of unknown ones, by headers", []resource.Operation{secret, any}, false, func(c string) clientRequest { return post(c, "").withHeaders("subscriptions/listen", "") }, "operation_unknown"},
		{"of unknown ones, by metadata", []resource.Operation{secret}, false, func(c string) clientRequest { return post(c, "").withMetadata("subscriptions/listen", "") }, "operation_unknown"},
		{"by headers, with an own entry", []resource.Operation{secret, own}, false, func(c string) clientRequest { return post(c, "").withHeaders("subscriptions/listen", "") }, "allowed"},
		{"by headers, where no resource needs more", []resource.Operation{any}, false, func(c string) clientRequest { return post(c, "").withHeaders("subscriptions/listen", "") }, "allowed"},
		{"open to all", []resource.Operation{secret}, true, func(string) clientRequest { return post("", listen(`"memo:open"`)) }, "allowed_anonymous"},
		{"one that is not open to all", []resource.Operation{secret}, true, func(string) clientRequest { return post("", listen(`"memo:open","memo:other"`)) }, "no_credentials"},
	} {
		d := startService(t, remember, rememberDecisions, byOperation(func(s *resource.Spec) {
			s.Operations, s.MCP = row.operations, resource.MCP{HeadersChecked: true, FilterMetadata: true}
			if row.isOpen {
				s.Anonymous = listed
			}
		}))
		for range 2 {
			if got := readResponse(t, d.check(t, row.ask(d.token()).joined())).reason; got != row.want {
				t.Errorf("%s: %s, want %s", row.intent, got, row.want)
			}
		}
	}
}

// TestWhatIsOpenByMethodAloneOpensNoNamedEntry: an entry for some resources closes them
// also where all the others need no token.
func TestWhatIsOpenByMethodAloneOpensNoNamedEntry(t *testing.T) {
	read := func(method, uri string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{"uri":"` + uri + `"}}`
	}
	d := startService(t, remember, rememberDecisions, byOperation(func(s *resource.Spec) {
		s.Operations = []resource.Operation{
			{Method: "resources/read", Name: "memo:secret/*", Scopes: []string{"mcp:admin"}},
			{Method: "resources/read", Name: "memo:old", MaxAge: time.Minute},
			{Method: "resources/read", Name: "memo:listed"},
			{Method: "resources/read", Name: "memo:named", Scopes: []string{"mcp:admin"}},
		}
		s.Anonymous = []resource.Operation{
			{Method: "resources/read", Name: "memo:named"}, {Method: "resources/read"}, {Method: "resources/subscribe"},
		}
	}))
	for body, want := range map[string]string{
		read("resources/read", "memo:open"):            "allowed_anonymous",
		read("resources/read", "memo:listed"):          "allowed_anonymous",
		read("resources/read", "memo:named"):           "allowed_anonymous", // check warns
		read("resources/read", "memo:secret/key"):      "no_credentials",
		read("resources/read", "memo:secret%2Fkey"):    "no_credentials",
		read("resources/read", "memo:old"):             "no_credentials",
		read("resources/subscribe", "memo:secret/key"): "no_credentials",
		read("resources/subscribe", "memo:open"):       "allowed_anonymous",
	} {
		if got := readResponse(t, d.check(t, post("", body).joined())).reason; got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}
