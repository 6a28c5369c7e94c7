package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// plan is what a client does; sdks/client.mjs explains it.
type plan struct {
	URL      string `json:"url"`
	Issuer   string `json:"issuer"`
	Client   string `json:"client"`
	Redirect string `json:"redirect"`
	Call     tool   `json:"call"`
	Refused  *tool  `json:"refused,omitempty"`
	StepUp   *tool  `json:"stepUp,omitempty"`
	Wait     int    `json:"wait,omitempty"` // milliseconds
}

// report is what came of it: "ok", or the error as the client words it.
type report struct {
	Login, Revision, List, Call, Refused, Afterwards, StepUp, Refresh, End, OnError string

	Logins, Refreshes int
}

// client is an MCP client that is tried.
type client struct {
	name  string
	home  string // its project
	run   func(context.Context, *sdks, plan) (report, error)
	plain string // what its session does after a 403 that is no JSON-RPC error
}

const projects = "https://github.com/modelcontextprotocol/"

const (
	goesOn = "goes on"
	ends   = "ends"
)

var clients = []client{
	{"TypeScript sdk 1.32.2", projects + "typescript-sdk", nodeClient("sdk"), goesOn},
	{"TypeScript client 2.4.0", projects + "typescript-sdk", nodeClient("client"), goesOn},
	{"Python mcp 2.3.0", projects + "python-sdk", pythonClient, goesOn},
	{"go-sdk 1.8.0", projects + "go-sdk", goClient, ends},
}

func nodeClient(which string) func(context.Context, *sdks, plan) (report, error) {
	return func(ctx context.Context, s *sdks, p plan) (report, error) {
		return s.report(ctx, p, s.node, "client.mjs", which)
	}
}

func pythonClient(ctx context.Context, s *sdks, p plan) (report, error) {
	return s.report(ctx, p, s.python, "client.py")
}

// report runs a program with a plan and reads its report.
func (s *sdks) report(ctx context.Context, p plan, program string, args ...string) (report, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return report{}, err
	}
	out, err := s.run(ctx, program, append(args, string(text))...)
	if err != nil {
		return report{}, err
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var r report
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		return r, fmt.Errorf("%s printed %.300q: %w", args[0], out, err)
	}
	return r, nil
}

// goClient does the same in this process.
func goClient(ctx context.Context, _ *sdks, p plan) (r report, err error) {
	handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		RedirectURL:         p.Redirect,
		PreregisteredClient: &oauthex.ClientCredentials{ClientID: p.Client, Issuer: p.Issuer},
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			r.Logins++
			query, err := signIn(ctx, args.URL)
			return &auth.AuthorizationResult{Code: query.Get("code"), State: query.Get("state"), Iss: query.Get("iss")}, err
		},
	})
	if err != nil {
		return r, err
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	// By default it offers roots, so that a server asks for them; its answer needs the way of bodies (see TestBadInput
	// in package envoy), and it ends a session in which an answer was refused.
	options := &mcp.ClientOptions{Capabilities: &mcp.ClientCapabilities{}}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "interop", Version: "1"}, options).Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: p.URL, HTTPClient: &http.Client{Transport: transport}, MaxRetries: -1, OAuthHandler: handler,
	}, nil)
	if r.Login = ended(err); err != nil {
		return r, nil
	}
	r.Revision = session.InitializeResult().ProtocolVersion
	call := func(t tool) string {
		result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: t.Name, Arguments: t.Arguments})
		if err == nil && result.IsError {
			return "tool error"
		}
		return ended(err)
	}
	_, err = session.ListTools(ctx, nil)
	r.List = ended(err)
	r.Call = call(p.Call)
	if p.StepUp != nil {
		r.StepUp = call(*p.StepUp)
	}
	if p.Wait > 0 {
		time.Sleep(time.Duration(p.Wait) * time.Millisecond)
		r.Refresh = call(p.Call)
	}
	if p.Refused != nil {
		r.Refused, r.Afterwards = call(*p.Refused), call(p.Call)
	}
	r.End = ended(session.Close())
	return r, nil
}

func ended(err error) string {
	if err == nil {
		return "ok"
	}
	return "failed: " + strings.Join(strings.Fields(err.Error()), " ")
}

// wanted is what a client should show.
func (c client) wanted() string {
	return "login, list, call, step-up, refresh, refusal; then the session " + c.plain + ", with json_rpc it " + goesOn
}

