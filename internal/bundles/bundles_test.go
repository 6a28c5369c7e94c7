package bundles_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/doorward/doorward/internal/bundles"
	"github.com/doorward/doorward/internal/policy"
)

func fileOptions(name string) bundles.Options {
	return bundles.Options{Name: "b", File: name, InsecureUnsigned: true, Algorithm: "RS256", PollMin: time.Second, PollMax: time.Second}
}

// put replaces a file in one step.
func put(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// arrived is the bundle of a file, or the problem with it.
func arrived(t testing.TB, o bundles.Options, content []byte) bundles.Status {
	t.Helper()
	o.File = filepath.Join(t.TempDir(), "b.tar.gz")
	put(t, o.File, content)
	s, j := follow(t, o)
	return await(t, s, j, "there", func(s bundles.Status) bool { return s.Latest != nil || s.Problem != "" })
}

// TestContent: what the rules see of a bundle.
func TestContent(t *testing.T) {
	m := usual()
	m.serial, m.roots = 7, &[]string{"weather", "authz"}
	m.data = map[string]any{"weather": map[string]any{"limit": json.Number("5")}}
	m.change = func(b *bundle.Bundle) {
		test := "package authz\n\ntest_a if true\n"
		b.Modules = append(b.Modules, bundle.ModuleFile{
			URL: "/authz_test.rego", Path: "/authz_test.rego", Raw: []byte(test), Parsed: ast.MustParseModule(test),
		})
	}
	got := arrived(t, fileOptions(""), m.pack(t))
	if got.Latest == nil {
		t.Fatal(got.Problem)
	}
	want := policy.Bundle{
		Name: "b", Roots: []string{"authz", "weather"},
		Modules: map[string]string{"authz.rego": m.rego},
		Data:    m.data,
	}
	if diff := cmp.Diff(want, got.Latest.Content); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Latest.Revision != "r1" || got.Latest.Serial != 7 || got.LastSuccess.IsZero() || got.Refused {
		t.Errorf("%+v", got)
	}
	if limit, err := got.Latest.Value("weather/limit"); string(limit) != "5" || err != nil {
		t.Errorf("value %s, %v", limit, err)
	}
	for _, nowhere := range []string{"weather/rain", "weather/limit/low", "rain"} {
		if _, err := got.Latest.Value(nowhere); err == nil {
			t.Errorf("a value at %s", nowhere)
		}
	}
}

// TestBadBundles: each is refused with words of its own, and nothing arrives.
func TestBadBundles(t *testing.T) {
	ours, stranger := newSigner(t, "RS256"), newSigner(t, "RS256")
	signed := func(change func(*made)) []byte {
		m := usual()
		m.signer = &ours
		if change != nil {
			change(&m)
		}
		return m.pack(t)
	}
	bare := func(change func(*bundle.Bundle)) []byte {
		m := usual()
		m.change = change
		return m.pack(t)
	}
	either := []byte("package authz\n\na := 1\n")
	declared := func(b *bundle.Bundle, serial any) {
		b.Manifest.Metadata = map[string]any{"doorward": serial}
	}
	for _, test := range []struct {
		intent   string
		content  []byte
		verified bool
		want     string
	}{
		{"cut off", signed(nil)[:200], true, "is cut off"},
		{"cut off at the last byte", signed(nil)[:len(signed(nil))-1], true, "is cut off"},
		{"empty", nil, true, "is no bundle"},
		{"a web page", []byte("<html>"), true, "is no bundle"},
		{"a compressed web page", packed(t, []byte("<html>")), true, "is no bundle"},
		{"unsigned", bare(nil), true, "is not signed"},
		{"signed by a stranger", signed(func(m *made) { m.signer = &stranger }), true, "is signed with another key"},
		{"signed, and changed", signed(func(m *made) {
			m.after = func(b *bundle.Bundle) { b.Modules[0].Raw = []byte("package authz\n\nrequire.b if true\n") }
		}), true, "was changed after it was signed"},
		{"signed, and the serial changed", signed(func(m *made) {
			m.after = func(b *bundle.Bundle) { declared(b, map[string]any{"serial": 9}) }
		}), true, "was changed after it was signed"},
		{"signed, and a file added", signed(func(m *made) {
			m.after = func(b *bundle.Bundle) {
				more := b.Modules[0]
				more.Path, more.URL = "/more.rego", "/more.rego"
				b.Modules = append(b.Modules, more)
			}
		}), true, "has a file that is not signed"},
		{"signed, and a file removed", signed(func(m *made) {
			m.after = func(b *bundle.Bundle) { b.Modules = nil }
		}), true, "lacks a file that was signed"},
		{"an empty signature", signed(func(m *made) {
			m.after = func(b *bundle.Bundle) { b.Signatures = bundle.SignaturesConfig{Signatures: []string{}, Plugin: "none"} }
		}), true, "is no bundle that can be read"},
		{"signed, and no key to verify it with", signed(nil), false, "is signed, and insecure_unsigned is set"},
		{"no roots", bare(func(b *bundle.Bundle) { b.Manifest.Roots = nil }), false, "has no roots"},
		{"the root of everything", bare(func(b *bundle.Bundle) { b.Manifest.Roots = &[]string{""} }), false, "has no roots"},
		{"the reserved root", bare(func(b *bundle.Bundle) { b.Manifest.Roots = &[]string{"authz", "doorward/decision"} }), false, "is reserved"},
		{"a module outside of the roots", bare(func(b *bundle.Bundle) { b.Manifest.Roots = &[]string{"weather"} }), false, "has a file outside of the roots"},
		{"data outside of the roots", bare(func(b *bundle.Bundle) { b.Data = map[string]any{"weather": 1} }), false, "has a file outside of the roots"},
		{"roots that overlap", bare(func(b *bundle.Bundle) { b.Manifest.Roots = &[]string{"authz", "authz/a"} }), false, "has roots that overlap"},
		{"a serial in quotes", bare(func(b *bundle.Bundle) { declared(b, map[string]any{"serial": "7"}) }), false, "is not a whole number"},
		{"a serial of nought", bare(func(b *bundle.Bundle) { declared(b, map[string]any{"serial": 0}) }), false, "is not a whole number"},
		{"half a serial", bare(func(b *bundle.Bundle) { declared(b, map[string]any{"serial": 1.5}) }), false, "is not a whole number"},
		{"a serial misspelt", bare(func(b *bundle.Bundle) { declared(b, map[string]any{"serail": 7}) }), false, "is not exactly a serial"},
		{"a serial and more", bare(func(b *bundle.Bundle) { declared(b, map[string]any{"serial": 7, "order": 1}) }), false, "is not exactly a serial"},
		{"a serial without its braces", bare(func(b *bundle.Bundle) { declared(b, 7) }), false, "is not exactly a serial"},
		{"Rego v0", bare(func(b *bundle.Bundle) { b.Manifest.SetRegoVersion(ast.RegoV0); b.Modules[0].Raw = either }), false, "is Rego version 0"},
		{"a file in Rego v0", bare(func(b *bundle.Bundle) {
			b.Manifest.FileRegoVersions, b.Modules[0].Raw = map[string]int{"/authz.rego": 0}, either
		}), false, "is Rego version 0"},
		{"Wasm", bare(func(b *bundle.Bundle) {
			b.WasmModules = []bundle.WasmModuleFile{{URL: "/policy.wasm", Path: "/policy.wasm", Raw: []byte("\x00asm")}}
		}), false, "holds a Wasm module or a plan"},
		{"a plan", bare(func(b *bundle.Bundle) {
			b.PlanModules = []bundle.PlanModuleFile{{URL: "/plan.json", Path: "/plan.json", Raw: []byte("{}")}}
		}), false, "holds a Wasm module or a plan"},
		{"a delta", delta(t), false, "is a delta bundle"},
		{"a delta in place of a signature", delta(t), true, "is a delta bundle"},
		{"no Rego", archive(t, ".manifest", `{"roots": ["authz"]}`, "a.rego", "package authz\n\nrequire"), false, "has a module that is not Rego v1"},
		{"no manifest", archive(t, "a.rego", "package authz\n"), false, "has no roots"},
		{"a manifest that is no JSON", archive(t, ".manifest", `{"roots": [`), false, "has a .manifest that cannot be read"},
		{"data that is no JSON", archive(t, ".manifest", `{"roots": ["a"]}`, "data.json", `{"a"`), false, "has data that cannot be read"},
	} {
		t.Run(test.intent, func(t *testing.T) {
			o := fileOptions("")
			if test.verified {
				o.InsecureUnsigned, o.Key = false, ours.public
			}
			got := arrived(t, o, test.content)
			if got.Latest != nil || !got.Refused || !strings.Contains(got.Problem, test.want) {
				t.Errorf("%+v, want %q", got, test.want)
			}
			if !strings.Contains(got.Problem, ": ") {
				t.Errorf("no remedy: %s", got.Problem)
			}
		})
	}
}

// TestVerified: each kind of key, whatever name the signature gives it, and the
// scope.
func TestVerified(t *testing.T) {
	for _, algorithm := range []string{"RS256", "PS512", "ES256"} {
		key := newSigner(t, algorithm)
		m := usual()
		m.signer = &key
		o := fileOptions("")
		o.InsecureUnsigned, o.Key, o.Algorithm = false, key.public, algorithm
		if got := arrived(t, o, m.pack(t)); got.Latest == nil {
			t.Errorf("%s: %s", algorithm, got.Problem)
		}
		o.Scope = "write"
		if got := arrived(t, o, m.pack(t)); got.Latest != nil || !strings.Contains(got.Problem, "another scope") {
			t.Errorf("%s: %+v", algorithm, got)
		}
	}
}

// TestAlgorithmIsOurs: what the signature says of its algorithm selects nothing.
func TestAlgorithmIsOurs(t *testing.T) {
	key := newSigner(t, "RS256")
	m := usual()
	m.signer = &key
	o := fileOptions("")
	o.InsecureUnsigned, o.Key, o.Algorithm = false, key.public, "PS256"
	if got := arrived(t, o, m.pack(t)); got.Latest != nil {
		t.Error("RS256 is taken for PS256")
	}
	m.signer = &signer{private: key.public, algorithm: "HS256"}
	o.Algorithm = "RS256"
	if got := arrived(t, o, m.pack(t)); got.Latest != nil {
		t.Error("a public key is taken for a shared secret")
	}
}

// TestFollows: which bundle may come after which.
func TestFollows(t *testing.T) {
	numbered := func(serial any, revision string) *bundles.Bundle {
		m := usual()
		m.serial, m.revision = serial, revision
		got := arrived(t, fileOptions(""), m.pack(t))
		if got.Latest == nil {
			t.Fatal(got.Problem)
		}
		return got.Latest
	}
	none, seven, eight := numbered(nil, "none"), numbered(7, "seven"), numbered(8, "eight")
	for _, test := range []struct {
		intent        string
		next, running *bundles.Bundle
		want          string
	}{
		{"the first", seven, nil, ""},
		{"a higher one", eight, seven, ""},
		{"the first numbered one", seven, none, ""},
		{"none after none", numbered(nil, "other"), none, ""},
		{"the same again", numbered(7, "seven"), seven, ""},
		{"an older one", seven, eight, "older than 8, which is running"},
		{"none after a number", none, seven, `"serial": 8`},
		{"the same number on another one", numbered(7, "other"), seven, "which has other content"},
	} {
		err := test.next.Follows(test.running)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.intent, err)
		}
	}
	if seven.Same(nil) || seven.Same(eight) || !seven.Same(numbered(7, "seven")) {
		t.Error("Same")
	}
}

