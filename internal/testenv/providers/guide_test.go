package providers_test

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/testenv/providers"
)

// TestTheGuideShowsWhatIsTested: docs/providers.md has the configuration of each provider, line for line.
func TestTheGuideShowsWhatIsTested(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "providers.md"))
	if err != nil {
		t.Fatal(err)
	}
	all, refused := providers.All(), 0
	for _, p := range all {
		refused += len(p.Refused)
	}
	if count := fmt.Sprintf("%d providers, %d refused tokens", len(all), refused); !strings.Contains(string(text), count) {
		t.Errorf("the guide does not say: %s", count)
	}
	sections := regexp.MustCompile(`(?m)^## `).Split(string(text), -1)
	for _, p := range all {
		i := slices.IndexFunc(sections, func(s string) bool { return strings.HasPrefix(s, p.Title+"\n") })
		if i < 0 {
			t.Errorf("no section %s", p.Title)
			continue
		}
		if block := "```yaml\n" + strings.Join(p.Config, "\n") + "\n```\n"; !strings.Contains(sections[i], block) {
			t.Errorf("%s: the guide lacks\n%s", p.Name, block)
		}
		if lines := strings.Count(sections[i], "\n"); lines > 45 {
			t.Errorf("%s: a page of %d lines", p.Name, lines)
		}
	}
}

var block = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestTheGuideLoads: each configuration that it shows, and each of the test data, has no problem.
func TestTheGuideLoads(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "providers.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := make(map[string]string)
	for i, found := range block.FindAllStringSubmatch(string(text), -1) {
		shown[fmt.Sprintf("block %d of the guide", i+1)] = found[1]
	}
	if len(shown) < len(presets) {
		t.Errorf("%d blocks", len(shown))
	}
	for _, p := range providers.All() {
		for name, lines := range p.MoreConfigs {
			shown[p.Name+", "+name] = strings.Join(lines, "\n")
		}
	}
	load := loader(t)
	for name, yaml := range shown {
		if err := load(yaml); err != nil {
			t.Errorf("%s: %v in\n%s", name, err, yaml)
		}
	}
}

// TestCallersMustBeListed: an issuer whose callers choose aud is refused where nothing else names them, and one that is
// dedicated where two resources trust it.
func TestCallersMustBeListed(t *testing.T) {
	load, callers := loader(t), regexp.MustCompile(`(?m)^  (subjects|claims): .*\n?`)
	const second = "\n- resource: https://other.example.com/mcp\n"
	selfAsserted, dedicated := 0, 0
	for _, p := range providers.All() {
		yaml := strings.Join(p.Config, "\n")
		if callers.MatchString(yaml) {
			selfAsserted++
			if load(callers.ReplaceAllString(yaml, "")) == nil {
				t.Errorf("%s: loaded without subjects and claims", p.Name)
			}
		}
		for name, lines := range p.MoreConfigs {
			if yaml := strings.Join(lines, "\n"); strings.Contains(yaml, "dedicated: true") {
				dedicated++
				if load(yaml+second) == nil {
					t.Errorf("%s, %s: loaded with two resources", p.Name, name)
				}
			}
		}
	}
	if selfAsserted < 4 || dedicated < 2 {
		t.Errorf("%d providers with callers, %d dedicated", selfAsserted, dedicated)
	}
}

// loader returns a function that loads a configuration, and what is wrong with it. The files of a pod are the test's.
func loader(t *testing.T) func(yaml string) error {
	t.Helper()
	folder := t.TempDir()
	server := httptest.NewTLSServer(nil)
	server.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	write := func(name string, text []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("ca.crt", certificate)
	write("token", []byte("a-token"))
	return func(yaml string) error {
		yaml = strings.ReplaceAll(yaml, "/var/run/secrets/kubernetes.io/serviceaccount", folder)
		_, problems := config.Load([]string{write("doorward.yaml", []byte(yaml))})
		return problems.Err()
	}
}
