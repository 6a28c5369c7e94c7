package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// whoami is the tool call that every attempt sends.
const whoami = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`

// answered is how long an answer may take.
const answered = 15 * time.Second

// attempt is one tool call with one thing changed, and what must come of it.
type attempt struct {
	name string
	sent string // in words
	more string // of path and query, after /mcp

	headers [][2]string
	want    want
	why     string // besides the operator's log
}

type want struct {
	status    int
	reason    string // in the logs
	challenge string // of WWW-Authenticate, after resource_metadata; "" is no challenge
}

// Challenges (RFC 6750, section 3.1).
const invalidToken = `scope="mcp:read", error="invalid_token", error_description=`

// attempts is the table: first what is wrong with a token, then what is wrong
// with the way it comes.
func (p *parts) attempts() []attempt { return append(p.badTokens(), p.badRequests()...) }

// badTokens are made by the authorization server's own key, so that each
// differs from a good one in one thing alone.
func (p *parts) badTokens() []attempt {
	forger := jwttest.NewKey("ES256", p.auth.Key().ID)
	return []attempt{
		{
			name: "Expired token", sent: "a token that expired an hour ago",
			headers: bearer(p.but("exp", time.Now().Add(-time.Hour).Unix())),
			want:    want{401, "token_expired", invalidToken + `"The access token expired"`},
		},
		{
			name: "Forged token", sent: "a token with perfect claims and the right kid, signed by another key",
			headers: bearer(forger.Sign(p.auth.Claims(p.resource, "mcp:read"))),
			want: want{
				401, "signature_invalid",
				invalidToken + `"The signature of the access token does not verify"`,
			},
		},
		{
			name: "Token for another audience", sent: "a token of the right authorization server, for " +
				"https://other.example/mcp",
			headers: bearer(p.auth.Token("https://other.example/mcp", "mcp:read")),
			want: want{
				401, "audience_mismatch",
				invalidToken + `"The access token was not issued for this resource"`,
			},
		},
		{
			name: "Token of another issuer", sent: "a token that says it comes from https://elsewhere.example",
			headers: bearer(p.but("iss", "https://elsewhere.example")),
			want: want{
				401, "issuer_unknown",
				invalidToken + `"The access token comes from an issuer that is not accepted here"`,
			},
		},
		{
			name: "Missing scope", sent: "a good token without scope mcp:read",
			headers: bearer(p.auth.Token(p.resource)),
			want:    want{403, "insufficient_scope", lacking("mcp:read")},
		},
		{
			name: "Missing scope, by a rule of the team's own", sent: "a good token with scope mcp:read, to /mcp/admin",
			more:    "/admin",
			headers: bearer(p.auth.Token(p.resource, "mcp:read")),
			want:    want{403, "insufficient_scope", lacking("mcp:read mcp:write")},
			why:     "policy/team.rego asks for mcp:write there; the challenge names both.",
		},
		{
			name: "The scopes that the challenge asked for", sent: "a good token with scopes mcp:read and " +
				"mcp:write, to /mcp/admin",
			more:    "/admin",
			headers: bearer(p.auth.Token(p.resource, "mcp:read", "mcp:write")),
			want:    want{200, "allowed", ""},
		},
	}
}

// badRequests carry a good token in the wrong way.
func (p *parts) badRequests() []attempt {
	good := p.auth.Token(p.resource, "mcp:read")
	return []attempt{
		{
			name: "Token in the query alone", sent: "a good token as ?access_token=..., no header",
			more: "?access_token=" + good,
			want: want{401, "no_credentials", `scope="mcp:read"`},
			why:  "URLs end up in logs and histories: a token there is never read (RFC 9700, 4.3.2).",
		},
		{
			name: "Token in the query beside the header", sent: "a good token in the header, and once more as " +
				"?access_token=...",
			more:    "?access_token=" + good,
			headers: bearer(good),
			want:    want{200, "allowed", ""},
			why:     "The header counts; the copy in the URL is removed on the way.",
		},
		{
			name: "Two credentials", sent: "two Authorization headers, a good token in each",
			headers: append(bearer(good), bearer(good)...),
			want: want{
				400, "invalid_request",
				`error="invalid_request", error_description="The request carries a credential in more than one place"`,
			},
		},
		{
			name: "Page of a strange origin", sent: "a good token, from a web page: Origin: https://evil.example",
			headers: append(bearer(good), [2]string{"Origin", "https://evil.example"}),
			want:    want{403, "origin_not_allowed", ""},
		},
	}
}

func bearer(token string) [][2]string { return [][2]string{{"Authorization", "Bearer " + token}} }

// but is a good token with one claim changed.
func (p *parts) but(claim string, value any) string {
	claims := p.auth.Claims(p.resource, "mcp:read")
	claims[claim] = value
	return p.auth.Issue(claims)
}

func lacking(scopes string) string {
	return `scope="` + scopes + `", error="insufficient_scope", ` +
		`error_description="The access token lacks a scope that this operation needs"`
}

// refusals sends each attempt.
func (w *walk) refusals(ctx context.Context) {
	w.page.println("The same tool call, with one thing changed at a time")
	w.page.text("The client reads what helps it. The operator finds the exact reason in Envoy's access log and,",
		"under the same request id, advice in doorward's log.")
	for _, a := range w.parts.attempts() {
		if ctx.Err() != nil {
			return
		}
		r := report{name: a.name}
		before := len(w.parts.mcp.Requests())
		e, err := w.send(ctx, a)
		if err != nil {
			r.fault(err)
		} else {
			w.describe(ctx, &r, a, e)
			r.arrived(a, w.parts.mcp.Requests()[before:])
		}
		if a.why != "" {
			r.row("why", a.why)
		}
		w.report(r)
	}
}

func (w *walk) describe(ctx context.Context, r *report, a attempt, e exchange) {
	r.verdict = strconv.Itoa(e.status)
	r.row("sent", a.sent)
	if strings.Contains(e.challenge(), "insufficient_scope") {
		r.row("came back", status(e.status))
		r.row("", challengeLines(e)...) // which scopes to ask for
	} else {
		r.row("came back", strings.TrimSuffix(status(e.status)+", "+refusal(e), ", "))
	}
	challenge := ""
	if a.want.challenge != "" {
		challenge = w.parts.challenge(a.want.challenge)
	}
	r.expect("status", status(e.status), status(a.want.status))
	r.expect("challenge", e.challenge(), challenge)
	w.operator(ctx, r, e, a.want.reason)
}

// refusal is what the body of a refusal says.
func refusal(e exchange) string {
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(e.body, &body) != nil || body.Error == "" {
		return ""
	}
	return body.Error + ": " + body.Description
}

// arrived compares what reached the MCP server with what should have.
func (r *report) arrived(a attempt, passed []testenv.ReceivedRequest) {
	if a.want.status != http.StatusOK {
		r.expect("requests that reached the MCP server", fmt.Sprint(len(passed)), "0")
		return
	}
	r.expect("requests that reached the MCP server", fmt.Sprint(len(passed)), "1")
	for _, seen := range passed {
		r.row("upstream", seen.Method+" "+seen.URL)
		path, _, _ := strings.Cut("/mcp"+a.more, "?")
		r.expect("URL at the MCP server", seen.URL, path)
	}
}

// send does one attempt, and returns what was recorded of it.
func (w *walk) send(ctx context.Context, a attempt) (exchange, error) {
	ctx, cancel := context.WithTimeout(ctx, answered)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.parts.resource+a.more, strings.NewReader(whoami))
	if err != nil {
		return exchange{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	for _, header := range a.headers {
		request.Header.Add(header[0], header[1])
	}
	response, err := w.recorder.client().Do(request)
	if err != nil {
		return exchange{}, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	if closing := response.Body.Close(); err == nil {
		err = closing
	}
	return w.recorder.last(), err
}
