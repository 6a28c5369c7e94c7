package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/config"
)

// FuzzLoad: whatever the bytes, Load returns, a configuration comes out only
// without an error, and every problem is one line with its place.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.yaml", "testdata/bad/*/*.yaml"} {
		seeds, err := filepath.Glob(pattern)
		if err != nil || len(seeds) == 0 {
			f.Fatalf("no seeds: %v", err)
		}
		for _, seed := range seeds {
			text, err := os.ReadFile(seed)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Add([]byte(`{"a\nb": ~, "\e[31m": 1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if strings.Contains(string(text), "_file") || strings.Contains(string(text), "paths") {
			t.Skip("would read files of this machine")
		}
		name := filepath.Join(t.TempDir(), "fuzz.yaml")
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c, problems := config.Load([]string{name})
		if (c == nil) != (len(problems.Errors()) > 0) {
			t.Errorf("config %v with %d errors", c, len(problems.Errors()))
		}
		if c != nil && (len(c.Resources.All()) == 0 || len(c.Issuers) == 0) {
			t.Error("a configuration that protects or trusts nothing")
		}
		lines := 2
		for _, end := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} {
			lines += strings.Count(string(text), end)
		}
		for _, p := range problems {
			if p.File != name || p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" {
				t.Errorf("a problem without its place: %+v", p)
			}
			if strings.ContainsAny(p.String(), "\n\r\x1b") {
				t.Errorf("a problem on more than one line: %q", p)
			}
		}
	})
}
