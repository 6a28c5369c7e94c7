package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/testenv"
)

// walk is the demo, step by step.
type walk struct {
	parts    *parts
	page     *page
	recorder *recorder

	steps    int
	differed []string
	secrets  []string // tokens for the API, and handles: no log may have them
}

func (w *walk) report(r report) {
	w.steps++
	w.page.print(w.steps, r)
	if len(r.wrong) > 0 {
		w.differed = append(w.differed, fmt.Sprintf("%d  %s", w.steps, r.name))
	}
}

// metadataURL is where RFC 9728, section 3.1, puts the document of the resource.
func (p *parts) metadataURL() string {
	return p.envoy.URL() + "/.well-known/oauth-protected-resource/mcp"
}

// challenge is a whole WWW-Authenticate value.
func (p *parts) challenge(parameters string) string {
	return fmt.Sprintf(`Bearer resource_metadata="%s", %s`, p.metadataURL(), parameters)
}

// challengeLines show a challenge as it came, one parameter a line.
func challengeLines(e exchange) []string {
	scheme, parameters, _ := strings.Cut(e.challenge(), " ")
	lines := []string{"WWW-Authenticate: " + scheme}
	for parameter := range strings.SplitAfterSeq(parameters, `", `) {
		lines = append(lines, "  "+strings.TrimSpace(parameter))
	}
	return lines
}

func status(code int) string { return fmt.Sprintf("%d %s", code, http.StatusText(code)) }

// nothingLeaked searches every request at the MCP server, and all logs.
func (w *walk) nothingLeaked() {
	passed, tokens := w.parts.mcp.Requests(), w.recorder.sent()
	r := report{name: "The MCP server saw no token but that argument, and the API only its own"}
	r.row("sent", fmt.Sprintf("%d times a token, good or bad, in all the steps above", len(tokens)))
	w.upstream(&r)
	w.atTheAPI(&r, tokens)
	r.row("operator", "Envoy's logs and doorward's are searched for tokens and handles, too")
	for name, log := range map[string]string{
		"Envoy's access log": w.parts.envoy.AccessLog.String(),
		"Envoy's log":        w.parts.envoy.Log.String(),
		"doorward's log":     w.parts.doorward.Log.String(),
	} {
		if holdsAny(log, slices.Concat(tokens, w.secrets)) {
			r.wrong = append(r.wrong, name+" holds a token")
		}
	}
	if len(passed) == 0 || len(tokens) == 0 {
		r.wrong = append(r.wrong, "there was nothing to look at")
	}
	r.row("why", "A server that never sees a token cannot lose it, nor pass it on to others.")
	w.report(r)
}

// upstream looks at all that has reached the MCP server.
func (w *walk) upstream(r *report) {
	passed := w.parts.mcp.Requests()
	found := leaks(passed, w.recorder.sent())
	r.row("upstream",
		fmt.Sprintf("%d requests have reached the MCP server, %d of them with a credential", len(passed), len(found)),
		"(an authorization header, access_token in the URL, or a token in another header)")
	r.wrong = append(r.wrong, found...)
}

// atTheAPI looks for tokens of the client at all that has reached the API.
func (w *walk) atTheAPI(r *report, tokens []string) {
	passed, found := w.parts.api.Requests(), 0
	for _, seen := range passed {
		if holdsAny(text(seen), tokens) {
			found++
		}
	}
	r.row("API", fmt.Sprintf("of %d requests that have reached the API, %d had a token that a client sent",
		len(passed), found))
	r.expect("requests at the API with a token that a client sent", fmt.Sprint(found), "0")
}

// leaks says how a credential reached the MCP server.
func leaks(passed []testenv.ReceivedRequest, tokens []string) []string {
	var found []string
	for i, seen := range passed {
		how := ""
		switch _, header := seen.Header["Authorization"]; {
		case header:
			how = "an authorization header"
		case strings.Contains(seen.URL, "access_token"):
			how = "access_token in its URL"
		case holdsAny(text(seen), tokens):
			how = "a token among its headers or in its URL"
		default:
			continue
		}
		found = append(found, fmt.Sprintf("request %d at the MCP server, a %s, has %s", i+1, seen.Method, how))
	}
	return found
}

// text is the URL of a request and the values of its headers.
func text(seen testenv.ReceivedRequest) string {
	values := seen.URL
	for _, header := range seen.Header {
		values += "\n" + strings.Join(header, "\n")
	}
	return values
}

// holdsAny looks for signatures: a token that was cut short still has one.
func holdsAny(text string, tokens []string) bool {
	return slices.ContainsFunc(tokens, func(token string) bool {
		return strings.Contains(text, token[strings.LastIndexByte(token, '.')+1:])
	})
}
