package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAPolicyForAnotherDoor, written for opa-envoy-plugin, is told at each place
// what to write here.
func TestAPolicyForAnotherDoor(t *testing.T) {
	got := problemsOf(t, map[string]string{"a.rego": `package envoy.authz

import input.attributes.request.http as http_request

default allow := false

allow if {
	http_request.method == "GET"
	startswith(http_request.path, "/public")
	input.parsed_path[0] == "public"
}

allow if http_request.headers["x-team"] == "a"

allow if {
	[_, payload, _] := io.jwt.decode(token)
	payload.role == "admin"
}

token := t if [_, t] := split(http_request.headers.authorization, " ")

request_headers_to_remove := ["x-secret"]
`})
	want := []string{
		"a.rego:10:2: input.parsed_path[0] is opa-envoy-plugin's, and never there: write split(trim_prefix(input.request.path, \"/\"), \"/\")",
		"a.rego:13:10: input.attributes.request.http.headers[\"x-team\"] is opa-envoy-plugin's, and never there: write input.request.headers[\"x-team\"][0]",
		"a.rego:16:21: warning: the token of the request is verified before any rule, and is never in input: write input.claims instead of io.jwt.decode",
		"a.rego:1:1: warning: package envoy.authz is evaluated for no resource, and no other package reads it, so nothing in this file decides: write package authz",
		"a.rego:20:31: input.attributes.request.http.headers.authorization is opa-envoy-plugin's, and never there: write input.claims and input.token, which have been verified",
		"a.rego:22:1: warning: request_headers_to_remove decides nothing, no rule reads it: leave it out, credentials are removed from every request",
		"a.rego:7:1: warning: allow decides nothing, no rule reads it: write require[\"NAME\"] if … for what must hold, or deny contains … for what must not",
		"a.rego:8:2: input.attributes.request.http.method is opa-envoy-plugin's, and never there: write input.request.method",
		"a.rego:9:13: input.attributes.request.http.path is opa-envoy-plugin's, and never there: write input.request.path, which ends before the question mark, and input.request.query",
	}
	if diff := cmp.Diff(strings.Join(want, "\n"), strings.Join(sortedLines(got), "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFilesThatDecideNothing are told of, once; those that a decision reads in
// any way are not.
func TestFilesThatDecideNothing(t *testing.T) {
	const judged = "package authz\n\nrequire[\"a\"] if data.lib.fine\n"
	const lib = "package lib\n\nfine if input.claims.a\n"
	for _, tt := range []struct {
		intent, source string
		want           string // "" for nothing
	}{
		{"allow for another door", "package envoy.authz\n\nallow if input.request.method == \"GET\"\n", "b.rego:1:1: warning: package envoy.authz is evaluated for no resource, "},
		{"words of its own", "package policy\n\npermitted := true\n", "b.rego:1:1: warning: package policy is evaluated for no resource, "},
		{"a package below authz", "package authz.helpers\n\nfine if input.claims.a\n", "b.rego:1:1: warning: nothing in this file reaches a decision, "},
		{"read by what nobody reads", "package authz.helpers\n\nfine if data.authz.helpers.more\n\nmore if input.claims.a\n", "b.rego:1:1: warning: nothing in this file reaches a decision, "},
		{"a function that nobody calls", "package authz.helpers\n\nf(x) := x\n", "b.rego:1:1: warning: nothing in this file reaches a decision, "},
		{"a part of a package that is read", "package lib\n\nelse_where if input.claims.a\n", "b.rego:1:1: warning: nothing in this file reaches a decision, "},
		{"more of the judged package", "package authz\n\nrequire[\"b\"] if input.claims.a\n", ""},
		{"requirements by another package", "package authz.require\n\nb if input.claims.a\n", ""},
		{"nothing but comments", "package policy\n\n# Nothing yet.\n", ""},
	} {
		got := problemsOf(t, map[string]string{"a.rego": judged, "lib.rego": lib, "b.rego": tt.source})
		told := 0
		for _, line := range got {
			if tt.want != "" && strings.HasPrefix(line, tt.want) {
				told++
			}
		}
		if tt.want != "" && told != 1 || tt.want == "" && len(got) > 0 {
			t.Errorf("%s: %q", tt.intent, got)
		}
	}
}

func sortedLines(lines []string) []string {
	slices.Sort(lines)
	return lines
}
