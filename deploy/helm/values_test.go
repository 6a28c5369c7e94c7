package helm

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v3"
)

// mistake is a file of values with one fault.
type mistake struct {
	keyword string // of the schema, that refuses it
	at      string // JSON pointer of the fault
	values  any
}

// walker makes a mistake of every sentence of the schema, by changing values that have
// every key.
type walker struct {
	schema map[string]any
	full   map[string]any
	done   map[string]bool // pointers into the schema that were walked
	found  []mistake
}

// add notes the mistake of writing value at a place.
func (w *walker) add(keyword string, place []any, value any) {
	w.found = append(w.found, mistake{keyword, pointer(place), with(w.full, place, value)})
}

// pointer writes a place as helm does.
func pointer(place []any) string {
	text := ""
	for _, step := range place {
		text += "/" + strings.ReplaceAll(fmt.Sprint(step), "/", "~1")
	}
	return text
}

// removed as a value removes its key.
type removed struct{}

// with is a copy of a value in which the value at a place is another.
func with(in any, place []any, value any) any {
	if len(place) == 0 {
		return value
	}
	switch step := place[0].(type) {
	case int:
		next := slices.Clone(in.([]any))
		next[step] = with(next[step], place[1:], value)
		return next
	default:
		next := maps.Clone(in.(map[string]any))
		if changed := with(next[step.(string)], place[1:], value); changed == (removed{}) {
			delete(next, step.(string))
		} else {
			next[step.(string)] = changed
		}
		return next
	}
}

// walk makes the mistakes of the schema s, at a place that has the value v.
func (w *walker) walk(s map[string]any, at string, place []any, v any) {
	if to, ok := s["$ref"].(string); ok {
		at = strings.TrimPrefix(to, "#/definitions/")
		s = w.schema["definitions"].(map[string]any)[at].(map[string]any)
		if at == "config" {
			return // the tests of the configuration have its mistakes
		}
	}
	if !w.done[at] {
		w.done[at] = true
		w.mistakes(s, place, v)
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			w.walk(s["items"].(map[string]any), at+"/items", append(slices.Clone(place), i), item)
		}
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(v)) {
			next := append(slices.Clone(place), key)
			if property, ok := properties[key].(map[string]any); ok {
				w.walk(property, at+"/"+key, next, v[key])
				continue
			}
			more, _ := s["additionalProperties"].(map[string]any)
			for _, pattern := range asObject(s["patternProperties"]) {
				more = asObject(pattern)
			}
			if more != nil {
				w.walk(more, at+"/*", next, v[key])
			}
		}
	}
}

// mistakes makes those of one schema.
func (w *walker) mistakes(s map[string]any, place []any, v any) {
	inside := func(key string) []any { return append(slices.Clone(place), key) }
	for _, keyword := range slices.Sorted(maps.Keys(s)) {
		switch limit := s[keyword]; keyword {
		case "type":
			if len(place) > 0 { // helm itself demands that a file of values is a mapping
				w.add(keyword, place, wrongType(limit))
			}
		case "enum", "pattern":
			w.add(keyword, place, "? ?")
		case "minimum":
			w.add(keyword, place, limit.(float64)-1)
		case "maximum":
			w.add(keyword, place, limit.(float64)+1)
		case "minLength":
			w.add(keyword, place, "")
		case "maxLength":
			w.add(keyword, place, strings.Repeat("a", int(limit.(float64))+1))
		case "minProperties":
			w.add(keyword, place, map[string]any{})
		case "maxProperties":
			w.add(keyword, place, map[string]any{"secret": map[string]any{"secretName": "a"}, "configMap": map[string]any{"name": "a"}})
		case "minItems":
			w.add(keyword, place, []any{})
		case "required":
			for _, key := range limit.([]any) {
				at := pointer(place)
				if at == "" { // values.yaml has these, without what must be in them
					at = pointer([]any{key})
				}
				w.found = append(w.found, mistake{keyword, at, with(w.full, inside(key.(string)), removed{})})
			}
		case "additionalProperties":
			if limit == false && s["patternProperties"] == nil {
				w.found = append(w.found, mistake{keyword, pointer(place), with(w.full, inside("unknown"), 1)})
			}
		case "patternProperties":
			w.found = append(w.found, mistake{keyword, pointer(place), with(w.full, inside("? ?"), "x")})
		case "anyOf":
			image := with(with(v, []any{"tag"}, removed{}), []any{"digest"}, removed{})
			w.add(keyword, place, image)
		case "description", "properties", "items", "$schema", "title", "definitions":
		default:
			panic("no mistake is made of " + keyword)
		}
	}
}

func asObject(value any) map[string]any {
	o, _ := value.(map[string]any)
	return o
}

// wrongType is a value of none of the types.
func wrongType(types any) any {
	for _, other := range []struct {
		name  string
		value any
	}{{"boolean", true}, {"string", "text"}} {
		if one, ok := types.([]any); types != any(other.name) && (!ok || !slices.Contains(one, any(other.name))) {
			return other.value
		}
	}
	return nil
}

