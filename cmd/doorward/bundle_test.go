package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	allows = `require.a if input.claims.sub == "alice"`
	denies = `require.a if input.claims.sub == "bob"`
)

// settles waits for a verdict; everything else until then must be what was.
func settles(t testing.TB, ask func() string, was, want string) {
	t.Helper()
	for end := time.Now().Add(within); ; {
		got := ask()
		if got == want {
			return
		}
		if got != was || time.Now().After(end) {
			t.Fatalf("got %s; want %s, and %s until then", got, want, was)
		}
	}
}

// TestBundles: before the first bundle nothing is decided; then each new one is
// in force at once, and one that cannot be used changes nothing. All the while
// requests come, and each is answered by the old policy or by the new one.
func TestBundles(t *testing.T) {
	t.Parallel()
	f, ours, stranger := newFolder(t), newSigner(t), newSigner(t)
	bundles := newBundleServer()
	server := httptest.NewServer(bundles)
	t.Cleanup(server.Close)
	f.write(t, "bundle.pem", ours.public)
	f.write(t, "policy/local.rego", "package local\n\nx := 1\n")
	p := start(t, "--config", f.configure(t, `insecure_http_hosts: [loopback]
policy:
  paths: [policy]
  bundles:
  - {name: weather, url: "`+server.URL+`/b.tar.gz", verification: {key_file: bundle.pem}, polling: {min: 1s, max: 1s}, long_poll: 60s}`))
	conn := p.dial(t, p.grpc, nil)
	ask := func() string { return verdict(t, conn, goodToken(f.key)) }
	metric := func(want string) {
		t.Helper()
		if _, _, body := get(t, "http://"+p.http+"/metrics"); !strings.Contains(body, want) {
			t.Errorf("no %q", want)
		}
	}

	p.log.await(t, 1, "503 Service Unavailable")
	if got := ask(); got != "policy_error" {
		t.Fatalf("before the first bundle: %s", got)
	}
	p.log.await(t, 1, "waiting for a bundle that can be used: weather")
	if code, _, body := get(t, "http://"+p.http+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, `"bundle":"weather","state":"missing"`) {
		t.Errorf("%d %s", code, body)
	}
	metric(`doorward_bundle_last_activation_successful{bundle="weather"} 0`)
	metric("doorward_config_last_reload_successful 1") // the files are in force

	publish := func(r release) { bundles.publish(r.pack(t)) }
	publish(release{serial: 5, rules: allows, signer: &ours})
	settles(t, ask, "policy_error", "allowed")
	if code, _, body := get(t, "http://"+p.http+"/readyz"); code != http.StatusOK || !strings.Contains(body, `"bundle":"weather","state":"active","revision":"release-5","serial":5`) {
		t.Errorf("%d %s", code, body)
	}
	metric(`doorward_bundle_last_activation_successful{bundle="weather"} 1`)
	metric(`doorward_bundle_last_success_timestamp_seconds{bundle="weather"} 1`)

	requests := newTraffic(t, ask)
	const last = 25
	for serial := 6; serial <= last; serial += 2 {
		publish(release{serial: serial, rules: denies, signer: &ours})
		settles(t, ask, "allowed", "policy_denied")
		publish(release{serial: serial + 1, rules: allows, signer: &ours})
		settles(t, ask, "policy_denied", "allowed")
	}
	requests.stop("allowed", "policy_denied")

	requests = newTraffic(t, ask)
	packed := release{serial: last + 1, rules: denies, signer: &ours}.pack(t)
	for _, bad := range []struct{ intent, content, want string }{
		{"cut off", packed[:len(packed)-100], "is cut off"},
		{"unsigned", release{serial: last + 1, rules: denies}.pack(t), "is not signed"},
		{"signed by a stranger", release{serial: last + 1, rules: denies, signer: &stranger}.pack(t), "is signed with another key"},
		{"without roots", release{serial: last + 1, roots: []string{"", "authz"}, rules: denies, signer: &ours}.pack(t), "has no roots"},
		{"older than the running one", release{serial: 6, rules: denies, signer: &ours}.pack(t), "its serial 6 is older than 25, which is running"},
		{"without a serial", release{rules: denies, signer: &ours}.pack(t), "has no serial, and the running one has 25"},
		{"that does not compile", release{serial: last + 1, rules: "require.a if nonsense(1)", signer: &ours}.pack(t), "undefined function nonsense"},
		{"that fails in the trial", release{serial: last + 2, rules: `require.a if time.parse_rfc3339_ns(input.claims.iss) > 0`, signer: &ours}.pack(t), "no decision on a trial request to example"},
		{"where files are", release{serial: last + 3, roots: []string{"authz", "local"}, rules: denies, signer: &ours}.pack(t), `local.rego:3:1: this rule is where bundle weather has its root`},
		{"in doorward's place", release{serial: last + 4, roots: []string{"doorward"}, rules: denies, signer: &ours}.pack(t), `its root \"doorward\" is reserved`},
	} {
		t.Run(bad.intent, func(t *testing.T) {
			bundles.publish(bad.content)
			p.log.await(t, 1, bad.want)
			if got := ask(); got != "allowed" {
				t.Errorf("got %s", got)
			}
			metric(`doorward_bundle_last_activation_successful{bundle="weather"} 0`)
			if code, _, body := get(t, "http://"+p.http+"/readyz"); code != http.StatusOK || !strings.Contains(body, `"state":"outdated","revision":"release-25"`) {
				t.Errorf("%d %s", code, body)
			}
		})
	}
	requests.stop("allowed")
	publish(release{serial: last + 5, rules: denies, signer: &ours})
	settles(t, ask, "allowed", "policy_denied")
	metric(`doorward_bundle_last_activation_successful{bundle="weather"} 1`)
	if p.stop(); p.wait(t) != 0 {
		t.Error("exit")
	}
}

