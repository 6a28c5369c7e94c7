package interop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/testenv"
)

// conformance is the official suite of scenarios for servers, with go-sdk's own
// server for it. It sends no token, so that a proxy in front of Envoy adds one.
type conformance struct {
	*sdks
	server string // the program
	proxy  *http.Server
	alone  map[string]result // by revision: without Envoy
	cells  []string          // through Envoy and doorward, by way
}

// wires are the revisions, and the mode of the server that has them.
var wires = []struct{ revision, flag string }{{"2025-11-25", "-stateless=false"}, {"2026-07-28", "-stateless=true"}}

const asStraight = "as straight"

// asking are the scenarios in which the server asks and the client answers. With the
// filter the answer is refused, and the suite waits for a minute in each: see
// docs/operations.md. They are left out there.
var asking = []string{"tools-call-sampling", "tools-call-elicitation", "elicitation-sep1034-defaults", "elicitation-sep1330-enums"}

func conformanceSuite(o options) (*suite, error) {
	h := &suite{flag: suiteConformance, name: nameConformance, head: []string{
		"Revision", "go-sdk 1.8.0 alone", "through Envoy and doorward, by filter", "through Envoy and doorward, by bodies",
	}}
	h.about = "Checks of `@modelcontextprotocol/conformance`, passed of all. A proxy adds a token, since the suite sends none. Every tool call, prompt and\n" +
		"resource needs `mcp:write`, and what no entry matches is denied."
	s, missing, err := newSDKs(o, h.flag)
	if h.missing = missing; missing != "" || err != nil {
		return h, err
	}
	c := &conformance{sdks: s, server: filepath.Join(s.folder, "everything-server"), alone: map[string]result{}}
	h.steps = []step{
		{name: "oidc-provider starts", wanted: "up", vital: true, do: func(ctx context.Context) (outcome, error) { return s.startAS(ctx) }},
		{name: "go-sdk's server for the suite", wanted: "built", vital: true, within: 5 * time.Minute, do: c.build},
	}
	for _, wire := range wires {
		h.steps = append(h.steps, step{name: "straight, " + wire.revision, wanted: "0 failed", do: func(ctx context.Context) (outcome, error) {
			return c.straight(ctx, wire.revision, wire.flag)
		}})
		for _, w := range ways {
			h.steps = append(h.steps, step{name: w.name + ", " + wire.revision, wanted: asStraight, within: 5 * time.Minute, do: func(ctx context.Context) (outcome, error) {
				return c.through(ctx, wire.revision, wire.flag, w)
			}})
		}
	}
	h.end = func() error { return errors.Join(c.shut(), s.end()) }
	return h, nil
}

func (c *conformance) build(ctx context.Context) (outcome, error) {
	build := exec.CommandContext(ctx, "go", "build", "-o", c.server, "github.com/modelcontextprotocol/go-sdk/conformance/everything-server")
	if text, err := build.CombinedOutput(); err != nil {
		return outcome{}, fmt.Errorf("%w: %s", err, text)
	}
	return outcome{got: "built"}, nil
}

// start runs the server in one of its modes.
func (c *conformance) start(ctx context.Context, flag string) (address string, stop func() error, err error) {
	addresses, err := testenv.FreeAddresses(1)
	if err != nil {
		return "", nil, err
	}
	process, err := testenv.Start(ctx, testenv.Command{Program: c.server, Args: []string{"-http", addresses[0], flag}})
	if err != nil {
		return "", nil, err
	}
	return addresses[0], process.Stop, process.Until(ctx, func(ctx context.Context) error { return dial(ctx, addresses[0]) })
}

// dial is nil where somebody listens.
func dial(ctx context.Context, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err == nil {
		err = conn.Close()
	}
	return err
}

// What the suite prints at its end: a line for each scenario, or one for the only one.
var (
	passed = regexp.MustCompile(`(?m)^(?:✓|✗) ([a-z0-9-]+): (\d+) passed, (\d+) failed`)
	single = regexp.MustCompile(`(?m)^Passed: (\d+)/\d+, (\d+) failed`)
)

// result is what the suite counted, by scenario.
type result map[string][2]int

func (r result) without(scenarios ...string) result {
	rest := maps.Clone(r)
	for _, scenario := range scenarios {
		delete(rest, scenario)
	}
	return rest
}

// String is the sum, with the names of the scenarios that failed.
func (r result) String() string {
	var sum [2]int
	var failed []string
	for _, scenario := range slices.Sorted(maps.Keys(r)) {
		sum[0], sum[1] = sum[0]+r[scenario][0], sum[1]+r[scenario][1]
		if r[scenario][1] > 0 {
			failed = append(failed, scenario)
		}
	}
	text := fmt.Sprintf("%d of %d", sum[0], sum[0]+sum[1])
	if failed != nil {
		text += ", failed: " + strings.Join(failed, ", ")
	}
	return text
}

// ask runs the suite against a URL. The error is that of a suite that printed no summary.
func (c *conformance) ask(ctx context.Context, url, revision string) (result, error) {
	text, err := c.suite(ctx, url, revision, "--suite", "active")
	found := result{}
	for _, line := range passed.FindAllSubmatch(text, -1) {
		found[string(line[1])] = counts(line[2:])
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("the suite printed %.300q: %w", text, err)
	}
	return found, nil
}

