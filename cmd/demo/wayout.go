package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/doorward/doorward/internal/testenv"
)

// egress is the direction of what leaves the MCP server, in the logs.
const egress = "egress"

// handleHeader is how the MCP server names the request that it works for.
const handleHeader = "X-Mcp-Auth-Handle"

// wayOut has the MCP server call an API, in the wrong way and in the right one.
func (w *walk) wayOut(ctx context.Context) {
	w.page.println("The MCP server calls an API for its user")
	w.page.text("Its requests leave through Envoy, which asks doorward about them, too, at a listener of their own.")
	for _, step := range []func(context.Context){w.passTokenOn, w.copyHandle} {
		if ctx.Err() == nil {
			step(ctx)
		}
	}
}

// passTokenOn is what MCP forbids. The server has no token: the demo hands it one.
func (w *walk) passTokenOn(ctx context.Context) {
	r := report{name: "The server passes the client's token on"}
	defer func() { w.report(r) }()
	token := w.parts.auth.Token(w.parts.resource, "mcp:read")
	r.row("sent", "tools/call forward_token, with the token as an argument, too: doorward removes it from the "+
		"header, so that the server has none to pass on")
	r.row("upstream", "GET "+apiOrigin+testenv.AlertsPath, "Authorization: Bearer <the client's token>")
	got, err := w.call(ctx, token, "forward_token", map[string]any{"token": token})
	if err != nil {
		r.fault(err)
		return
	}
	r.verdict = strconv.Itoa(got.Status)
	refused := exchange{body: []byte(got.Body)}
	r.row("came back", strings.TrimSuffix(status(got.Status)+", "+refusal(refused), ", "))
	r.expect("status at the MCP server", status(got.Status), status(http.StatusForbidden))
	if denial, found := w.outgoing(ctx, &r, testenv.AlertsPath, "passthrough"); found {
		r.row("", "in doorward's log, direction "+denial.Direction+":", "  place        "+denial.Place,
			"  destination  "+denial.Destination, "  token_for    "+denial.TokenFor)
		r.row("", denial.Advice)
		r.expect("direction in doorward's log", denial.Direction, egress)
		r.expect("place in doorward's log", denial.Place, "header authorization")
		r.expect("destination in doorward's log", denial.Destination, testenv.APIHost)
		r.expect("token_for in doorward's log", denial.TokenFor, "demo")
	}
	r.expect("requests that reached the API", fmt.Sprint(len(w.parts.atAPI(testenv.AlertsPath))), "0")
	r.row("why", "With this token the API could be the user at the MCP server. What would be accepted there does "+
		"not leave, in whichever place of a request it is.")
}

// copyHandle is what a server does instead.
func (w *walk) copyHandle(ctx context.Context) {
	r := report{name: "The server copies one header, and the API gets a token of its own"}
	defer func() { w.report(r) }()
	r.row("sent", "tools/call forward_handle")
	got, err := w.call(ctx, w.parts.auth.Token(w.parts.resource, "mcp:read"), "forward_handle", nil)
	if err != nil {
		r.fault(err)
		return
	}
	r.verdict = strconv.Itoa(got.Status)
	handle := w.parts.lastHandle()
	r.row("upstream", "GET "+apiOrigin+testenv.ForecastPath,
		fmt.Sprintf("%s: <%d characters, sealed>", strings.ToLower(handleHeader), len(handle)))
	if handle == "" {
		r.wrong = append(r.wrong, "the MCP server got no handle")
	} else {
		w.secrets = append(w.secrets, handle)
	}
	r.row("came back", status(got.Status))
	r.expect("status at the MCP server", status(got.Status), status(http.StatusOK))
	w.outgoing(ctx, &r, testenv.ForecastPath, "allowed")
	w.seenByAPI(&r)
	r.row("why", "doorward exchanged the token at the authorization server (RFC 8693). The server has no code for "+
		"OAuth, and nothing that another service would accept.")
}

// seenByAPI shows the one request that reached the API.
func (w *walk) seenByAPI(r *report) {
	passed := w.parts.atAPI(testenv.ForecastPath)
	r.expect("requests that reached the API", fmt.Sprint(len(passed)), "1")
	if len(passed) == 0 {
		return
	}
	seen := passed[0]
	token := strings.TrimPrefix(seen.Header.Get("Authorization"), "Bearer ")
	decoded, err := decode(token)
	if err != nil {
		r.fault(err)
		return
	}
	w.secrets = append(w.secrets, token)
	r.row("API", seen.Method+" https://"+seen.Host+seen.URL+", with a token; decoded, without its signature:")
	r.row("", decoded.lines()...)
	r.row("", "  act        "+decoded.claim("act")+", who acts for sub")
	r.expect("sub", decoded.claim("sub"), "alice")
	r.expect("aud", decoded.claim("aud"), apiAudience)
	r.expect("scope", decoded.claim("scope"), apiScope)
	r.expect("act", decoded.claim("act"), `{"sub":"`+exchangeClient+`"}`)
	r.expect("handle at the API", seen.Header.Get(handleHeader), "")
}

// atAPI are the requests of a path that reached the API.
func (p *parts) atAPI(path string) []testenv.ReceivedRequest {
	return slices.DeleteFunc(p.api.Requests(), func(seen testenv.ReceivedRequest) bool { return seen.URL != path })
}

// lastHandle is that of the last request with one at the MCP server.
func (p *parts) lastHandle() (handle string) {
	for _, seen := range p.mcp.Requests() {
		if got := seen.Header.Get(handleHeader); got != "" {
			handle = got
		}
	}
	return handle
}

// outgoing adds to a report what the operator reads of a request of the MCP server.
func (w *walk) outgoing(ctx context.Context, r *report, path, reason string) (denial denialLine, found bool) {
	line, err := w.parts.left(ctx, path)
	if err != nil {
		r.fault(err)
		return denial, false
	}
	r.verdict += " " + line.Reason
	r.row("operator", fmt.Sprintf("%s, request %s", orNone(line.Reason), line.RequestID))
	r.expect("the reason in Envoy's access log", line.Reason, reason)
	if line.Reason == "allowed" {
		return denial, false
	}
	if denial, err = w.parts.denied(ctx, line.RequestID); err != nil {
		r.fault(err)
		return denial, false
	}
	r.expect("the reason in doorward's log", denial.Reason, reason)
	return denial, true
}

// call runs a tool with the official MCP client and a token.
func (w *walk) call(
	ctx context.Context, token, tool string, arguments map[string]any,
) (got testenv.APIAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, answered)
	defer cancel()
	client := &http.Client{Transport: withToken{token, w.recorder}}
	session, err := testenv.Connect(ctx, testenv.ClientOptions{Endpoint: w.parts.resource, HTTP: client})
	if err != nil {
		return got, err
	}
	defer func() { _ = session.Close() }()
	err = testenv.Call(ctx, session, tool, arguments, &got)
	return got, err
}

// withToken is a transport that sends a token along.
type withToken struct {
	token string
	next  http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t withToken) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+t.token)
	return t.next.RoundTrip(request)
}