// mistakes are all that the schema knows, but for those of the configuration.
func mistakes(t *testing.T) []mistake {
	t.Helper()
	w := walker{schema: schema(t), full: read(t, "testdata/full.yaml"), done: map[string]bool{}}
	w.walk(w.schema, "", nil, any(w.full))
	for name, definition := range w.schema["definitions"].(map[string]any) {
		if name != "config" {
			w.complete(t, name, definition.(map[string]any))
		}
	}
	w.complete(t, "", w.schema)
	return w.found
}

// complete fails where a property is in no value of testdata/full.yaml, so that its
// mistakes were not made.
func (w *walker) complete(t *testing.T, at string, s map[string]any) {
	t.Helper()
	properties, _ := s["properties"].(map[string]any)
	for key, property := range properties {
		p := property.(map[string]any)
		next := at + "/" + key
		if p["$ref"] == nil && !w.done[next] {
			t.Errorf("testdata/full.yaml has no %s", next)
		}
		w.complete(t, next, p)
	}
}

func read(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	return values
}

// TestMistakesFailTheSchema, each alone; the files of the examples and the one with every key do not.
func TestMistakesFailTheSchema(t *testing.T) {
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	// The validator reads definitions under the name of its own draft.
	var s jsonschema.Schema
	if err := json.Unmarshal([]byte(strings.NewReplacer("#/definitions/", "#/$defs/", `"definitions":`, `"$defs":`,
		"http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema").Replace(string(text))), &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(slices.Collect(maps.Values(examples(t))), "testdata/full.yaml") {
		values := read(t, file)
		if cfg := values["config"].(map[string]any); cfg["version"] == nil {
			cfg["version"] = 1 // of values.yaml
		}
		if err := resolved.Validate(anyJSON(t, values)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	found := mistakes(t)
	for _, m := range found {
		if err := resolved.Validate(anyJSON(t, m.values)); err == nil {
			t.Errorf("%s at %s is accepted", m.keyword, m.at)
		}
	}
	t.Logf("%d mistakes", len(found))
}

// anyJSON is a value as JSON has it.
func anyJSON(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var next any
	if err := json.Unmarshal(text, &next); err != nil {
		t.Fatal(err)
	}
	return next
}

// TestMistakesAreNamed: helm refuses each mistake, and its message has the place.
func TestMistakesAreNamed(t *testing.T) {
	tool(t, "helm")
	for i, m := range mistakes(t) {
		t.Run(fmt.Sprintf("%d %s %s", i, m.keyword, strings.ReplaceAll(m.at, "/", ".")), func(t *testing.T) {
			t.Parallel()
			text, err := json.Marshal(m.values)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "values.yaml")
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
			_, stderr, err := render(t, file)
			if err == nil {
				t.Fatalf("accepted: %s", stderr)
			}
			if !strings.Contains(stderr, "at '"+m.at+"'") {
				t.Errorf("no place in: %s", stderr)
			}
		})
	}
}

// TestWhatTheSchemaCannotSay is refused by the chart, and says what to write; so are
// keys of the configuration that the chart writes itself.
func TestWhatTheSchemaCannotSay(t *testing.T) {
	tool(t, "helm")
	for intent, row := range map[string]struct{ values, want string }{
		"nothing is written":          {"{}", "missing property"},
		"no Envoy may call":           {"networkPolicy: {envoy: []}", "list the pods of Envoy, or write networkPolicy.enabled: false"},
		"nobody may read metrics":     {"serviceMonitor: {enabled: true}", "list the pods of Prometheus"},
		"fewer at most than at least": {"autoscaling: {enabled: true, min: 5, max: 3}", "autoscaling.max is 3, which is less than autoscaling.min: write 5 or more"},
		"a share of no processor":     {"autoscaling: {enabled: true}\nresources: {requests: {cpu: null}}", "resources.requests.cpu, which is missing"},
		"a certificate without TLS":   {"tls: {certManager: {enabled: true, issuerRef: {name: a}}}", "write tls.enabled: true"},
		"a certificate of no issuer":  {"tls: {enabled: true, certManager: {enabled: true}}", "write the name of an Issuer"},
		"an unknown key of doorward":  {"config: {clock_scew: 1s}", "additional properties 'clock_scew' not allowed"},
		"a wrong value of doorward":   {"config: {drain: soon}", "at '/config/drain'"},
		"the chart's addresses":       {"config: {listen: {grpc: 127.0.0.1:9191}}", "additional properties 'listen' not allowed"},
		"the chart's paths":           {"config: {policy: {paths: [a]}}", "additional properties 'paths' not allowed"},
		"the chart's own file":        {"policy: {doorward.yaml: x}", "doorward.yaml"},
	} {
		t.Run(intent, func(t *testing.T) {
			t.Parallel()
			files := []string{filepath.Join(chart, "examples", "minimal.yaml"), filepath.Join(t.TempDir(), "values.yaml")}
			if row.values == "{}" {
				files = files[1:]
			}
			if err := os.WriteFile(files[len(files)-1], []byte(row.values), 0o600); err != nil {
				t.Fatal(err)
			}
			_, stderr, err := render(t, files...)
			if err == nil || !strings.Contains(stderr, row.want) {
				t.Errorf("%v: %s", err, stderr)
			}
		})
	}
}
