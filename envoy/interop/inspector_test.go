package interop

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// inspected is what the Inspector should show. Its command line logs in at a
// terminal alone, so that it gets a token. Its exit 3 asks for a login, which it
// also does after a 403 that is no JSON-RPC error.
const inspected = "no token: exit 3, list: ok, call: ok, refused: exit 3, step-up needed: exit 1, refused with json_rpc: exit 3"

// inspector asks with the command line of the MCP Inspector.
func (s *sdks) inspector(ctx context.Context, w way, b backend) (outcome, error) {
	authorization := map[string]string{}
	for _, resource := range []string{s.front.plain, s.front.json} {
		user, err := login{
			authorize: s.issuer + "/auth", token: s.issuer + "/token", client: "app", public: true, scope: "openid mcp:read", resource: resource,
		}.run(ctx)
		if err != nil {
			return outcome{}, err
		}
		authorization[resource] = "Authorization: Bearer " + user.Access
	}
	call := func(t tool, header string) []string {
		args := []string{"--method", "tools/call", "--tool-name", t.Name, "--header", header}
		for name, value := range t.Arguments {
			args = append(args, "--tool-arg", fmt.Sprint(name, "=", value))
		}
		return args
	}
	var results []string
	words := map[string]string{}
	plain := authorization[s.front.plain]
	for _, row := range []struct {
		name, url string
		args      []string
	}{
		{"no token", s.front.plain, []string{"--method", "tools/list"}},
		{"list", s.front.plain, []string{"--method", "tools/list", "--header", plain}},
		{"call", s.front.plain, call(b.tools.call, plain)},
		{"refused", s.front.plain, call(b.tools.refused, plain)},
		{"step-up needed", s.front.plain, call(b.tools.stepUp, plain)},
		{"refused with json_rpc", s.front.json, call(b.tools.refused, authorization[s.front.json])},
	} {
		args := append([]string{
			"node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js", "--cli", row.url,
			"--transport", "http", "--stored-auth-only", "--format", "json", "-q",
		}, row.args...)
		_, err := s.run(ctx, s.node, args...)
		var exit *exec.ExitError
		switch {
		case err == nil:
			results = append(results, row.name+": ok")
		case errors.As(err, &exit):
			results = append(results, fmt.Sprintf("%s: exit %d", row.name, exit.ExitCode()))
			words[row.name] = worded(report{Refused: strings.TrimSpace(string(exit.Stderr))})
		default:
			return outcome{}, err
		}
	}
	got := strings.Join(results, ", ")
	return outcome{
		got: got, note: strings.TrimSpace(words["call"] + " " + words["refused"]), cells: []string{linked(nameInspector, projects+"inspector"), w.name, b.name, "", got},
		words: []string{nameInspector, words["refused"], words["refused with json_rpc"]},
	}, nil
}
