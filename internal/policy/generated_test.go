package policy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/policy"
)

// generate writes a random module of a team from the forms that the contract
// allows, some of which fail while they are evaluated.
func generate(r *rand.Rand) string {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	condition := func() string {
		return pick(`true`, `false`, `input.claims.tenant == "acme"`, `input.claims.org == "acme"`, `not input.claims.org`,
			`"staff" in input.claims.groups`, `input.token.scopes[_] == "mcp:read"`, `to_number(input.claims.tenant) == 1`,
			`not to_number(input.claims.tenant) == 1`, `input.request.method == "POST"`, `data.doorward.audience.matches`,
			`input.claims.aud == "x" with input.claims.aud as "x"`, `count(input.claims) > 2`)
	}
	var module strings.Builder
	module.WriteString("package authz\n\n")
	for i := range 1 + r.IntN(4) {
		switch r.IntN(6) {
		case 0:
			fmt.Fprintf(&module, "require.r%d if %s\n", i, condition())
		case 1:
			fmt.Fprintf(&module, "require.r%d := %s\n", i, pick(`true`, `false`, `"true"`, `1`, `input.claims.email_verified`, `input.claims.org`))
		case 2:
			fmt.Fprintf(&module, "deny contains %s if %s\n", pick(`{"code": "a", "message": "b"}`, `{"code": "A", "message": "b"}`, `true`), condition())
		case 3:
			fmt.Fprintf(&module, "scopes contains %s if %s\n", pick(`"mcp:read"`, `"mcp:admin"`, `""`, `1`), condition())
		case 4:
			fmt.Fprintf(&module, "warn contains %s if %s\n", pick(`{"code": "a"}`, `{}`, `"a"`), condition())
		case 5:
			fmt.Fprintf(&module, "headers[\"x-h%d\"] := %s if %s\n", r.IntN(2), pick(`"a"`, `"b"`, `1`, `input.claims.tenant`), condition())
		}
	}
	return module.String()
}

// Whatever a team writes, a request that is refused without its module is
// refused with it, for the same reason where that one is decided first.
func TestTeamOnlyTightens(t *testing.T) {
	requests := refusals()
	requests["good"] = request()
	without := alone(t)
	r := rand.New(rand.NewPCG(1, 2))
	allowed, refused := 0, 0
	for range 60 {
		module := generate(r)
		with := team(t, map[string]string{"authz.rego": module})
		for name, in := range requests {
			before, err := decide(t.Context(), without, in)
			if err != nil {
				t.Fatal(err)
			}
			after, _ := decide(t.Context(), with, in)
			switch {
			case after.Outcome == policy.Allowed && before.Outcome != policy.Allowed:
				t.Errorf("%s: %v without, allowed with\n%s", name, before.Outcome, module)
			case before.Outcome == policy.AudienceMismatch && after.Outcome != policy.AudienceMismatch:
				t.Errorf("%s: the team's module hides the audience: %v\n%s", name, after.Outcome, module)
			case after.Outcome == policy.Allowed:
				allowed++
			case before.Outcome == policy.Allowed:
				refused++
			}
		}
	}
	if allowed == 0 || refused == 0 {
		t.Errorf("the modules are too much alike: %d allowed, %d refused that were allowed before", allowed, refused)
	}
}

// The same holds for a package of the resource's own; and whatever stands in
// it, a resource without it is judged as if it were not there.
func TestOwnPackageOnlyTightens(t *testing.T) {
	requests := refusals()
	requests["good"] = request()
	without := alone(t)
	r := rand.New(rand.NewPCG(5, 6))
	allowed, refused := 0, 0
	for range 40 {
		module := strings.Replace(generate(r), "package authz", "package authz.maps", 1)
		with := tenants(t, map[string]string{"authz.rego": "package authz", "weather.rego": "package authz.weather", "maps.rego": module})
		for name, in := range requests {
			before, err := decide(t.Context(), without, in)
			if err != nil {
				t.Fatal(err)
			}
			after, _, _ := with.For("maps").Decide(t.Context(), in)
			switch {
			case after.Outcome == policy.Allowed && before.Outcome != policy.Allowed:
				t.Errorf("%s: %v without, allowed with\n%s", name, before.Outcome, module)
			case before.Outcome == policy.AudienceMismatch && after.Outcome != policy.AudienceMismatch:
				t.Errorf("%s: the package hides the audience: %v\n%s", name, after.Outcome, module)
			case after.Outcome == policy.Allowed:
				allowed++
			case before.Outcome == policy.Allowed:
				refused++
			}
			for _, other := range []string{"weather", "plain"} {
				got, _, err := with.For(other).Decide(t.Context(), in)
				if diff := cmp.Diff(before, got); diff != "" || err != nil {
					t.Errorf("%s at %s: error %v, (-without +with another's package):\n%s\n%s", name, other, err, diff, module)
				}
			}
		}
	}
	if allowed == 0 || refused == 0 {
		t.Errorf("the modules are too much alike: %d allowed, %d refused that were allowed before", allowed, refused)
	}
}
