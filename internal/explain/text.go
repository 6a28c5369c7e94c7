package explain

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"
)

// WriteJSON writes the report as one JSON document.
func (r *Report) WriteJSON(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// WriteText writes the report for a person, in colours if out is a terminal.
func (r *Report) WriteText(out io.Writer) error {
	n := &textRenderer{colours: colourful(out, os.Getenv("NO_COLOR"))}
	n.render(r)
	_, err := io.WriteString(out, n.text.String())
	return err
}

// colourful is true for a terminal where NO_COLOR is not set (no-color.org).
func colourful(out io.Writer, noColor string) bool {
	file, isFile := out.(*os.File)
	return isFile && noColor == "" && term.IsTerminal(int(file.Fd()))
}

// textRenderer is a report as a person reads it.
type textRenderer struct {
	text    strings.Builder
	colours bool
}

// The parameters of Select Graphic Rendition (ECMA-48, section 8.3.117).
const (
	bold  = "1"
	faint = "2"
	red   = "31"
	green = "32"
)

func (n *textRenderer) colour(code, text string) string {
	if !n.colours {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (n *textRenderer) line(format string, args ...any) {
	fmt.Fprintf(&n.text, format+"\n", args...)
}

// row is one line of a section. An empty value is left out.
func (n *textRenderer) row(name, value string) {
	if value != "" {
		n.line("  %-10s %s", name, plain(value))
	}
}

func (n *textRenderer) heading(text string) { n.line("\n%s", n.colour(bold, text)) }

func (n *textRenderer) render(r *Report) {
	if r.Insecure {
		n.line("%s\n", n.colour(bold+";"+red,
			"INSECURE: these claims are not signed (--insecure-claims).\n"+
				"The report shows the answer to a token with these claims, not to any real token."))
	}
	for _, step := range r.Steps {
		n.step(step)
	}
	n.outcome(r)
	n.operation(r.Operation)
	n.token(r)
	n.accepted(r.Accepted)
	n.rules(r)
	n.scopes(r.Scopes)
	n.answer(r)
}

func (n *textRenderer) step(s stepReport) {
	mark := n.colour(green, "✓")
	if !s.OK {
		mark = n.colour(red, "✗")
	}
	took := n.colour(faint, fmt.Sprintf("%9s", time.Duration(s.Nanoseconds).Round(100*time.Nanosecond)))
	n.line("%s %-10s %s  %s", mark, s.Step, took, plain(s.Found))
}

func (n *textRenderer) outcome(r *Report) {
	code := bold + ";" + green
	if r.Outcome == Refused || r.Outcome == Undecided {
		code = bold + ";" + red
	}
	text := r.Outcome + ": " + r.Reason
	if r.Reason == r.Outcome {
		text = r.Outcome
	}
	if r.Insecure {
		text += " (unsigned claims)"
	}
	n.line("\n%s", n.colour(code, text))
	if r.Advice != "" {
		n.line("  %s", plain(r.Advice))
	}
	for _, fact := range r.Facts {
		n.row(fact.Name, fact.Value)
	}
}

func (n *textRenderer) token(r *Report) {
	t := r.Token
	if t == nil {
		return
	}
	switch {
	case r.Insecure:
		n.heading("unsigned claims")
	case t.Verified:
		n.heading("token, verified")
	default:
		n.heading("token, NOT verified: its own claims")
	}
	n.row("issuer", t.Issuer)
	n.row("subject", t.Subject)
	n.row("client", t.Client)
	n.row("token id", t.ID)
	n.row("key id", t.KeyID)
	n.row("algorithm", t.Algorithm)
	n.row("type", t.Type)
	n.row("profile", t.Profile)
	n.row("bound by", t.BoundBy)
	n.row("binding", t.Binding)
	n.row("audience", strings.Join(t.Audience, "  "))
	n.row("scopes", strings.Join(t.Scopes, " "))
	n.date("issued", t.IssuedAt)
	n.date("not before", t.NotBefore)
	n.date("expires", t.Expires)
}

func (n *textRenderer) date(name string, d *dateReport) {
	if d != nil {
		n.row(name, d.At+", "+d.Away)
	}
}

func (n *textRenderer) accepted(values []string) {
	if len(values) == 0 {
		return
	}
	n.heading("would have matched")
	for _, value := range values {
		n.line("  %s", plain(value))
	}
}

func (n *textRenderer) rules(r *Report) {
	if len(r.Rules) == 0 {
		return
	}
	n.heading("decided by")
	for _, rule := range r.Rules {
		n.line("  %s:%d  %s", plain(rule.File), rule.Line, rule.Rule)
		if rule.Failed != "" {
			n.line("      does not hold: %s", plain(rule.Failed))
		}
	}
	for _, d := range r.Denials {
		n.row("code", d.Code)
		n.row("message", d.Message)
	}
	for _, warning := range r.Warnings {
		n.row("warning", strings.TrimSpace(warning.Code+" "+warning.Message))
	}
}

func (n *textRenderer) scopes(s *scopeReport) {
	if s == nil {
		return
	}
	n.heading("scopes")
	n.row("needed", orNone(s.Needed))
	n.row("granted", orNone(s.Granted))
	n.row("missing", orNone(s.Missing))
	if len(s.Missing) > 0 {
		n.line("  a token with the scopes %s would have enough", strings.Join(s.Needed, " "))
	}
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}

func (n *textRenderer) answer(r *Report) {
	a := r.Answer
	if r.Outcome == Allowed {
		n.heading("the request goes on")
		for _, header := range a.Set {
			n.line("  with     %s: %s", header.Name, plain(header.Value))
		}
		for _, name := range a.Remove {
			n.line("  without  %s", plain(name))
		}
		for _, name := range a.RemoveQuery {
			n.line("  without  the query parameter %s", plain(name))
		}
		return
	}
	n.heading("the client gets")
	n.line("  HTTP %d %s", a.Status, http.StatusText(a.Status))
	for _, header := range a.Headers {
		n.line("  %s: %s", header.Name, plain(header.Value))
	}
	if a.Body != "" {
		n.line("\n  %s", plain(a.Body))
	}
}

// plain quotes text with control characters, as a terminal would obey those of a
// token or a URL.
func plain(text string) string {
	unprintable := func(c rune) bool { return !unicode.IsPrint(c) }
	if strings.ContainsFunc(text, unprintable) {
		return strconv.Quote(text)
	}
	return text
}
