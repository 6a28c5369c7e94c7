// Package bundles downloads OPA bundles (HTTP with ETag and long polling, S3, OCI
// registries, files), verifies their signatures, and keeps the last one that can
// become part of a policy. A new bundle changes nothing by itself: other packages
// compile and activate the policy.
//
// # The manifest of a bundle
//
// Its .manifest names its roots, without which OPA lets it own everything:
//
//	{"revision": "2026-11-25", "roots": ["authz/weather"],
//	 "metadata": {"doorward": {"serial": 7}}}
//
// A revision is a name without an order. A serial makes doorward refuse old copies of
// a signed bundle: it is a whole number from 1 on that grows with every change. A
// bundle with a lower serial than the running one, or without one after one that had
// it, is refused, and so is other content under the same serial. No serial is kept
// over a restart.
//
// Delta bundles cannot carry a signature, and package policy cannot check Wasm
// modules and plans: a bundle with any of them is refused.
package bundles

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/doorward/doorward/internal/policy"
)

// Bundle is a verified bundle with a valid manifest. It never changes.
type Bundle struct {
	Content  policy.Bundle
	Revision string // of the manifest; "" if it has none
	Serial   int64  // of the manifest's metadata; 0 if it has none
	digest   [sha256.Size]byte
}

// Same reports whether both have the same content, however they were packed.
func (b *Bundle) Same(other *Bundle) bool { return other != nil && b.digest == other.digest }

// Follows refuses a bundle that cannot have been made after the running one.
func (b *Bundle) Follows(running *Bundle) error {
	switch {
	case running == nil || b.Same(running) || running.Serial == 0 || b.Serial > running.Serial:
		return nil
	case b.Serial == 0:
		return fmt.Errorf(`has no serial, and the running one has %d: `+
			`write "metadata": {"doorward": {"serial": %d}} into .manifest`, running.Serial, running.Serial+1)
	case b.Serial == running.Serial:
		return fmt.Errorf("its serial %d is that of the running one, which has other content: "+
			"raise it with every change", b.Serial)
	}
	return fmt.Errorf("its serial %d is older than %d, which is running: "+
		"to go back, publish the old content under a higher serial", b.Serial, running.Serial)
}

// Value is the JSON of the value at a path of its data, like
// "security/revocations".
func (b *Bundle) Value(at string) ([]byte, error) {
	var value any = b.Content.Data
	for _, key := range strings.Split(at, "/") {
		object, _ := value.(map[string]any)
		below, there := object[key]
		if !there {
			return nil, fmt.Errorf("its data has nothing at %s: put the value there, under one of its roots", at)
		}
		value = below
	}
	return json.Marshal(value)
}

// accept makes a Bundle of what OPA has read and verified.
func accept(name string, read *bundle.Bundle) (*Bundle, error) {
	m := read.Manifest
	switch {
	case read.Type() == bundle.DeltaBundleType:
		return nil, fmt.Errorf("is a delta bundle, which carries no signature: serve whole bundles")
	case len(read.WasmModules)+len(read.PlanModules)+len(m.WasmResolvers) > 0:
		return nil, fmt.Errorf("holds a Wasm module or a plan: build it with target rego (opa build -t rego)")
	}
	if file := oldRego(m); file != "" {
		return nil, fmt.Errorf("is Rego version 0 (%s): write Rego v1, and build without --v0-compatible", file)
	}
	if err := checkRoots(m.Roots); err != nil {
		return nil, err
	}
	serial, err := serialOf(m.Metadata)
	if err != nil {
		return nil, err
	}
	b := &Bundle{
		Content:  policy.Bundle{Name: name, Roots: *m.Roots, Modules: map[string]string{}, Data: read.Data},
		Revision: m.Revision,
		Serial:   serial,
	}
	for _, module := range read.Modules {
		file := strings.TrimPrefix(module.Path, "/")
		if !strings.HasSuffix(file, "_test.rego") {
			b.Content.Modules[file] = string(module.Raw)
		}
	}
	slices.Sort(b.Content.Roots)
	content, err := json.Marshal(b) // maps in the order of their keys
	if err != nil {
		return nil, fmt.Errorf("its data cannot be written as JSON (%w): correct data.json", err)
	}
	b.digest = sha256.Sum256(content)
	return b, nil
}

// oldRego names what the manifest declares to be of Rego version 0, "" for nothing.
func oldRego(m bundle.Manifest) string {
	old := ast.RegoV0.Int()
	if m.RegoVersion != nil && *m.RegoVersion == old {
		return "rego_version in .manifest"
	}
	for file, version := range m.FileRegoVersions {
		if version == old {
			return path.Join("file_rego_versions in .manifest", file)
		}
	}
	return ""
}

// checkRoots: OPA reads a manifest without roots as one that owns everything.
func checkRoots(roots *[]string) error {
	if roots == nil || len(*roots) == 0 || slices.Contains(*roots, "") {
		return fmt.Errorf(`has no roots, so it would own everything: ` +
			`declare them in .manifest, such as {"roots": ["authz"]}`)
	}
	for _, root := range *roots {
		if first, _, _ := strings.Cut(root, "/"); first == "doorward" {
			return fmt.Errorf("its root %q is reserved: choose another", root)
		}
	}
	return nil
}

// serialOf reads metadata.doorward.serial; 0 if there is no doorward in it.
func serialOf(metadata map[string]any) (int64, error) {
	ours, there := metadata["doorward"]
	if !there {
		return 0, nil
	}
	members, _ := ours.(map[string]any)
	if _, has := members["serial"]; !has || len(members) != 1 {
		return 0, fmt.Errorf(`metadata.doorward in its .manifest is not exactly a serial: write {"serial": 7}`)
	}
	var text string
	switch value := members["serial"].(type) {
	case json.Number:
		text = value.String()
	case float64: // of a manifest in protobuf
		text = strconv.FormatFloat(value, 'f', -1, 64)
	}
	serial, err := strconv.ParseInt(text, 10, 64)
	if err != nil || serial < 1 {
		return 0, fmt.Errorf("metadata.doorward.serial in its .manifest is not a whole number from 1 on: " +
			"write plain digits, without quotes, fraction or exponent")
	}
	return serial, nil
}
