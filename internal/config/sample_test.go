package config_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v3"

	"github.com/doorward/doorward/internal/config"
)

var sample = filepath.Join("..", "..", "envoy", "doorward.yaml")

// TestEverySampleThatWasShippedLoads: a configuration made from an older sample
// still loads after an upgrade. A sample that changes is copied to testdata/shipped first.
func TestEverySampleThatWasShippedLoads(t *testing.T) {
	shipped, err := filepath.Glob("testdata/shipped/*.yaml")
	if err != nil || len(shipped) < 8 {
		t.Fatalf("%d samples, %v", len(shipped), err)
	}
	now, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	kept := false
	for _, file := range shipped {
		if c, problems := config.Load([]string{file}); c == nil || len(problems) > 0 {
			t.Errorf("%s:\n%s", file, text(problems))
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		kept = kept || bytes.Equal(content, now)
	}
	if !kept {
		t.Error("the sample as it is now is not among testdata/shipped: copy it there under the next number")
	}
}

// schemaPaths are all keys of the schema, ".resources.name" and the like.
func schemaPaths(t *testing.T, visit func(path string, s *jsonschema.Schema)) {
	t.Helper()
	var schema jsonschema.Schema
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	var into func(path string, s *jsonschema.Schema)
	into = func(path string, s *jsonschema.Schema) {
		if s.Items != nil {
			into(path, s.Items)
		}
		for name, property := range s.Properties {
			visit(path+"."+name, property)
			into(path+"."+name, property)
		}
	}
	into("", &schema)
}

// TestTheSampleHasEveryKey, written or commented out, where it belongs.
func TestTheSampleHasEveryKey(t *testing.T) {
	content, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	commented := regexp.MustCompile(`^( *)# ?( *(?:- )?[a-z_]+:(?: .*)?)$`)
	var lines []string
	for line := range strings.Lines(string(content)) {
		lines = append(lines, commented.ReplaceAllString(strings.TrimSuffix(line, "\n"), "$1$2"))
	}
	var document any
	if err := yaml.Unmarshal([]byte(strings.Join(lines, "\n")), &document); err != nil {
		t.Fatalf("with the comments taken away it is no YAML: %v", err)
	}
	used := map[string]bool{}
	keysOf("", document, used)
	schemaPaths(t, func(path string, _ *jsonschema.Schema) {
		if !used[path] {
			t.Errorf("the sample does not show %s", path)
		}
	})
}

// TestTheSchemaDescribesEveryKey in words of its own.
func TestTheSchemaDescribesEveryKey(t *testing.T) {
	seen := map[string]string{}
	schemaPaths(t, func(path string, s *jsonschema.Schema) {
		if s.Description == "" {
			t.Errorf("%s has no description: write one in descriptions.go", path)
		}
		seen[path] = s.Description
	})
	if len(seen) < 80 {
		t.Errorf("only %d keys", len(seen))
	}
}
