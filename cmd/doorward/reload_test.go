package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// reloadState is what /readyz says of the configuration.
type reloadState struct {
	Hash       string
	LastReload string `json:"last_reload"`
	Problem    string
}

// inForce is what /readyz says of the configuration.
func inForce(t *testing.T, p *program) reloadState {
	t.Helper()
	var body struct {
		Ready         bool
		Configuration reloadState
	}
	code, _, text := get(t, "http://"+p.http+"/readyz")
	if err := json.Unmarshal([]byte(text), &body); err != nil || code != http.StatusOK || !body.Ready {
		t.Fatalf("%d %s: %v", code, text, err)
	}
	return body.Configuration
}

// agree wants one hash in a line of the log, in /readyz and in the metrics.
func agree(t *testing.T, p *program, line string) string {
	t.Helper()
	var logged struct{ Configuration string }
	if err := json.Unmarshal([]byte(line), &logged); err != nil || len(logged.Configuration) != 16 {
		t.Fatalf("%s: %v", line, err)
	}
	if got := inForce(t, p).Hash; got != logged.Configuration {
		t.Errorf("/readyz has %s, the log has %s", got, logged.Configuration)
	}
	_, _, metrics := get(t, "http://"+p.http+"/metrics")
	if want := `doorward_config_info{hash="` + logged.Configuration + `"} 1`; !strings.Contains(metrics, want) || strings.Count(metrics, "doorward_config_info{") != 1 {
		t.Errorf("no %s alone in the metrics", want)
	}
	return logged.Configuration
}

// TestAReloadSaysWhatIsInForce: the log names again what is protected, and one
// hash of it is in log, metrics and /readyz, which tells of a refusal, too.
func TestAReloadSaysWhatIsInForce(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write(t, "policy/team.rego", "package authz\n")
	const policy = "policy: {paths: [policy]}"
	p := start(t, "--config", f.configure(t, policy))
	first := agree(t, p, p.log.await(t, 1, `"msg":"serving"`))
	if got := inForce(t, p); got.LastReload != "in force" || got.Problem != "" {
		t.Errorf("after the start: %+v", got)
	}

	f.configure(t, "  scopes: [mcp:admin]\n"+policy)
	second := agree(t, p, p.log.await(t, 1, "the changed configuration is in force"))
	if line := p.log.await(t, 2, `"msg":"protecting"`); !strings.Contains(line, `"scopes":"mcp:admin"`) {
		t.Errorf("after a reload: %s", line)
	}
	p.log.await(t, 2, `"msg":"trusting"`)

	f.configure(t, "nonsense: 1\nmore: 1")
	p.log.await(t, 1, "was refused")
	refused := inForce(t, p)
	if refused.Hash != second || refused.LastReload != "refused" || !strings.Contains(refused.Problem, `doorward.yaml:10:1: unknown key "nonsense"`) ||
		!strings.Contains(refused.Problem, "(and 1 more problem: see the log)") {
		t.Errorf("after a refusal: %+v", refused)
	}

	f.configure(t, policy)
	third := agree(t, p, p.log.await(t, 2, "the changed configuration is in force"))
	if got := inForce(t, p); got.LastReload != "in force" || got.Problem != "" {
		t.Errorf("after it was mended: %+v", got)
	}
	f.write(t, "policy/team.rego", "package authz\n\nrequire.never if input.request.method == \"NEVER\"\n")
	fourth := agree(t, p, p.log.await(t, 3, "the changed configuration is in force"))
	// What the configuration names is in force as well, and not in the hash: it may be secret.
	f.write(t, "keys.json", string(jwttest.JWKS(jwttest.NewKey("ES256", "key-2"))))
	fifth := agree(t, p, p.log.await(t, 4, "the changed configuration is in force"))
	if first == second || first != third || fourth == third || fifth != fourth {
		t.Errorf("hashes: %s %s %s %s %s", first, second, third, fourth, fifth)
	}
}
