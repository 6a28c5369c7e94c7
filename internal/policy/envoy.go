package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/extauthz/finding"
)

// A policy that was written for opa-envoy-plugin has other names for the same
// things: the warnings say what to write here. Package lint has the members of its
// input.

// envoyRule is what to write for a rule that opa-envoy-plugin reads and doorward
// does not, "" for any other name.
func envoyRule(name string) string {
	switch {
	case slices.Contains([]string{"allow", "allowed", "result"}, name):
		return writeRequireOrDeny()
	case slices.Contains([]string{"http_status", "status_code", "body", "response_headers_to_add"}, name):
		return fmt.Sprintf(`write %s contains {"code": "…", "message": "…"}, the code reaches the client`, denyName)
	case slices.Contains([]string{"request_headers_to_remove", "query_parameters_to_remove"}, name):
		return "leave it out, credentials are removed from every request"
	}
	return ""
}

// writeRequireOrDeny is the fix of a rule by which a policy for another evaluator
// allows a request.
func writeRequireOrDeny() string {
	return fmt.Sprintf(`write %s["NAME"] if … for what must hold, or %s contains … for what must not`,
		requireName, denyName)
}

// foreign warns of the rules with such a name in a package that is not read, each
// name once.
func foreign(m *ast.Module) finding.List {
	var problems finding.List
	var reported []string
	for _, rule := range m.Rules {
		name := strings.Trim(rule.Head.Ref()[0].String(), `"`)
		write := envoyRule(name)
		if write == "" || rule.Default || slices.Contains(reported, name) {
			continue
		}
		reported = append(reported, name)
		problems = append(problems, warningAt(rule.Location, name+" decides nothing, no rule reads it", write))
	}
	return problems
}
