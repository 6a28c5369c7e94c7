package config_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v3"

	"github.com/doorward/doorward/internal/config"
)

func validator(t testing.TB) *jsonschema.Resolved {
	t.Helper()
	var schema jsonschema.Schema
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

// shapeOf reads a YAML file as an editor would; false where it is not YAML.
func shapeOf(t testing.TB, file string) (any, bool) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, false
	}
	asJSON, err := json.Marshal(document)
	if err != nil {
		return nil, false
	}
	var plain any
	if err := json.Unmarshal(asJSON, &plain); err != nil {
		t.Fatal(err)
	}
	return plain, true
}

// Whatever is a good configuration fits the schema.
func TestSchemaTakesWhatLoadTakes(t *testing.T) {
	t.Parallel()
	files := []string{filepath.Join("..", "..", "envoy", "doorward.yaml")}
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/full/*.yaml", "testdata/warn/*.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		document, ok := shapeOf(t, file)
		if !ok {
			t.Errorf("%s is no YAML", file)
		} else if err := validator(t).Validate(document); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// What is wrong with the shape is wrong by the schema: each of these files is
// refused by both.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"unknown-key", "misspelt-in-element", "profile", "duration-bare", "duration-days", "duration-words", "duration-negative", "size-bare",
		"size-decimal", "mode-words", "log-format", "log-level", "dpop-value", "client-certificate-value", "issuers-as-text",
		"listen-not-a-mapping", "not-a-list-of-scopes", "number-for-text", "number-in-labels", "empty-text", "issuer-missing", "resource-missing",
		"jwks-a-list", "policy-path-text", "not-a-mapping", "list-where-one-value", "egress-listen-missing", "egress-host-missing", "egress-mode-word", "egress-token-word",
		"egress-exchange-subject-word", "assertion-issuer-missing", "assertion-audience-missing",
	} {
		file := filepath.Join("testdata", "bad", name+".yaml")
		document, ok := shapeOf(t, file)
		if !ok {
			t.Errorf("%s is no YAML", file)
			continue
		}
		if validator(t).Validate(document) == nil {
			t.Errorf("%s fits the schema", file)
		}
		if cfg, _ := config.Load([]string{file}); cfg != nil {
			t.Errorf("%s is loaded", file)
		}
	}
}

// The fullest sample has every key of the schema: one that is added without a
// sample, or to one side alone, is found here.
func TestSchemaHasTheKeysOfTheFullSample(t *testing.T) {
	var schema jsonschema.Schema
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	document, _ := shapeOf(t, filepath.Join("testdata", "full", "doorward.yaml"))
	two, _ := shapeOf(t, filepath.Join("testdata", "full", "two.json"))
	used := map[string]bool{}
	keysOf("", document, used)
	keysOf("", two, used)
	var missing []string
	walk("", &schema, func(path string) {
		if !used[path] {
			missing = append(missing, path)
		}
	})
	// Of three ways to give keys an issuer takes one, and a log of decisions a
	// certificate or a token. Revocations come from a file or from a bundle.
	allowed := []string{".issuers.jwks", ".issuers.jwks_file", ".issuers.jwks_uri", ".decision_log.token_file", ".policy.bundles.revocations"}
	missing = slices.DeleteFunc(missing, func(path string) bool { return slices.Contains(allowed, path) })
	if len(missing) > 0 {
		t.Errorf("the full sample does not show %s", strings.Join(missing, ", "))
	}
}

func keysOf(path string, v any, used map[string]bool) {
	used[path] = true
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			keysOf(path+"."+key, value, used)
		}
	case []any:
		for _, value := range v {
			keysOf(path, value, used)
		}
	}
}

func walk(path string, s *jsonschema.Schema, visit func(string)) {
	visit(path)
	if s.Items != nil {
		walk(path, s.Items, visit)
	}
	for name, property := range s.Properties {
		walk(path+"."+name, property, visit)
	}
}

// Defaults are those of an empty configuration.
func TestSchemaSaysTheDefaults(t *testing.T) {
	var schema struct {
		Properties map[string]struct {
			Default    any
			Properties map[string]struct{ Default any }
			Items      struct {
				Properties map[string]struct {
					Default    any
					Properties map[string]struct{ Default any }
				}
			}
		}
	}
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	top := schema.Properties
	for path, got := range map[string][2]any{
		"clock_skew":                {top["clock_skew"].Default, "30s"},
		"limits.token_cache":        {top["limits"].Properties["token_cache"].Default, "64MiB"},
		"listen.socket_mode":        {top["listen"].Properties["socket_mode"].Default, "0660"},
		"log.level":                 {top["log"].Properties["level"].Default, "info"},
		"issuers.profile":           {top["issuers"].Items.Properties["profile"].Default, "standard"},
		"issuers.refresh.max_stale": {top["issuers"].Items.Properties["refresh"].Properties["max_stale"].Default, "24h"},
		"issuers.refresh.min":       {top["issuers"].Items.Properties["refresh"].Properties["min"].Default, "1m"},
		"limits.signatures_waiting": {top["limits"].Properties["signatures_waiting"].Default, float64(1000)},
		"resources.dpop":            {top["resources"].Items.Properties["dpop"].Default, nil},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: default %v, want %v", path, got[0], got[1])
		}
	}
}
