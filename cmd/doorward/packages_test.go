package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// second is another resource beside the usual one, each with a package.
const second = `  policy: authz.example
- resource: https://mcp.example.com/other
  name: other
  policy: authz.other
policy: {paths: [policy]}`

// TestCheckTellsWhatIsRemembered of each resource, and where a rule keeps it
// from being.
func TestCheckTellsWhatIsRemembered(t *testing.T) {
	f := newFolder(t)
	config := f.configure(t, second)
	f.write(t, "policy/example.rego", "package authz.example\n\nrequire.office if input.request.host == \"mcp.example.com\"\n")
	f.write(t, "policy/other.rego", "package authz.other\n\nrequire.late if time.now_ns() > 0\n")
	code, said := checked(t, f, config)
	want := `policy/other.rego:3:17: warning: no decision that rests on this is remembered: time.now_ns may give another answer each time: leave a token's life to its exp, which is checked before any rule, and put other dates into data
example: decisions are cached
  authz.example.require.office  policy/example.rego:3:1
other: decisions are evaluated at every request, the warnings say why
  authz.other.require.late  policy/other.rego:3:1
ok: 2 resources, 1 issuer, 2 policy files
`
	if diff := cmp.Diff(want, said); code != 0 || diff != "" {
		t.Errorf("exit %d, (-want +got):\n%s", code, diff)
	}
}

// TestCheckTellsWhoNamesAPackageThatNobodyWrote, where the configuration does,
// be the rest of it right or wrong.
func TestCheckTellsWhoNamesAPackageThatNobodyWrote(t *testing.T) {
	f := newFolder(t)
	f.write(t, "policy/example.rego", "package authz.example\n")
	const want = "doorward.yaml:13:11: policy of resource other is authz.other, and no module of the policy has this package: write `package authz.other` in one, or correct the name\n"
	if code, said := checked(t, f, f.configure(t, second)); code != exitFailure || said != want {
		t.Errorf("exit %d, (-want +got):\n%s", code, cmp.Diff(want, said))
	}
	if code, said := checked(t, f, f.configure(t, second+"\nnonsense: 1")); code != exitFailure || !strings.Contains(said, want) || !strings.Contains(said, "nonsense") {
		t.Errorf("exit %d, %s", code, said)
	}
}

func checked(t *testing.T, f *folder, config string) (code int, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), []string{"check", "--config", config}, &stdout, &stderr)
	return code, strings.ReplaceAll(stdout.String(), f.dir+"/", "")
}

// TestAPackageOfItsOwn is served, reloaded, and its decisions remembered.
func TestAPackageOfItsOwn(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write(t, "policy/example.rego", "package authz.example\n\nrequire.method if input.request.method == \"POST\"\n")
	f.write(t, "policy/other.rego", "package authz.other\n\nrequire.never := false\n")
	p := start(t, "--config", f.configure(t, second))
	conn := p.dial(t, p.grpc, nil)
	for range 2 {
		if got := verdict(t, conn, goodToken(f.key)); got != "allowed" {
			t.Errorf("got %s", got)
		}
	}
	_, _, metrics := get(t, "http://"+p.http+"/metrics")
	for _, want := range []string{
		`doorward_decision_cache_requests_total{result="miss"} 1`, `doorward_decision_cache_requests_total{result="hit"} 1`,
		`doorward_cache_bytes{cache="decision"}`, `doorward_cache_evictions_total{cache="decision"} 0`, `doorward_cache_bytes{cache="token"}`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s", want)
		}
	}
	f.write(t, "policy/example.rego", "package authz.example\n\nrequire.method if input.request.method == \"NONE\"\n")
	p.log.await(t, 1, "is in force")
	if got := verdict(t, conn, goodToken(f.key)); got != "policy_denied" {
		t.Errorf("after the reload: %s", got)
	}
	f.write(t, "policy/example.rego", "package authz.elsewhere\n")
	p.log.await(t, 1, "no module of the policy has this package")
	if got := verdict(t, conn, goodToken(f.key)); got != "policy_denied" {
		t.Errorf("after a reload that was refused: %s", got)
	}
}
