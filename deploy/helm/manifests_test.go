package helm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/service"
	"github.com/doorward/doorward/internal/snapshot"
)

// conform runs kubeconform with our schemas.
func conform(t *testing.T, manifest string) (string, error) {
	t.Helper()
	stdout, stderr, err := run(t, manifest, tool(t, "kubeconform"), "-strict", "-summary", "-schema-location",
		filepath.Join(root, ".tools", "schemas", "{{.Group}}", "{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"))
	return stdout + stderr, err
}

// TestConformance of what is committed, and of the values with every key.
func TestConformance(t *testing.T) {
	for name, all := range committed(t) {
		for _, one := range all {
			if said, err := conform(t, one.text); err != nil || !strings.Contains(said, "Valid: 1") {
				t.Errorf("%s: %v\n%s", name, err, said)
			}
		}
	}
	text, stderr, err := render(t, "testdata/full.yaml")
	if err != nil {
		t.Fatal(err, stderr)
	}
	if said, err := conform(t, text); err != nil || !strings.Contains(said, "Invalid: 0") {
		t.Errorf("%v\n%s", err, said)
	}
}

// broken is one fault for each kind, as replacements in a manifest of it.
var broken = map[string]struct{ from, to, want string }{
	"ConfigMap":               {"\ndata:", "\ndate:", "'date' not allowed"},
	"Deployment":              {"readOnlyRootFilesystem", "readOnlyRootFileSystem", "'readOnlyRootFileSystem' not allowed"},
	"Service":                 {"port: 9191", "port: grpc", "/spec/ports/0/port"},
	"ServiceAccount":          {"automountServiceAccountToken: false", "automountServiceAccountToken: never", "/automountServiceAccountToken"},
	"PodDisruptionBudget":     {"maxUnavailable: 1", "maxUnavailable: [1]", "/spec/maxUnavailable"},
	"HorizontalPodAutoscaler": {"maxReplicas: 20", "", "'maxReplicas'"},
	"NetworkPolicy":           {"policyTypes: [Ingress, Egress]", "policyTypes: Ingress", "/spec/policyTypes"},
	"ServiceMonitor":          {"interval: 15s", "interval: 15 seconds", "/spec/endpoints/0/interval"},
	"Certificate":             {"usages: [server auth]", "usages: [server]", "/spec/usages/0"},
}

// TestBrokenManifestsFail, one for each kind that the chart makes.
func TestBrokenManifestsFail(t *testing.T) {
	tool(t, "kubeconform")
	seen := map[string]bool{}
	for _, all := range committed(t) {
		for _, one := range all {
			row, ok := broken[one.Kind]
			if !ok {
				t.Errorf("no fault for the kind %s", one.Kind)
				continue
			}
			if seen[one.Kind] || !strings.Contains(one.text, row.from) {
				continue
			}
			seen[one.Kind] = true
			said, err := conform(t, strings.Replace(one.text, row.from, row.to, 1))
			if err == nil || !strings.Contains(said, row.want) {
				t.Errorf("%s: %v\n%s", one.Kind, err, said)
			}
			t.Logf("%s", said)
		}
	}
	for kind := range broken {
		if !seen[kind] {
			t.Errorf("no manifest of kind %s was broken", kind)
		}
	}
	if said, err := conform(t, "apiVersion: example.com/v1\nkind: Unknown\nmetadata: {name: a}\n"); err == nil {
		t.Errorf("a kind without a schema is accepted: %s", said)
	}
}

// TestTheConfigurationsLoad: doorward accepts each rendered configuration, in a folder as
// Kubernetes mounts a ConfigMap, with files where the other volumes would be.
func TestTheConfigurationsLoad(t *testing.T) {
	for name, all := range committed(t) {
		folder := t.TempDir()
		for _, one := range all {
			if one.Kind != "ConfigMap" {
				continue
			}
			for file, text := range one.Data {
				text = strings.ReplaceAll(text, "/run/doorward", filepath.Join(folder, "run"))
				put(t, filepath.Join(folder, "etc", "..2026", file), text)
				link(t, "..2026", filepath.Join(folder, "etc", "..data"))
				link(t, filepath.Join("..data", file), filepath.Join(folder, "etc", file))
			}
		}
		files(t, filepath.Join(folder, "run"))
		revision, problems := service.Load(t.Context(), service.Source{Read: func(s *snapshot.Snapshot) (*config.Config, finding.List) {
			return config.LoadFrom(s, []string{filepath.Join(folder, "etc", "doorward.yaml")})
		}})
		if revision == nil || len(problems.Errors()) > 0 {
			t.Errorf("%s: %v", name, problems)
			continue
		}
		if want := name == "mutual-tls"; (revision.Config.Listen.TLS.ClientCAFile != "") != want {
			t.Errorf("%s: client certificates are demanded: %v", name, !want)
		}
		if want := "0.0.0.0"; strings.Contains(revision.Config.Listen.GRPC, want) {
			t.Errorf("%s: writes listen.grpc, which the image has already", name)
		}
	}
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
}

