package interop

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// inspected is what the Inspector should show. Its command line logs in at a
// terminal alone, so that it gets a token; without one it says so with exit 3.
const inspected = "no token: exit 3, list: ok, call: ok, refused: exit 1, step-up needed: exit 1"

// inspector asks with the command line of the MCP Inspector.
func (s *sdks) inspector(ctx context.Context, w way, b backend) (outcome, error) {
	user, err := login{
		authorize: s.issuer + "/auth", token: s.issuer + "/token", client: "app", public: true, scope: "openid mcp:read", resource: s.front.plain,
	}.run(ctx)
	if err != nil {
		return outcome{}, err
	}
	withToken := []string{"--header", "Authorization: Bearer " + user.Access}
	call := func(t tool) []string {
		args := append([]string{"--method", "tools/call", "--tool-name", t.Name}, withToken...)
		for name, value := range t.Arguments {
			args = append(args, "--tool-arg", fmt.Sprint(name, "=", value))
		}
		return args
	}
	var results []string
	var words string
	for _, row := range []struct {
		name string
		args []string
	}{
		{"no token", []string{"--method", "tools/list"}},
		{"list", append([]string{"--method", "tools/list"}, withToken...)},
		{"call", call(b.tools.call)},
		{"refused", call(b.tools.refused)},
		{"step-up needed", call(b.tools.stepUp)},
	} {
		args := append([]string{
			"node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js", "--cli", s.front.plain,
			"--transport", "http", "--stored-auth-only", "--format", "json", "-q",
		}, row.args...)
		_, err := s.run(ctx, s.node, args...)
		var exit *exec.ExitError
		switch {
		case err == nil:
			results = append(results, row.name+": ok")
		case errors.As(err, &exit):
			results = append(results, fmt.Sprintf("%s: exit %d", row.name, exit.ExitCode()))
			if row.name == "refused" {
				words = worded(report{Refused: strings.TrimSpace(string(exit.Stderr))})
			}
		default:
			return outcome{}, err
		}
	}
	got := strings.Join(results, ", ")
	return outcome{got: got, note: words, cells: []string{"Inspector 2.12.0", w.name, b.name, "", got, words, ""}}, nil
}
