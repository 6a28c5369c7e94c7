package bundles

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

// A bundle that is accepted stays below its roots, is the same when it is read
// again, and does not let a token for another server through, whatever is in it.
func FuzzAccept(f *testing.F) {
	f.Add(`{"roots": ["authz"], "revision": "r1", "metadata": {"doorward": {"serial": 7}}}`, "package authz\n\nrequire.a if true\n", `{}`)
	f.Add(`{"roots": ["a/b", "authz/require"]}`, "package authz.require\n\na if data.a.b\n", `{"a": {"b": true}}`)
	f.Add(`{"roots": ["doorward"]}`, "package doorward\n\ndecision := {\"outcome\": \"allowed\"}\n", `{"doorward": {"requirements": []}}`)
	f.Add(`{"roots": ["doorward/x", "", "/doorward/"]}`, "package system\n\nx := data.doorward\n", `{"system": {}}`)
	f.Add(`{"rego_version": 0, "roots": null, "metadata": {"doorward": {"serial": -1}}}`, "package authz\nimport rego.v1\n", `[]`)
	f.Fuzz(func(t *testing.T, manifest, module, data string) {
		content := pack(t, ".manifest", manifest, "a.rego", module, "data.json", data)
		b := accepted(content)
		if b == nil {
			return
		}
		if again := accepted(content); !b.Same(again) {
			t.Fatal("not the same when it is read again")
		}
		outside := func(root string) bool {
			return root == "" || root == "doorward" || strings.HasPrefix(root, "doorward/")
		}
		if len(b.Content.Roots) == 0 || slices.ContainsFunc(b.Content.Roots, outside) || b.Serial < 0 {
			t.Fatalf("accepted: %+v", b)
		}
		for key := range b.Content.Data {
			if !slices.ContainsFunc(b.Content.Roots, func(root string) bool { return root == key || strings.HasPrefix(root, key+"/") }) {
				t.Fatalf("data at %q, roots %q", key, b.Content.Roots)
			}
		}
		e, _ := policy.Compile(t.Context(), policy.Sources{Library: rego.Files, Bundles: []policy.Bundle{b.Content}})
		if e == nil {
			return
		}
		in := policy.Input{
			Resource: policy.Resource{Name: "r", URI: "https://mcp.example.com/mcp"},
			Claims:   map[string]any{"aud": "https://other.example.com/mcp"},
		}
		if d, _, _ := e.For("r").Decide(t.Context(), in); d.Outcome == policy.Allowed {
			t.Errorf("a token for another server is let through by %q", module)
		}
	})
}

func accepted(content []byte) *Bundle {
	read, err := Options{}.read(content)
	if err != nil {
		return nil
	}
	b, err := accept("b", read)
	if err != nil {
		return nil
	}
	return b
}

func pack(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: files[i], Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(files[i+1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