// counts are the checks of a scenario, passed and failed.
func counts(numbers [][]byte) [2]int {
	good, _ := strconv.Atoi(string(numbers[0]))
	bad, _ := strconv.Atoi(string(numbers[1]))
	return [2]int{good, bad}
}

func (c *conformance) suite(ctx context.Context, url, revision string, args ...string) ([]byte, error) {
	return c.run(ctx, c.node, append([]string{
		"node_modules/@modelcontextprotocol/conformance/dist/index.js", "server", "--url", url, "--spec-version", revision,
	}, args...)...)
}

// each runs scenarios one by one.
func (c *conformance) each(ctx context.Context, url, revision string, scenarios result) (result, error) {
	found := result{}
	for scenario := range scenarios {
		text, err := c.suite(ctx, url, revision, "--scenario", scenario)
		line := single.FindSubmatch(text)
		if line == nil {
			return nil, fmt.Errorf("the suite printed %.300q: %w", text, err)
		}
		found[scenario] = counts(line[1:])
	}
	return found, nil
}

func (c *conformance) straight(ctx context.Context, revision, flag string) (outcome, error) {
	address, stop, err := c.start(ctx, flag)
	if err != nil {
		return outcome{}, err
	}
	found, err := c.ask(ctx, "http://"+address+"/mcp", revision)
	c.alone[revision] = found
	failed := 0
	for _, counts := range found {
		failed += counts[1]
	}
	return outcome{got: fmt.Sprintf("%d failed", failed), note: found.String()}, errors.Join(err, stop())
}

// through runs the suite through the proxy, Envoy and doorward, with operations configured.
func (c *conformance) through(ctx context.Context, revision, flag string, w way) (outcome, error) {
	free, err := testenv.FreeAddresses(1)
	if err != nil {
		return outcome{}, err
	}
	c.front = &front{plain: "http://" + free[0] + "/mcp"}
	upstream, stop, err := c.start(ctx, flag)
	if c.front.stop = stop; err != nil {
		return outcome{}, err
	}
	c.front.doorward, err = testenv.StartDoorward(ctx, testenv.DoorwardOptions{
		Program: c.doorward, Dir: filepath.Join(c.folder, "doorward"), Config: c.operations(w),
	})
	if err != nil {
		return outcome{}, err
	}
	c.front.envoy, err = testenv.StartEnvoy(ctx, testenv.EnvoyOptions{Doorward: c.front.doorward.GRPC, Upstream: upstream, Edit: w.patient})
	if err != nil {
		return outcome{}, err
	}
	if err := c.startProxy(ctx, free[0]); err != nil {
		return outcome{}, err
	}
	o, err := c.compare(ctx, revision, w)
	return o, errors.Join(err, c.shut(), c.closeFront())
}

// compare asks through Envoy, and makes the line of the revision after the last way.
func (c *conformance) compare(ctx context.Context, revision string, w way) (o outcome, err error) {
	wanted := c.alone[revision]
	var found result
	if _, asks := wanted[asking[0]]; asks && w.name == ways[0].name {
		wanted = wanted.without(asking...)
		found, err = c.each(ctx, c.front.plain, revision, wanted)
		o.note = ", without the scenarios in which the client answers the server"
	} else {
		found, err = c.ask(ctx, c.front.plain, revision)
	}
	o.got, o.note = found.String(), found.String()+o.note
	if maps.Equal(found, wanted) {
		o.got = asStraight
	}
	if c.cells = append(c.cells, o.note); w.name == ways[len(ways)-1].name {
		o.cells = append([]string{revision, c.alone[revision].String()}, c.cells...)
		c.cells = nil
	}
	return o, err
}

func (c *conformance) operations(w way) string {
	origin := strings.TrimSuffix(c.front.plain, "/mcp")
	return fmt.Sprintf(`issuers:
- {issuer: %q, profile: rfc9068}
resources:
- resource: %q
  scopes: [mcp:read]
  origins: [%q, %q]
  mcp: {%s}
  operations:
  - {method: tools/call, scopes: [mcp:write]}
  - {method: resources/read, name: "test://*", scopes: [mcp:write]}
  - {method: prompts/get, name: "test_*", scopes: [mcp:write]}
  - {method: "*"}
  operations_default: deny
insecure_http_hosts: [loopback]
drain: 0s
`, c.issuer, c.front.plain, origin, strings.Replace(origin, "127.0.0.1", "localhost", 1), w.yaml)
}

// startProxy adds the token of a user to every request, and changes nothing else.
func (c *conformance) startProxy(ctx context.Context, address string) error {
	user, err := login{
		authorize: c.issuer + "/auth", token: c.issuer + "/token",
		client: "app", public: true, scope: "openid mcp:read mcp:write", resource: c.front.plain,
	}.run(ctx)
	if err != nil {
		return err
	}
	target, err := url.Parse(c.front.envoy.URL())
	if err != nil {
		return err
	}
	listener, err := testenv.Listen(address)
	if err != nil {
		return err
	}
	c.proxy = &http.Server{ReadHeaderTimeout: time.Minute, Handler: &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			r.Out.Header.Set("Authorization", "Bearer "+user.Access)
		},
	}}
	go func() { _ = c.proxy.Serve(listener) }()
	return nil
}

func (c *conformance) shut() error {
	if c.proxy == nil {
		return nil
	}
	err := c.proxy.Close()
	c.proxy = nil
	return err
}