// traffic asks without a pause and counts what is answered.
type traffic struct {
	t       testing.TB
	end     chan struct{}
	done    sync.WaitGroup
	mu      sync.Mutex
	answers map[string]int
}

func newTraffic(t testing.TB, ask func() string) *traffic {
	tr := &traffic{t: t, end: make(chan struct{}), answers: map[string]int{}}
	for range 2 {
		tr.done.Go(func() {
			for {
				select {
				case <-tr.end:
					return
				default:
				}
				answer := ask()
				tr.mu.Lock()
				tr.answers[answer]++
				tr.mu.Unlock()
			}
		})
	}
	return tr
}

// stop ends it and wants these answers, each at least once, and no other.
func (tr *traffic) stop(want ...string) {
	tr.t.Helper()
	close(tr.end)
	tr.done.Wait()
	for _, answer := range want {
		if tr.answers[answer] == 0 {
			tr.t.Errorf("no %s in %v", answer, tr.answers)
		}
	}
	if len(tr.answers) != len(want) {
		tr.t.Errorf("%v, want only %v", tr.answers, want)
	}
	tr.t.Logf("%v", tr.answers)
}

// unsigned is an entry of policy.bundles for a file beside the configuration.
func unsigned(name string) string {
	return fmt.Sprintf("  - {name: %s, file: %s.tar.gz, insecure_unsigned: true}\n", name, name)
}

// TestARefusedBundleIsTriedAgain when the files that it collided with change.
func TestARefusedBundleIsTriedAgain(t *testing.T) {
	f := newFolder(t)
	f.write(t, "policy/local.rego", "package authz\n\nscopes contains \"mcp:read\"\n")
	f.write(t, "weather.tar.gz", release{rules: denies}.pack(t))
	p := start(t, "--config", f.configure(t, "policy:\n  paths: [policy]\n  bundles:\n"+unsigned("weather")))
	conn := p.dial(t, p.grpc, nil)
	ask := func() string { return verdict(t, conn, goodToken(f.key)) }
	p.log.await(t, 1, "nothing shows who wrote this bundle")
	refusal := p.log.await(t, 1, "local.rego:3:1: this rule is where bundle weather has its root")
	if !strings.Contains(refusal, "none is in force") || strings.Contains(refusal, "the one before") {
		t.Errorf("no bundle came before, and the log says %s", refusal)
	}
	if got := ask(); got != "policy_error" {
		t.Errorf("got %s", got)
	}
	f.write(t, "policy/local.rego", "package local\n\nx := 1\n")
	settles(t, ask, "policy_error", "policy_denied")
}

