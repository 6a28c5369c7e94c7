package service

import (
	"testing"

	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/snapshot"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// TestTheShortFormHasAHash, of its flags.
func TestTheShortFormHasAHash(t *testing.T) {
	one, two := Source{Flags: "a"}, Source{Flags: "b"}
	r := &Revision{Config: new(config.Config)}
	if a, b := one.hash(r, snapshot.New()), two.hash(r, snapshot.New()); a == b || a != one.hash(r, snapshot.New()) {
		t.Errorf("%s %s", a, b)
	}
}

// TestAChangeIsParsedOnce: an idle second parses nothing, and the bytes that were
// compared are those that are parsed.
func TestAChangeIsParsedOnce(t *testing.T) {
	f := newFolder(t)
	write := func(name, text string) { f.write(t, name, text) }
	const configuration = `
listen: {grpc: "127.0.0.1:0", http: "off"}
issuers: [{issuer: https://as.example.com, jwks_file: keys.json}]
resources: [{resource: https://mcp.example.com/mcp}]
policy: {paths: [team.rego]}
`
	write("keys.json", string(jwttest.JWKS(f.key)))
	write("doorward.yaml", configuration)
	write("team.rego", "package authz\n")
	r := begin(t, f.path("doorward.yaml"))
	before := r.hash()
	for _, row := range []struct {
		intent  string
		change  func()
		parses  int
		inForce bool // afterwards, another hash
	}{
		{"the start", func() {}, 1, false},
		{"an idle second", func() {}, 0, false},
		{"the configuration", func() { write("doorward.yaml", configuration+"clock_skew: 1s\n") }, 1, true},
		{"a policy file", func() { write("team.rego", "package authz\n\nrequire.a if true\n") }, 1, true},
		{"an error", func() { write("doorward.yaml", "nonsense: 1\n") }, 1, false},
		{"an idle second after it", func() {}, 0, false},
		{"the error in a policy file", func() { write("doorward.yaml", configuration); write("team.rego", "package") }, 1, false},
		{"its correction", func() { write("team.rego", "package authz\n") }, 1, true},
	} {
		row.change()
		if row.intent != "the start" {
			r.parses = 0
			r.again(t)
		}
		if r.parses != row.parses {
			t.Errorf("%s: parsed %d times, want %d", row.intent, r.parses, row.parses)
		}
		if now := r.hash(); (now != before) != row.inForce {
			t.Errorf("%s: the hash was %s and is %s", row.intent, before, now)
		}
		before = r.hash()
	}
}
