package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// envoyMembers are the members of that plugin's input, the longest first, and
// what a rule reads here.
func envoyMembers() [][2]string {
	return [][2]string{
		{"attributes.request.http.method", "input.request.method"},
		{
			"attributes.request.http.path",
			"input.request.path, which ends before the question mark, and input.request.query",
		},
		{"attributes.request.http.host", "input.request.host"},
		{"attributes.request.http.scheme", "input.request.scheme"},
		{"attributes.request.http.query", "input.request.query"},
		{"attributes.request.http.id", "input.request.id"},
		{"attributes.request.http.headers.authorization", "input.claims and input.token, which have been verified"},
		{"attributes.request.http.headers", `input.request.headers["NAME"][0]`},
		{"attributes.request", "input.request"},
		{"attributes.source.principal", "input.request.source_principal"},
		{"attributes.source", "input.request.source_address"},
		{"attributes.destination", "input.resource"},
		{"attributes.contextExtensions", "input.resource.name or input.resource.labels"},
		{"attributes.context_extensions", "input.resource.name or input.resource.labels"},
		{"attributes.metadataContext", "input.claims"},
		{"attributes.metadata_context", "input.claims"},
		{"attributes", "input.request, input.resource, input.claims or input.token"},
		{"parsed_path", `split(trim_prefix(input.request.path, "/"), "/")`},
		{"parsed_query", "input.request.query"},
		{"parsed_body", "a rule without it, a body never reaches doorward"},
		{"truncated_body", "a rule without it, a body never reaches doorward"},
	}
}

// Foreign reports a reference to the input of opa-envoy-plugin, and what to write
// instead; both are "" for any other reference.
func Foreign(ref ast.Ref) (message, fix string) {
	if !ref.HasPrefix(ast.InputRootRef) {
		return "", ""
	}
	var path []string
	for _, term := range ref[1:].GroundPrefix() {
		name, _ := term.Value.(ast.String)
		path = append(path, string(name))
	}
	for _, member := range envoyMembers() {
		theirs := strings.Split(member[0], ".")
		if len(path) < len(theirs) || !slices.Equal(path[:len(theirs)], theirs) {
			continue
		}
		ours := member[1]
		if len(path) > len(theirs) && strings.HasSuffix(member[0], ".headers") {
			ours = strings.Replace(ours, "NAME", strings.ToLower(path[len(theirs)]), 1)
		}
		return fmt.Sprintf("%s is opa-envoy-plugin's, and never there", ref.GroundPrefix()), "write " + ours
	}
	return "", ""
}
