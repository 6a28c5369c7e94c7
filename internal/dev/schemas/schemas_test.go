package main

import (
	"archive/zip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const swagger = `{"definitions": {
  "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {"type": "object", "properties": {"name": {"type": "string"}}},
  "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string"},
  "a.Spec": {"type": "object", "properties": {"port": {"$ref": "#/definitions/a.Port"}, "more": {"$ref": "#/definitions/a.Spec"}}},
  "a.Port": {"type": "string", "format": "int-or-string", "description": "text"},
  "a.Unused": {"type": "string"},
  "a.Pod": {"type": "object", "required": ["spec"], "properties": {
      "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "spec": {"$ref": "#/definitions/a.Spec"}},
    "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Pod"}]},
  "a.Options": {"type": "object", "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Options"}, {"group": "a", "version": "v1", "kind": "Options"}]}
}}`

const crd = `
kind: Namespace
---
kind: CustomResourceDefinition
spec:
  group: example.com
  names: {kind: Door}
  versions:
  - name: v1beta1
    schema:
      openAPIV3Schema:
        type: object
        properties:
          metadata: {type: object}
          spec:
            type: object
            description: text
            properties:
              any: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {a: {type: string}}}
              list: {type: array, items: {type: object, properties: {a: {type: string}}, oneOf: [{required: [a]}, {properties: {a: {enum: [x]}}}]}}
              labels: {type: object, additionalProperties: {type: string}}
              port: {anyOf: [{type: integer}, {type: string}], x-kubernetes-int-or-string: true}
              below: {type: integer, minimum: 1, exclusiveMinimum: false, maximum: 9, exclusiveMaximum: true}
              maybe: {type: string, nullable: true, default: x}
`

// TestSchemas: objects are closed, names are fixed, and definitions are those in use.
func TestSchemas(t *testing.T) {
	made := map[kind]object{}
	definitions, err := ofOpenAPI([]byte(swagger), made)
	if err != nil {
		t.Fatal(err)
	}
	if err := ofCustomResources([]byte(crd), definitions, made); err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	for k, schema := range made {
		got[k.file()] = decoded(t, mustJSON(t, schema))
	}
	want := decoded(t, `{
	  "v1/pod_v1.json": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": false,
	    "required": ["apiVersion", "kind", "spec"],
	    "properties": {"apiVersion": {"const": "v1"}, "kind": {"const": "Pod"}, "spec": {"$ref": "#/definitions/a.Spec"}},
	    "definitions": {
	      "a.Spec": {"type": "object", "additionalProperties": false, "properties": {"port": {"$ref": "#/definitions/a.Port"}, "more": {"$ref": "#/definitions/a.Spec"}}},
	      "a.Port": {"type": ["integer", "string"]}}},
	  "example.com/door_v1beta1.json": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": false,
	    "required": ["apiVersion", "kind"],
	    "properties": {"apiVersion": {"const": "example.com/v1beta1"}, "kind": {"const": "Door"},
	      "metadata": {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
	      "spec": {"type": "object", "additionalProperties": false, "properties": {
	        "any": {"type": "object", "properties": {"a": {"type": "string"}}},
	        "list": {"type": "array", "items": {"type": "object", "additionalProperties": false, "properties": {"a": {"type": "string"}},
	          "oneOf": [{"required": ["a"]}, {"properties": {"a": {"enum": ["x"]}}}]}},
	        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
	        "port": {"type": ["integer", "string"], "anyOf": [{"type": "integer"}, {"type": "string"}]},
	        "below": {"type": "integer", "minimum": 1, "exclusiveMaximum": 9},
	        "maybe": {"type": ["string", "null"]}}}},
	    "definitions": {"io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {"type": "object", "additionalProperties": false, "properties": {"name": {"type": "string"}}}}}
	}`)
	if diff := cmp.Diff(want, any(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if quantity := mustJSON(t, definitions[quantity]); quantity != `{"type":["string","number"]}` {
		t.Errorf("a quantity is %s", quantity)
	}
}

// TestFaults in what the command reads.
func TestFaults(t *testing.T) {
	if err := ofCustomResources([]byte(crd), nil, map[kind]object{}); err == nil || !strings.Contains(err.Error(), "metadata is missing") {
		t.Errorf("without Kubernetes: %v", err)
	}
	if _, err := parseSources("# a\n\na v1 h1:x f extra\n"); err == nil || !strings.Contains(err.Error(), "line 3 has 5 words") {
		t.Errorf("a line: %v", err)
	}
	for _, text := range []string{"kind: CustomResourceDefinition\nspec: {versions: [{name: v1}]}", "a: [", "kind: []"} {
		meta := map[string]object{objectMeta: {}}
		if err := ofCustomResources([]byte(text), meta, map[kind]object{}); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// TestRun with a module that a command in the place of go downloads: its sum is compared,
// and the folder is written once.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "module.zip")
	file, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	zipped := zip.NewWriter(file)
	for name, text := range map[string]string{"api/swagger.json": swagger, "crds/a.yaml": crd, "other.yaml": "a: ["} {
		w, err := zipped.Create("example.com/m@v1/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	command := "#!/bin/sh\necho '{\"Zip\": \"" + archive + "\", \"Sum\": \"h1:good\"}'\n"
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte(command), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	list, out := filepath.Join(dir, "list"), filepath.Join(dir, "tools", "schemas")
	for _, step := range []struct{ list, fault string }{
		{"example.com/m v1 h1:bad api/*.json\n", "has the sum h1:good, and the list has h1:bad"},
		{"example.com/m v1 h1:good none/*.json\n", "no kind is in none/*.json"},
		{"example.com/m v1 h1:good api/*.json\nexample.com/m v1 h1:good crds/*.yaml\n", ""},
		{"example.com/m v1 h1:good api/*.json\nexample.com/m v1 h1:good *.yaml\n", "other.yaml"},
	} {
		if err := os.WriteFile(list, []byte(step.list), 0o600); err != nil {
			t.Fatal(err)
		}
		err := run(t.Context(), list, out)
		if (err == nil) != (step.fault == "") || err != nil && !strings.Contains(err.Error(), step.fault) {
			t.Errorf("%q: %v", step.list, err)
		}
	}
	for _, name := range []string{"v1/pod_v1.json", "example.com/door_v1beta1.json", "made"} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "tools", "*")); len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
}

func mustJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func decoded(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}