// try has a client do everything: with refusals of both forms, and with tokens
// that soon expire.
func (c client) try(ctx context.Context, s *sdks, w way, b backend) (outcome, error) {
	plain := plan{
		URL: s.front.plain, Issuer: s.issuer, Client: "app", Redirect: callback,
		Call: b.tools.call, Refused: &b.tools.refused, StepUp: &b.tools.stepUp,
	}
	inJSON, brief := plain, plain
	inJSON.URL = s.front.json
	brief.Client, brief.Refused, brief.StepUp, brief.Wait = "brief", nil, nil, 5000
	plans, reports, problems := []plan{plain, inJSON, brief}, make([]report, 3), make([]error, 3)
	var all sync.WaitGroup
	for i := range plans {
		all.Go(func() { reports[i], problems[i] = c.run(ctx, s, plans[i]) })
	}
	all.Wait()
	if err := errors.Join(problems...); err != nil {
		return outcome{}, err
	}
	got := shown(reports[0], reports[1], reports[2])
	return outcome{
		got: got, note: "revision " + reports[0].Revision,
		cells: []string{linked(c.name, c.home), w.name, b.name, reports[0].Revision, got},
		words: []string{c.name, worded(reports[0]), worded(reports[1])},
	}, nil
}

func linked(name, url string) string { return "[" + name + "](" + url + ")" }

// ids are those of requests, which differ from run to run.
var ids = regexp.MustCompile(`(\\?"id\\?":) ?\d+`)

// worded is a refusal as the client reports it to its user.
func worded(r report) string {
	const most = 300
	text := ids.ReplaceAllString(strings.TrimPrefix(r.Refused, "failed: "), "$1 n")
	return "`" + text[:min(len(text), most)] + "`"
}

// shown lists what worked, as in wanted; what did not is in it with the client's words.
func shown(plain, inJSON, brief report) string {
	var steps []string
	check := func(name string, ok bool, words ...any) {
		if !ok {
			name = fmt.Sprintf("NO %s: %q", name, words)
		}
		steps = append(steps, name)
	}
	check("login", plain.Login == "ok" && inJSON.Login == "ok", plain.Login, inJSON.Login)
	check("list", plain.List == "ok" && inJSON.List == "ok", plain.List, inJSON.List)
	check("call", plain.Call == "ok" && inJSON.Call == "ok", plain.Call, inJSON.Call)
	check("step-up", plain.StepUp == "ok" && inJSON.StepUp == "ok" && plain.Logins == 2, plain.StepUp, inJSON.StepUp, plain.Logins)
	check("refresh", brief.Refresh == "ok" && brief.Logins == 1, brief.Refresh, brief.Logins)
	check("refusal", isRefused(plain) && isRefused(inJSON), plain.Refused, inJSON.Refused)
	return fmt.Sprintf("%s; then the session %s, with json_rpc it %s", strings.Join(steps, ", "), after(plain), after(inJSON))
}

func isRefused(r report) bool { return strings.HasPrefix(r.Refused, "failed: ") }

// after is what the session does once a call was refused.
func after(r report) string {
	if r.Afterwards == "ok" {
		return goesOn
	}
	return ends
}

// sdksSuite prepares every client, both ways, before every MCP server.
func sdksSuite(o options) (*suite, error) {
	h := &suite{flag: suiteSDKs, name: "MCP clients through Envoy", head: []string{
		"Client", "Operation by", "MCP server", "Revision", "Shown",
	}, words: []string{"Client", "What it reports of a refused call", "With `denials: json_rpc`"}}
	h.about = "Each client does it all twice, with plain refusals and with `denials: json_rpc`, which some clients need: go-sdk ends its session at a bare\n" +
		"403. A step-up is a new login that a 403 for one tool starts. The go-sdk client offers no roots here: behind a server that asks for them\n" +
		"its answer needs bodies. The TypeScript sdk, with a refresh token, refreshes instead of a step-up, and fails; here it has none."
	s, missing, err := newSDKs(o, h.flag)
	if h.missing = missing; missing != "" || err != nil {
		return h, err
	}
	h.steps = []step{{name: "oidc-provider starts", wanted: "up", vital: true, do: func(ctx context.Context) (outcome, error) { return s.startAS(ctx) }}}
	for _, w := range ways {
		for _, b := range backends {
			where := w.name + ", " + b.name
			h.steps = append(h.steps, step{name: where, wanted: "up", vital: true, do: func(ctx context.Context) (outcome, error) { return s.open(ctx, w, b) }})
			for _, c := range clients {
				h.steps = append(h.steps, step{name: c.name, wanted: c.wanted(), within: 3 * time.Minute, do: func(ctx context.Context) (outcome, error) { return c.try(ctx, s, w, b) }})
			}
			h.steps = append(h.steps,
				step{name: nameInspector, wanted: inspected, within: 3 * time.Minute, do: func(ctx context.Context) (outcome, error) { return s.inspector(ctx, w, b) }},
				step{name: where, wanted: "down", vital: true, do: s.close})
		}
	}
	h.end = s.end
	return h, nil
}
