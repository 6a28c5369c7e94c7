package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/mcp"
)

// TestMethodsAsTheyAreRead: the methods with a name, and those that are exempt, are
// the same to the configuration as to the reader of requests.
func TestMethodsAsTheyAreRead(t *testing.T) {
	headers := func(name string) []string {
		if name == "content-type" {
			return []string{"application/json"}
		}
		return nil
	}
	for _, method := range methods {
		body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `"}`
		reading := mcp.Read(mcp.Request{Method: "POST", Headers: headers, Body: []byte(body)}, mcp.Trust{})
		if isNamed := reading.Fault != mcp.NoFault; isNamed != slices.Contains(namedMethods, method) {
			t.Errorf("%s needs a name: %t", method, isNamed)
		}
		if reading.Fault == mcp.NoFault && reading.Operations[0].IsExempt() != isExempt(method) {
			t.Errorf("%s is exempt: %t", method, isExempt(method))
		}
	}
	for _, method := range namedMethods {
		if !slices.Contains(methods, method) {
			t.Errorf("%s is no method", method)
		}
	}
}

// TestTheOperationsOfTheDocumentsAreGood: what README.md and docs/operations.md show
// loads without a warning.
func TestTheOperationsOfTheDocumentsAreGood(t *testing.T) {
	const issuers = "issuers:\n- issuer: https://as.example.com\n"
	for _, name := range []string{"README.md", "docs/operations.md"} {
		page, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		shown := 0
		for _, block := range regexp.MustCompile("(?ms)^```yaml\n(resources:.*?)^```").FindAllStringSubmatch(string(page), -1) {
			if !strings.Contains(block[1], "operations:") {
				continue
			}
			shown++
			file := filepath.Join(t.TempDir(), "doorward.yaml")
			if err := os.WriteFile(file, []byte(issuers+block[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			if c, problems := Load([]string{file}); c == nil || len(problems) > 0 {
				t.Errorf("%s: %v\n%s", name, problems, block[1])
			}
		}
		if shown == 0 {
			t.Errorf("%s shows no operations", name)
		}
	}
}
