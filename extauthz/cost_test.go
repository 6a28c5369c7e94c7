package extauthz

import (
	"fmt"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/policy"
)

// TestCostFollowsTheBytes: what a client sends is looked at a bounded number of
// times. Allocations stand for work where there are any; the commas, where
// there are none, are compared with themselves in the same run.
func TestCostFollowsTheBytes(t *testing.T) {
	const many = 60 << 10
	for intent, look := range map[string]func(){
		"a query of nothing but &": func() { _ = checkwire.QueryTokens(strings.Repeat("&", many)) },
		"no semicolon":             func() { _ = checkwire.HidesToken(strings.Repeat("a&", many/2)) },
	} {
		if allocations := testing.AllocsPerRun(3, look); allocations > 40 {
			t.Errorf("%s: %v allocations", intent, allocations)
		}
	}
	cost := func(commas, times int) float64 {
		value := "Bearer " + strings.Repeat(",", commas)
		return float64(testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				for range times {
					twoCredentials(value)
				}
			}
		}).NsPerOp())
	}
	// As many commas in all; quadratic work would make this ratio a thousand.
	if ratio := cost(many, 1) / cost(many/1000, 1000); ratio > 50 {
		t.Errorf("one header of %d commas costs %.0f times as much as a thousand that share them", many, ratio)
	}
}

// TestManyForgedNamesCostTheirBytes: each is removed once, and looked for once.
func TestManyForgedNamesCostTheirBytes(t *testing.T) {
	in := new(request)
	for i := range 5000 {
		in.headers = append(in.headers, checkwire.Header{Name: fmt.Sprintf("x-mcp-auth-%d", i), Value: "forged"})
	}
	v := &verdict{resource: &resource.Resource{}, claims: &token.Claims{}, decision: policy.Decision{Strip: policy.Strip{Headers: []string{"authorization"}}}}
	if got := len(v.removedHeaders(in, nil)); got != 5000+1+len(ownHeaders()) {
		t.Errorf("%d removed", got)
	}
}

// TestWeightCountsWhatIsHeld, where the text is short and the values are many.
func TestWeightCountsWhatIsHeld(t *testing.T) {
	const many = 5000
	scopes := &token.Claims{Scopes: make([]string, many)}
	if got := weight(scopes); got < 16*many {
		t.Errorf("%d scopes weigh %d bytes", many, got)
	}
	objects := make([]any, many)
	for i := range objects {
		objects[i] = map[string]any{}
	}
	if got := weight(&token.Claims{All: map[string]any{"a": objects}}); got < 48*many {
		t.Errorf("%d objects weigh %d bytes", many, got)
	}
}
