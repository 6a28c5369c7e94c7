package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/testenv/providers"
)

// TestTheTokensOfProviders: explain has the reason that the row of each token names, and for one that is allowed by which
// way it shows that it is for the resource, under the configuration that the guide shows.
func TestTheTokensOfProviders(t *testing.T) {
	for _, p := range providers.All() {
		t.Run(p.Name, func(t *testing.T) {
			f := newFolder(t)
			f.write(t, "keys.json", string(p.JWKS()))
			for _, row := range p.Rows() {
				want := row.Reason
				if want == "" {
					want = "allowed"
				}
				f.write(t, "doorward.yaml", p.YAML(row.Under, "keys.json"))
				f.write(t, "token.txt", p.Token(row, time.Now()))
				code, stdout, stderr := command(t, "explain", "--config", f.path("doorward.yaml"), "--url", p.Resource,
					"--token-file", f.path("token.txt"), "--json")
				var answer struct {
					Reason string `json:"reason"`
					Token  struct {
						BoundBy string `json:"bound_by"`
					} `json:"token"`
				}
				if err := json.Unmarshal([]byte(stdout), &answer); err != nil {
					t.Fatalf("%s: exit %d, %s%s", row.Name, code, stdout, stderr)
				}
				if answer.Reason != want {
					t.Errorf("%s: %s, want %s", row.Name, answer.Reason, want)
				}
				if row.Reason == "" && answer.Token.BoundBy != row.By {
					t.Errorf("%s: bound by %s, want %s", row.Name, answer.Token.BoundBy, row.By)
				}
			}
		})
	}
}
