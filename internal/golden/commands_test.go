package golden

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

const mistakes = `version: 2
listen: {grpc: nowhere, http: 127.0.0.1:x, debug: 0.0.0.0:1}
limits: {token_bytes: many, nothing: 1}
issuers:
- {issuer: http://as.example.com, profile: none}
- {issuer: https://as.example.com, jwks_file: missing.json, algorithms: [none]}
resources:
- {resource: https://MCP.example.com/mcp, name: a, name: b}
- {resource: https://mcp.example.com/x, issuers: [https://nobody.example.com], dpop: maybe, scopes: ["a b"]}
clock_skew: 10m
drain: never
policy: {paths: [missing]}
`

const badRules = `package authz

deny contains "x" if input.claims.tenant != "a"

allow if true

headers["authorization"] := "x"

require.x if input.clams.y
`

// result is a run of the binary.
type result struct {
	code           int
	stdout, stderr []byte
}

func execute(t *testing.T, binary, folder, stdin string, args ...string) result {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, args...)
	command.Dir, command.Stdin = folder, strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := command.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{command.ProcessState.ExitCode(), stdout.Bytes(), stderr.Bytes()}
}

// TestCommands holds exit codes, what is printed for machines, and the places of
// findings.
func TestCommands(t *testing.T) {
	binary, folder := build(t), t.TempDir()
	keys := tokens{jwttest.NewKey("ES256", "key-1"), jwttest.NewKey("ES256", "key-1")}
	write(t, folder, "jwks.json", string(jwttest.JWKS(keys.key)))
	write(t, folder, "policy/team.rego", rules)
	write(t, folder, "policy/broken.rego", broken)
	write(t, folder, "policy/team_test.rego", "package authz_test\n\nimport data.doorward.testing\n\ntest_x if true\n")
	write(t, folder, "revocations.json", `{"serial": 1, "revoked": []}`)
	write(t, folder, "doorward.yaml", configuration)
	write(t, folder, "mistakes.yaml", mistakes)
	write(t, folder, "bad/rules.rego", badRules)
	write(t, folder, "rules.yaml", strings.Replace(configuration, "[policy]", "[bad]", 1))

	explain := []string{"explain", "--config", "doorward.yaml", "--url", mcp, "--json"}
	var codes strings.Builder
	for _, row := range []struct {
		stdin string
		args  []string
	}{
		{"", nil},
		{"", []string{"version"}},
		{"", []string{"nonsense"}},
		{"", []string{"serve"}},
		{"", []string{"serve", "--config", "missing.yaml"}},
		{"", []string{"serve", "--config", "mistakes.yaml"}},
		{"", []string{"check"}},
		{"", []string{"check", "--config", "doorward.yaml"}},
		{"", []string{"check", "--config", "mistakes.yaml"}},
		{"", []string{"check", "--config", "rules.yaml"}},
		{"", explain},
		{keys.good(), append(explain, "--token-file", "-")},
		{keys.good(set("aud", "https://elsewhere.example.com")), append(explain, "--token-file", "-")},
		{"", []string{"explain", "--config", "mistakes.yaml", "--url", mcp}},
		{"", []string{"test", "policy"}},
		{"", []string{"test", "missing"}},
		{"", []string{"schema", "config"}},
		{"", []string{"schema", "nothing"}},
		{"", []string{"library", "library"}},
	} {
		got := execute(t, binary, folder, row.stdin, row.args...)
		fmt.Fprintf(&codes, "doorward %s: %d\n", strings.Join(row.args, " "), got.code)
	}
	compare(t, "exitcodes.txt", codes.String())

	allowed := execute(t, binary, folder, keys.good(), append(explain, "--token-file", "-")...)
	compare(t, "explain.txt", shape(t, allowed.stdout))
	denied := execute(t, binary, folder, keys.good(set("scope", "x")), append(explain, "--token-file", "-")...)
	compare(t, "explain-denied.txt", shape(t, denied.stdout))
	compare(t, "schema-config.txt", schemaKeys(t, execute(t, binary, folder, "", "schema", "config").stdout))
	compare(t, "schema-input.txt", schemaKeys(t, execute(t, binary, folder, "", "schema", "input").stdout))
	compare(t, "findings.txt", places(execute(t, binary, folder, "", "check", "--config", "mistakes.yaml").stdout)+
		places(execute(t, binary, folder, "", "check", "--config", "rules.yaml").stdout))
}

var place = regexp.MustCompile(`(?m)^\S*?([\w./-]+\.(?:yaml|rego):\d+:\d+): (warning)?`)

// places are file:line:col and the severity of each finding, in order.
func places(out []byte) string {
	var found strings.Builder
	for _, match := range place.FindAllSubmatch(out, -1) {
		fmt.Fprintf(&found, "%s %s\n", match[1], match[2])
	}
	return found.String()
}

// schemaKeys are the properties of a JSON Schema with everything that is said
// of them but descriptions.
func schemaKeys(t *testing.T, document []byte) string {
	t.Helper()
	var schema map[string]any
	if err := json.Unmarshal(document, &schema); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	printSchema(&out, "$", schema)
	return out.String()
}

func printSchema(out *strings.Builder, path string, schema map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(schema)) {
		switch value := schema[name].(type) {
		case map[string]any:
			printSchema(out, path+"."+name, value)
		default:
			if name == "description" || name == "title" {
				continue
			}
			encoded, err := json.Marshal(value)
			if err != nil {
				encoded = []byte(err.Error())
			}
			fmt.Fprintf(out, "%s.%s %s\n", path, name, encoded)
		}
	}
}
