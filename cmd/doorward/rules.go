package main

import (
	"fmt"
	"strings"

	"github.com/doorward/doorward/internal/explain"
	"github.com/doorward/doorward/internal/policy"
)

// rulesInForce lists the team's rules for a resource, a line each. While a bundle
// is missing they are not known.
func rulesInForce(engine *policy.Engine, resource string) string {
	if len(engine.Missing()) > 0 {
		return ""
	}
	rules := engine.Rules(resource)
	if len(rules) == 0 {
		return "  no rules of your own: the built-in rules alone decide, on audience and scopes\n"
	}
	var b strings.Builder
	for _, rule := range rules {
		name := rule.Name
		if rule.Code != "" {
			name += ":" + rule.Code
		}
		fmt.Fprintf(&b, "  %s  %s:%d:%d\n", name, explain.RelativePaths(rule.File), rule.Line, rule.Column)
	}
	return b.String()
}
