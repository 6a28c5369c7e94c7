package bundles_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/doorward/doorward/internal/bundles"
)

// shelf is a registry of one repository, as far as a pull needs it.
type shelf struct {
	mu     sync.Mutex
	blobs  map[string][]byte // by digest
	latest string            // digest of the manifest with the tag
	login  string            // the Authorization that is asked for; "": none
}

func digestOf(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

func (s *shelf) push(t testing.TB, bundle []byte) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	config := []byte("{}")
	describe := func(kind string, content []byte) map[string]any {
		s.blobs[digestOf(content)] = content
		return map[string]any{"mediaType": kind, "digest": digestOf(content), "size": len(content)}
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2,
		"mediaType":     "application/vnd.oci.image.manifest.v1+json",
		"config":        describe("application/vnd.oci.image.config.v1+json", config),
		"layers":        []any{describe("application/vnd.oci.image.layer.v1.tar+gzip", bundle)},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.latest = digestOf(manifest)
	s.blobs[s.latest] = manifest
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.login != "" && r.Header.Get("Authorization") != s.login {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if name == "latest" {
		name = s.latest
	}
	content, there := s.blobs[name]
	if !there || !strings.HasPrefix(r.URL.Path, "/v2/team/weather/") {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if strings.Contains(r.URL.Path, "/manifests/") {
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	}
	w.Header().Set("Docker-Content-Digest", name)
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(content)
	}
}

// TestOCI: a bundle is pulled by its tag, verified, and replaced when the tag
// moves; a truncated one leaves it. What was kept on disk goes with the source.
func TestOCI(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	registry := &shelf{blobs: map[string][]byte{}, login: "Basic " + base64.StdEncoding.EncodeToString([]byte("robot:secret"))}
	server := httptest.NewServer(registry)
	t.Cleanup(server.Close)
	token := filepath.Join(t.TempDir(), "token")
	put(t, token, []byte("robot:wrong"))
	key := newSigner(t, "ES256")
	m := usual()
	m.signer = &key
	registry.push(t, m.pack(t))

	o := httpOptions("oci://" + strings.TrimPrefix(server.URL, "http://") + "/team/weather:latest")
	o.InsecureUnsigned, o.Key, o.Algorithm, o.TokenFile = false, key.public, "ES256", token
	t.Run("follow", func(t *testing.T) {
		s, j := follow(t, o)
		await(t, s, j, "denied", problem("cannot be pulled"))
		put(t, token, []byte("robot:secret"))
		await(t, s, j, "there", revision("r1"))
		m.revision = "r2"
		registry.push(t, m.pack(t)[:100])
		if got := await(t, s, j, "refused", problem("is cut off")); !got.Refused {
			t.Errorf("%+v", got)
		}
		registry.push(t, numbered(t, "r2"))
		await(t, s, j, "unsigned", problem("is not signed"))
		registry.push(t, m.pack(t))
		await(t, s, j, "replaced", revision("r2"))
	})
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestOCINeedsAFolder: without one for temporary files it says so.
func TestOCINeedsAFolder(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "nowhere"))
	s, j := follow(t, httpOptions("oci://127.0.0.1:1/team/weather:latest"))
	await(t, s, j, "refused", func(s bundles.Status) bool { return strings.Contains(s.Problem, "let TMPDIR name one") })
}
