// Package helm tests the chart, the manifests that are rendered from it, and what its
// schema refuses. Tests that need helm and kubeconform are skipped where deploy/install
// has not put them into .tools; `make deploy-test` runs all.
package helm

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/doorward/doorward/internal/config"
)

var update = flag.Bool("update", false, "write deploy/kubernetes and the configuration's part of values.schema.json")

const (
	chart      = "doorward"
	root       = "../.."
	manifests  = "../kubernetes"
	schemaFile = "doorward/values.schema.json"

	// kubernetes is the version of deploy/schemas.txt. Helm's own default is that of its build.
	kubernetes = "1.37.2"
)

// tool is a command of .tools. Without it the test is skipped, or under `make
// deploy-test` fails.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, ".tools", "bin", name))
	if err == nil {
		_, err = os.Stat(path)
	}
	switch {
	case err == nil:
		see(t, chart)
		return path
	case os.Getenv("DOORWARD_REQUIRE_DEPLOY_TOOLS") != "":
		t.Fatalf("%v: run deploy/install", err)
	}
	t.Skipf("no %s: make deploy-test installs it", name)
	return ""
}

// see reads a folder, so that the test cache knows that a command of this test does.
func see(t *testing.T, folder string) {
	t.Helper()
	if err := filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			_, err = os.ReadFile(name)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// run returns what a command writes to its two outputs.
func run(t *testing.T, stdin string, command ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, faults bytes.Buffer
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &faults
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir())
	err = cmd.Run()
	return out.String(), faults.String(), err
}

// render is what `helm template` makes of values.
func render(t *testing.T, values ...string) (text, stderr string, err error) {
	t.Helper()
	command := []string{tool(t, "helm"), "template", "doorward", chart, "--namespace", "doorward", "--kube-version", kubernetes}
	for _, file := range values {
		command = append(command, "--values", file)
	}
	return run(t, "", command...)
}

// examples are the values files of the chart by name.
func examples(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chart, "examples", "*.yaml"))
	if err != nil || len(files) != 6 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	named := map[string]string{}
	for _, file := range files {
		named[strings.TrimSuffix(filepath.Base(file), ".yaml")] = file
	}
	return named
}

// TestLint, with every warning an error.
func TestLint(t *testing.T) {
	for name, file := range examples(t) {
		stdout, stderr, err := run(t, "", tool(t, "helm"), "lint", "--strict", "--namespace", "doorward", "--kube-version", kubernetes,
			"--values", file, chart)
		if err != nil {
			t.Errorf("%s: %v\n%s%s", name, err, stdout, stderr)
		}
	}
}

// TestManifestsAreCurrent: deploy/kubernetes is what the chart makes of the examples.
func TestManifestsAreCurrent(t *testing.T) {
	for name, file := range examples(t) {
		text, stderr, err := render(t, file)
		if err != nil || stderr != "" {
			t.Errorf("%s: %v\n%s", name, err, stderr)
			continue
		}
		want := "# Rendered from deploy/helm/doorward/examples/" + name + ".yaml by `make manifests`. Do not edit.\n" + text
		path := filepath.Join(manifests, name+".yaml")
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if diff := cmp.Diff(string(got), want); err != nil || diff != "" {
			t.Errorf("make manifests writes %s: %v (-committed +rendered):\n%s", path, err, diff)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(manifests, "*.yaml")); len(files) != len(examples(t)) {
		t.Errorf("%d manifests of %d examples: remove those without one", len(files), len(examples(t)))
	}
}

// schema is values.schema.json.
func schema(t *testing.T) map[string]any {
	t.Helper()
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestTheSchemaKnowsTheConfiguration: values.config has the schema of doorward.yaml, but
// for what the chart writes itself.
func TestTheSchemaKnowsTheConfiguration(t *testing.T) {
	var want map[string]any
	if err := json.Unmarshal(config.Schema(), &want); err != nil {
		t.Fatal(err)
	}
	delete(want, "$schema")
	delete(want, "title")
	properties := want["properties"].(map[string]any)
	delete(properties, "listen")
	delete(properties["policy"].(map[string]any)["properties"].(map[string]any), "paths")
	want["required"] = []any{"version", "issuers", "resources"}
	want["description"] = "doorward.yaml, without listen and policy.paths, which the chart writes"
	all := schema(t)
	definitions := all["definitions"].(map[string]any)
	if *update {
		definitions["config"] = want
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := errors.Join(encoder.Encode(all), os.WriteFile(schemaFile, text.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(definitions["config"], any(want)); diff != "" {
		t.Errorf("make docs writes it (-schema +configuration):\n%s", diff)
	}
}

// object is one object of a manifest.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name, Namespace string }
	Spec       map[string]any
	Data       map[string]string

	text string
}

// objects are those of a manifest.
func objects(t *testing.T, manifest string) []object {
	t.Helper()
	var all []object
	for text := range strings.SplitSeq(manifest, "\n---\n") {
		var one object
		if err := yaml.Unmarshal([]byte(text), &one); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if one.Kind != "" {
			one.text = text
			all = append(all, one)
		}
	}
	return all
}

// committed are the objects of deploy/kubernetes by the example's name.
func committed(t *testing.T) map[string][]object {
	t.Helper()
	all := map[string][]object{}
	for name := range examples(t) {
		text, err := os.ReadFile(filepath.Join(manifests, name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = objects(t, string(text))
	}
	return all
}