// TestFile: a file is followed by its content, and told of once.
func TestFile(t *testing.T) {
	t.Parallel()
	o := fileOptions(filepath.Join(t.TempDir(), "b.tar.gz"))
	s, j := follow(t, o)
	await(t, s, j, "missed", problem("cannot be read"))
	first, second := usual(), usual()
	second.revision = "r2"
	put(t, o.File, first.pack(t))
	await(t, s, j, "there", revision("r1"))
	put(t, o.File, second.pack(t)[:100])
	broken := await(t, s, j, "refused", problem("is cut off"))
	if broken.Latest == nil || broken.Latest.Revision != "r1" || !broken.Refused {
		t.Errorf("%+v", broken)
	}
	put(t, o.File, second.pack(t))
	await(t, s, j, "replaced", revision("r2"))
	if got := s.Status(); got.Problem != "" || got.Refused {
		t.Errorf("%+v", got)
	}
	for line, want := range map[string]int{"cannot be read": 1, "is cut off": 1, "can be used again": 2, "the one before stays": 1} {
		if got := strings.Count(j.String(), line); got != want {
			t.Errorf("%q is told %d times:\n%s", line, got, j)
		}
	}
}

// TestTooLarge: an archive that would fill the memory is not unpacked, whatever
// way it came.
func TestTooLarge(t *testing.T) {
	var bomb bytes.Buffer
	z, _ := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	zeros := make([]byte, 1<<20)
	for range 513 {
		if _, err := z.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	z.Close()
	server := httptest.NewServer(newPlace(bomb.Bytes()))
	defer server.Close()
	for _, got := range []bundles.Status{arrived(t, fileOptions(""), bomb.Bytes()), bundles.Fetch(t.Context(), httpOptions(server.URL))} {
		if !got.Refused || !strings.Contains(got.Problem, "is larger than") {
			t.Errorf("%+v", got)
		}
	}
}

func packed(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	z.Close()
	return b.Bytes()
}

// archive packs names and contents, in turn.
func archive(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: files[i], Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(files[i+1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	return packed(t, b.Bytes())
}

func delta(t testing.TB) []byte {
	t.Helper()
	return archive(t, ".manifest", `{"roots": ["authz"]}`, "patch.json", `{"data": [{"op": "upsert", "path": "/authz/a", "value": 1}]}`)
}