// files writes those that the examples mount.
func files(t *testing.T, run string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	der, err = x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(run, "tls", "tls.crt"), certificate)
	put(t, filepath.Join(run, "tls", "ca.crt"), certificate)
	put(t, filepath.Join(run, "tls", "tls.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	put(t, filepath.Join(run, "mounts", "api", "ca.crt"), certificate)
	for _, token := range []string{"api", "registry", "log"} {
		put(t, filepath.Join(run, "mounts", token, "token"), "token")
	}
	der, err = x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(run, "mounts", "signer", "bundle.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	put(t, filepath.Join(run, "mounts", "nonce", "key"), "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n")
}

// TestThePodsAreHardened, in every manifest, and end by themselves before Kubernetes
// kills them.
func TestThePodsAreHardened(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(root, "internal", "service", "service.go"))
	if err != nil || !regexp.MustCompile(`exitWithin = 15 \* time\.Second`).Match(source) {
		t.Errorf("%v: the time of a stop has changed: terminationGracePeriodSeconds, its minimum in the schema, and deploy/systemd follow it", err)
	}
	for name, all := range committed(t) {
		for _, one := range all {
			if one.Metadata.Namespace != "doorward" || one.Metadata.Name != "doorward" {
				t.Errorf("%s: %s is %s of namespace %s", name, one.Kind, one.Metadata.Name, one.Metadata.Namespace)
			}
			if one.Kind != "Deployment" {
				continue
			}
			for _, want := range []string{
				"runAsNonRoot: true", "seccompProfile: {type: RuntimeDefault}", "allowPrivilegeEscalation: false",
				"readOnlyRootFilesystem: true", "capabilities: {drop: [ALL]}", "automountServiceAccountToken: false",
				"terminationGracePeriodSeconds: 20", "mountPath: /etc/doorward, readOnly: true",
			} {
				if !strings.Contains(one.text, want) {
					t.Errorf("%s: no %q", name, want)
				}
			}
			if strings.Contains(one.text, "subPath:") {
				t.Errorf("%s: a file that is mounted with subPath never changes", name)
			}
		}
	}
}

// TestOnlyAChangeThatNeedsAStartReplacesPods: other changes of the configuration leave the
// Deployment as it is.
func TestOnlyAChangeThatNeedsAStartReplacesPods(t *testing.T) {
	helpers, err := os.ReadFile(filepath.Join(chart, "templates", "_helpers.tpl"))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]struct {
			Properties map[string]struct {
				Reload string `json:"x-reload"`
			}
		}
	}
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	for group, its := range schema.Properties {
		for key, property := range its.Properties {
			if property.Reload != "" && group != "listen" && !strings.Contains(string(helpers), group+"."+key) {
				t.Errorf("%s.%s takes effect at a start, and doorward.restart in _helpers.tpl has no such key", group, key)
			}
		}
	}
	deployment := func(more string) string {
		file := filepath.Join(t.TempDir(), "more.yaml")
		put(t, file, more)
		text, stderr, err := render(t, filepath.Join(chart, "examples", "minimal.yaml"), file)
		if err != nil {
			t.Fatal(err, stderr)
		}
		for _, one := range objects(t, text) {
			if one.Kind == "Deployment" {
				return one.text
			}
		}
		return ""
	}
	before := deployment("{}")
	for more, replaced := range map[string]bool{
		"config: {drain: 5s, limits: {token_cache: 1MiB}, log: {level: debug}}": false,
		"policy: {authz.rego: \"package authz\"}":                               false,
		"config: {limits: {receive_bytes: 1MiB}}":                               true,
		"config: {log: {format: json}}":                                         true,
		"config: {egress: {listeners: [{listen: 'unix:///tmp/egress.sock'}]}}":  true,
		"tls: {enabled: true}":                                                  true,
	} {
		if after := deployment(more); (after != before) != replaced {
			t.Errorf("%s: the pods are replaced: %v", more, !replaced)
		}
	}
}
