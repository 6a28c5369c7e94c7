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
	r := report{name: "No token reached the MCP server"}
	r.row("sent", fmt.Sprintf("%d times a token, good or bad, in all the steps above", len(tokens)))
	w.upstream(&r)
	r.row("operator", "Envoy's logs and doorward's are searched for tokens, too")
	for name, text := range map[string]string{
		"Envoy's access log": w.parts.envoy.AccessLog.String(),
		"Envoy's log":        w.parts.envoy.Log.String(),
		"doorward's log":     w.parts.doorward.Log.String(),
	} {
		if holdsAny(text, tokens) {
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
		"(an authorization header, access_token in the URL, or a token anywhere else)")
	r.wrong = append(r.wrong, found...)
}

// leaks says how a credential reached the MCP server.
func leaks(passed []testenv.ReceivedRequest, tokens []string) []string {
	var found []string
	for i, seen := range passed {
		values := seen.URL
		for _, header := range seen.Header {
			values += "\n" + strings.Join(header, "\n")
		}
		how := ""
		switch _, header := seen.Header["Authorization"]; {
		case header:
			how = "an authorization header"
		case strings.Contains(seen.URL, "access_token"):
			how = "access_token in its URL"
		case holdsAny(values, tokens):
			how = "a token among its headers or in its URL"
		default:
			continue
		}
		found = append(found, fmt.Sprintf("request %d at the MCP server, a %s, has %s", i+1, seen.Method, how))
	}
	return found
}

// holdsAny looks for signatures: a token that was cut short still has one.
func holdsAny(text string, tokens []string) bool {
	return slices.ContainsFunc(tokens, func(token string) bool {
		return strings.Contains(text, token[strings.LastIndexByte(token, '.')+1:])
	})
}