// TestOneBadBundleHoldsNothingElseBack, neither another bundle nor the files.
func TestOneBadBundleHoldsNothingElseBack(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write(t, "one.tar.gz", release{roots: []string{"authz/require"}, rules: "a if true"}.pack(t))
	f.write(t, "two.tar.gz", release{roots: []string{"authz/scopes"}, rules: ""}.pack(t))
	both := "policy:\n  bundles:\n" + unsigned("one") + unsigned("two")
	p := start(t, "--config", f.configure(t, both))
	conn := p.dial(t, p.grpc, nil)
	ask := func() string { return verdict(t, conn, goodToken(f.key)) }
	settles(t, ask, "policy_error", "allowed")
	f.write(t, "one.tar.gz", release{roots: []string{"authz/require"}, rules: "a if nonsense(1)"}.pack(t))
	p.log.await(t, 1, "undefined function nonsense")
	f.write(t, "two.tar.gz", release{roots: []string{"authz/deny"}, rules: "x := 1"}.pack(t))
	p.log.await(t, 1, "deny is not a set here")
	f.write(t, "two.tar.gz", release{serial: 2, roots: []string{"two", "authz/scopes"}, rules: "x := 1"}.pack(t))
	p.log.await(t, 1, `"revision":"release-2"`)
	f.configure(t, "  scopes: [mcp:admin]\n"+both)
	settles(t, ask, "allowed", "insufficient_scope")
	f.write(t, "one.tar.gz", release{roots: []string{"authz/require"}, rules: "a if false"}.pack(t))
	settles(t, ask, "insufficient_scope", "policy_denied")
}

// TestAConfigurationWaitsForItsBundle, with the one before in force.
func TestAConfigurationWaitsForItsBundle(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write(t, "one.tar.gz", release{roots: []string{"authz/require"}, rules: "a if true"}.pack(t))
	p := start(t, "--config", f.configure(t, "policy:\n  bundles:\n"+unsigned("one")))
	conn := p.dial(t, p.grpc, nil)
	ask := func() string { return verdict(t, conn, goodToken(f.key)) }
	settles(t, ask, "policy_error", "allowed")
	f.configure(t, "policy:\n  bundles:\n"+unsigned("one")+unsigned("two"))
	p.log.await(t, 1, "the changed configuration waits for a bundle")
	metric := func(want string) {
		t.Helper()
		if _, _, body := get(t, "http://"+p.http+"/metrics"); !strings.Contains(body, want) {
			t.Errorf("no %q", want)
		}
	}
	if got := ask(); got != "allowed" {
		t.Errorf("while it waits: %s", got)
	}
	waits := inForce(t, p)
	if waits.LastReload != "waiting" || waits.Problem != "waits for two" || len(waits.Hash) != 16 {
		t.Errorf("while it waits: %+v", waits)
	}
	f.write(t, "one.tar.gz", release{roots: []string{"authz/require"}, rules: "a if false"}.pack(t))
	settles(t, ask, "allowed", "policy_denied") // the one in force goes on
	metric("doorward_config_last_reload_successful 0")
	if got := inForce(t, p); got != waits {
		t.Errorf("a new bundle of the same configuration: %+v, before %+v", got, waits)
	}
	f.write(t, "two.tar.gz", release{roots: []string{"two"}, rules: "x := 1"}.pack(t))
	p.log.await(t, 1, "the changed configuration is in force")
	metric("doorward_config_last_reload_successful 1")
	f.configure(t, "")
	settles(t, ask, "policy_denied", "allowed")
	if _, _, body := get(t, "http://"+p.http+"/metrics"); strings.Contains(body, "doorward_bundle") {
		t.Error("bundles that have left are still measured")
	}
}

