package policy_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

// A team asks for one thing more than the built-in rules do: the tenant of the
// token must be the one that the resource is labelled with.
func ExampleCompile() {
	dir, err := os.MkdirTemp("", "policy")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	source := "package authz\n\nrequire.same_tenant if input.claims.tenant == input.resource.labels.tenant\n"
	if err := os.WriteFile(filepath.Join(dir, "tenant.rego"), []byte(source), 0o600); err != nil {
		fmt.Println(err)
		return
	}

	engine, problems := policy.Compile(context.Background(), policy.Sources{Library: rego.Files, Paths: []string{dir}})
	for _, p := range problems {
		fmt.Println(p)
	}

	in := policy.Input{
		Resource: policy.Resource{
			URI:    "https://mcp.example.com/mcp",
			Labels: map[string]string{"tenant": "acme"},
		},
		Claims: map[string]any{"aud": "https://mcp.example.com/mcp", "tenant": "other"},
		Token:  policy.Token{Issuer: "https://as.example.com", Profile: "standard", BoundBy: "aud", Recent: true},
	}
	decision, _, err := engine.For("weather").Decide(context.Background(), in)
	fmt.Println(decision.Outcome == policy.Denied, decision.Rule, err)

	in.Claims["tenant"] = "acme"
	decision, _, err = engine.For("weather").Decide(context.Background(), in)
	fmt.Println(decision.Outcome == policy.Allowed, decision.Strip.Headers, err)

	// Output:
	// true authz.require.same_tenant <nil>
	// true [authorization dpop] <nil>
}
