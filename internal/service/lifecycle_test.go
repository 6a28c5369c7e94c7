package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// TestReload: a change is in force without a restart; after a mistake the
// revision before stays in force.
func TestReload(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write(t, "policy/data.json", "{}")
	f.configure(t, "policy: {paths: [policy]}")
	r := begin(t, f.path("doorward.yaml"))
	const succeeded, refused = "doorward_config_last_reload_successful 1", "doorward_config_last_reload_successful 0"
	for _, step := range []struct {
		intent string
		change func()
		log    string
		nth    int
		want   string
		metric string
	}{
		{"a new rule in a file that was not there", func() {
			f.write(t, "policy/team.rego", "package authz\n\nrequire.never if input.request.method == \"NEVER\"\n")
		}, "is in force", 1, "policy_denied", succeeded},
		{"a rule that does not compile", func() {
			f.write(t, "policy/team.rego", "package authz\n\nrequire.x if nonsense(1)\n")
		}, "was refused", 1, "policy_denied", refused},
		{"the rule is gone", func() {
			f.write(t, "policy/team.rego", "package authz\n")
		}, "is in force", 2, "allowed", succeeded},
		{"a bad configuration", func() {
			f.write(t, "doorward.yaml", "nonsense: 1")
		}, "was refused", 2, "allowed", refused},
		{"a key file that is not there", func() {
			f.configure(t, "")
			f.write(t, "doorward.yaml", strings.Replace(read(t, f.path("doorward.yaml")), "keys.json", "later.json", 1))
		}, "was refused", 3, "allowed", refused},
		{"the key file arrives", func() {
			f.write(t, "later.json", string(jwttest.JWKS(f.key)))
		}, "is in force", 3, "allowed", succeeded},
		{"a new scope", func() {
			f.configure(t, "  scopes: [mcp:admin]\npolicy: {paths: [policy]}")
		}, "is in force", 4, "insufficient_scope", succeeded},
		{"a new key in the key file", func() {
			f.key = jwttest.NewKey("ES256", "key-2")
			f.configure(t, "policy: {paths: [policy]}")
		}, "is in force", 5, "allowed", "doorward_jwks_keys"},
	} {
		t.Run(step.intent, func(t *testing.T) {
			old := f.key
			step.change()
			r.again(t)
			if got := r.log.count("the changed configuration " + step.log); got != step.nth {
				t.Errorf("%d changes are logged as %q, want %d", got, step.log, step.nth)
			}
			if got := r.reason(t, goodToken(f.key), ""); got != step.want {
				t.Errorf("got %s, want %s", got, step.want)
			}
			if !strings.Contains(r.metrics(), step.metric) {
				t.Errorf("no %q", step.metric)
			}
			if old != f.key {
				if got := r.reason(t, goodToken(old), ""); got != "key_unknown" {
					t.Errorf("the key that left: %s", got)
				}
			}
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// keyServer counts the fetches of its keys.
func keyServer(t *testing.T, key *jwttest.Key) (server *httptest.Server, fetches chan string) {
	t.Helper()
	fetches = make(chan string, 100)
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetches <- r.URL.Path
		_, _ = w.Write(jwttest.JWKS(key))
	}))
	t.Cleanup(server.Close)
	return server, fetches
}

// TestAnUnrelatedEditKeepsTheKeys while the authorization server is down. The
// source of an issuer that left, and came back, has no keys.
func TestAnUnrelatedEditKeepsTheKeys(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	server, _ := keyServer(t, f.key)
	configure := func(issuer, hosts, least string) {
		f.write(t, "doorward.yaml", fmt.Sprintf(`
listen: {grpc: "127.0.0.1:0", http: "off"}
limits: {check_timeout: 300ms}
insecure_http_hosts: [%s]
issuers: [{issuer: "https://%s", jwks_uri: "%s/jwks", refresh: {min: %s}}]
resources: [{resource: "https://mcp.example.com/mcp"}]
`, hosts, issuer, server.URL, least))
	}
	configure("as.example.com", "loopback", "1m")
	r := begin(t, f.path("doorward.yaml"))
	if got := r.reason(t, goodToken(f.key), ""); got != "allowed" {
		t.Fatalf("before: %s", got)
	}
	server.Close()
	keys, _ := r.issuers.inForce()["https://as.example.com"].value.Set().Lookup(nil, "ES256")
	for i, step := range []struct{ issuer, hosts, least, want string }{
		{"as.example.com", "loopback, unrelated.example", "1m", "allowed"},
		{"as.example.com", "loopback", "2m", "allowed"},
		{"other.example.com", "loopback", "2m", "issuer_unknown"},
		{"as.example.com", "loopback", "2m", "keys_unavailable"},
	} {
		configure(step.issuer, step.hosts, step.least)
		r.again(t)
		if got := r.reason(t, goodToken(f.key), ""); got != step.want {
			t.Errorf("%+v: %s", step, got)
		}
		if left := i > 1; keys[0].Withdrawn() != left {
			t.Errorf("%+v: the key is withdrawn: %t", step, !left)
		}
		if issuers := r.issuers.statuses(); len(issuers) != 1 || issuers[0].Issuer != "https://"+step.issuer {
			t.Errorf("%+v: %+v", step, issuers)
		}
	}
	if r.log.count("the changed configuration is in force") != 4 {
		t.Errorf("log:\n%s", r.log.written.String())
	}
}

// TestReloadKeepsTheKeysOfAnUnchangedIssuer counts the fetches that its server
// sees.
func TestReloadKeepsTheKeysOfAnUnchangedIssuer(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	server, fetches := keyServer(t, f.key)
	configure := func(scopes string) {
		f.write(t, "doorward.yaml", fmt.Sprintf(`
listen: {grpc: "127.0.0.1:0", http: "off"}
insecure_http_hosts: [loopback]
issuers: [{issuer: "https://as.example.com", jwks_uri: "%s/jwks"}]
resources: [{resource: "https://mcp.example.com/mcp", scopes: [%s]}]
`, server.URL, scopes))
	}
	configure("")
	r := begin(t, f.path("doorward.yaml"))
	if got := r.reason(t, goodToken(f.key), ""); got != "allowed" {
		t.Fatalf("before: %s", got)
	}
	configure("mcp:admin")
	r.again(t)
	if got := r.reason(t, goodToken(f.key), ""); got != "insufficient_scope" {
		t.Errorf("after: %s", got)
	}
	if got := len(fetches); got != 1 {
		t.Errorf("the authorization server saw %d fetches", got)
	}
}

// TestConfigMap swaps ..data as Kubernetes does: no file that we opened changes
// its name or its time.
func TestConfigMap(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.configure(t, "")
	content, mount := read(t, f.path("doorward.yaml")), f.path("mount")
	f.write(t, "..1/doorward.yaml", content)
	f.write(t, "..1/keys.json", string(jwttest.JWKS(f.key)))
	f.write(t, "..2/doorward.yaml", strings.Replace(content, "name: example", "name: example\n  scopes: [mcp:admin]", 1))
	f.write(t, "..2/keys.json", string(jwttest.JWKS(f.key)))
	if err := os.MkdirAll(mount, 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{
		"..data": f.path("..1"), "doorward.yaml": "..data/doorward.yaml", "keys.json": "..data/keys.json",
		"..next": f.path("..2"),
	} {
		if err := os.Symlink(to, filepath.Join(mount, link)); err != nil {
			t.Fatal(err)
		}
	}
	r := begin(t, mount)
	if got := r.reason(t, goodToken(f.key), ""); got != "allowed" {
		t.Fatalf("before: %s", got)
	}
	if err := os.Rename(mount+"/..next", mount+"/..data"); err != nil {
		t.Fatal(err)
	}
	r.again(t)
	if got := r.reason(t, goodToken(f.key), ""); got != "insufficient_scope" {
		t.Errorf("after: %s", got)
	}
}

// TestDecisionLogReload: another place is in force from the next Check on, and
// nothing that was decided before is lost.
func TestDecisionLogReload(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.configure(t, "")
	r := begin(t, f.path("doorward.yaml"))
	r.reason(t, "", "off")
	f.write(t, "list.json", `{"serial": 0}`)
	for _, step := range []struct{ more, id string }{
		{"decision_log: {to: 'file:one.log'}", "one"},
		{"decision_log: {to: 'file:two.log'}", "two"},
		{"decision_log: {to: 'file:two.log'}\nclock_skew: 1s", "again"},
		// Opened, and ended again: the list is refused after it.
		{"decision_log: {to: 'file:three.log'}\nrevocation_file: list.json", "refused"},
		{"", "off again"},
	} {
		f.configure(t, step.more)
		r.again(t)
		r.reason(t, "", step.id)
	}
	r.decisions.close()
	if open := openFiles(f.dir); len(open) > 0 {
		t.Errorf("not closed: %v", open)
	}
	for name, want := range map[string]string{"one": "one ", "two": "two again refused ", "three": ""} {
		got := ""
		for line := range strings.Lines(read(t, f.path(name+".log"))) {
			var event struct {
				Input struct{ Request struct{ ID string } }
			}
			if err := json.Unmarshal([]byte(line), &event); err != nil {
				t.Fatalf("%v in %q", err, line)
			}
			got += event.Input.Request.ID + " "
		}
		if got != want {
			t.Errorf("%s.log has %q, want %q", name, got, want)
		}
	}
	if logs := r.log.count("logging decisions"); logs != 2 {
		t.Errorf("%d logs were in force", logs)
	}
}

// openFiles are those of a folder that this process has open, where the system
// lists them.
func openFiles(folder string) (open []string) {
	const list = "/proc/self/fd"
	all, _ := os.ReadDir(list)
	for _, fd := range all {
		if to, err := os.Readlink(filepath.Join(list, fd.Name())); err == nil && filepath.Dir(to) == folder {
			open = append(open, to)
		}
	}
	return open
}