// TestRevocationsFromABundle: they come and go with their bundle, and an older
// list, or a bad one, is refused with it.
func TestRevocationsFromABundle(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	list := func(serial int, subject, rules string) string {
		return release{roots: []string{"authz", "security"}, rules: rules, data: map[string]any{"security": map[string]any{"revoked": map[string]any{
			"serial": serial, "revoked": []any{map[string]any{"issuer": "https://as.example.com", "sub": subject}},
		}}}}.pack(t)
	}
	f.write(t, "b.tar.gz", list(5, "mallory", ""))
	p := start(t, "--config", f.configure(t, "policy:\n  bundles:\n  - {name: b, file: b.tar.gz, insecure_unsigned: true, revocations: security/revoked}\n"))
	conn := p.dial(t, p.grpc, nil)
	ask := func() string { return verdict(t, conn, goodToken(f.key)) }
	settles(t, ask, "policy_error", "allowed")
	f.write(t, "b.tar.gz", list(6, "alice", ""))
	settles(t, ask, "allowed", "token_revoked")
	for _, bad := range []struct{ intent, content, want string }{
		{"an older list", list(5, "mallory", ""), "serial: 5 is older than 6, which is in force"},
		{"another list under the same serial", list(6, "mallory", ""), "serial: 6 is in force with other content"},
		{"no list", release{}.pack(t), "its data has nothing at security/revoked"},
		{"no serial", list(0, "mallory", ""), "serial: is not a whole number"},
	} {
		t.Run(bad.intent, func(t *testing.T) {
			f.write(t, "b.tar.gz", bad.content)
			p.log.await(t, 1, bad.want)
			if got := ask(); got != "token_revoked" {
				t.Errorf("got %s", got)
			}
		})
	}
	f.write(t, "b.tar.gz", list(6, "alice", "require.other if true"))
	p.log.await(t, 3, "the bundle is in force") // the same list beside another rule
	if _, _, body := get(t, "http://"+p.http+"/metrics"); !strings.Contains(body, "doorward_revocation_serial 6") {
		t.Error("no serial in the metrics")
	}
	f.write(t, "b.tar.gz", list(7, "mallory", ""))
	settles(t, ask, "token_revoked", "allowed")
	f.write(t, "list.json", `{"serial": 1, "revoked": [{"issuer": "https://as.example.com", "sub": "alice"}]}`)
	f.configure(t, "revocation_file: list.json")
	settles(t, ask, "allowed", "token_revoked")
}

// TestCheckWithBundles: what is in them is not known, and not asked for.
func TestCheckWithBundles(t *testing.T) {
	f := newFolder(t)
	f.write(t, "policy/team.rego", "package authz\n\nrequire.a if data.weather.fine(input.claims)\n")
	config := f.configure(t, "policy:\n  paths: [policy]\n  bundles:\n"+unsigned("weather"))
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"check", "--config", config}, &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), "nothing shows who wrote this bundle") {
		t.Errorf("exit %d: %s%s", code, &stdout, &stderr)
	}
	f.configure(t, "policy: {paths: [policy]}")
	f.write(t, "policy/team.rego", "package authz\n\nrequire.a if time.parse_rfc3339_ns(input.claims.iss) > 0\n")
	stdout.Reset()
	if code := run(t.Context(), []string{"check", "--config", config}, &stdout, &stderr); code != exitFailure || !strings.Contains(stdout.String(), "no decision on a trial request to example") {
		t.Errorf("exit %d: %s%s", code, &stdout, &stderr)
	}
}

// TestExplainWithBundles fetches them, and says which could not be had.
func TestExplainWithBundles(t *testing.T) {
	f := newFolder(t)
	f.write(t, "one.tar.gz", release{rules: denies}.pack(t))
	f.write(t, "token", goodToken(f.key))
	explain := func(config string) (int, string) {
		var out bytes.Buffer
		code := run(t.Context(), []string{"explain", "--config", config, "--url", "https://mcp.example.com/mcp", "--token-file", f.path("token")}, &out, &out)
		return code, out.String()
	}
	code, out := explain(f.configure(t, "policy:\n  bundles:\n"+unsigned("one")))
	if code != 3 || !strings.Contains(out, "authz.require.a") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	f.write(t, "two.tar.gz", "")
	code, out = explain(f.configure(t, "policy:\n  bundles:\n"+unsigned("one")+unsigned("two")))
	if code != exitFailure || !strings.Contains(out, "policy.bundles: warning: two is no bundle") || !strings.Contains(out, "waiting for a bundle that can be used: two") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}
