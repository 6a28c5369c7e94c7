package service

import (
	"slices"
	"testing"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/bundles"
	"github.com/doorward/doorward/internal/config"
)

// TestPolicySourcesNameTheRevocationList: doorward reads the list itself, so no
// warning says that no rule reads it.
func TestPolicySourcesNameTheRevocationList(t *testing.T) {
	cfg := &config.Config{Resources: &resource.Table{}, Bundles: []bundles.Options{{Name: "rules"}, {Name: "lists", Revocations: "security/revocations"}}}
	if got := PolicySources(cfg, nil, config.Packages{}).DataRead; !slices.Equal(got, []string{"security/revocations"}) {
		t.Errorf("%q", got)
	}
}
