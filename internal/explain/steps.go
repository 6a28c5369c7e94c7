package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/internal/redact"
)

// addSteps adds what each step found, and for the one that refused, the reason.
func (r *Report) addSteps(q *Request, e *extauthz.Explanation) {
	passed := r.Outcome == Allowed || r.Outcome == Answered
	for _, step := range e.Steps {
		s := stepReport{Step: step.Name, OK: passed || step.Name != e.Ended, Nanoseconds: step.Took.Nanoseconds()}
		if s.OK {
			s.Found = r.found(step.Name, q, e)
		} else {
			s.Found = r.refusal()
		}
		r.Steps = append(r.Steps, s)
	}
}

// refusal is the reason in one line.
func (r *Report) refusal() string {
	switch {
	case r.Reason == "metadata":
		return fmt.Sprintf("no metadata document for this: %d", r.Answer.Status)
	case r.Cause != "":
		return r.Reason + ": " + r.Cause
	case r.Denial != nil:
		text := r.Reason + ": " + r.Denial.Rule
		if more := len(r.Denials) - 1; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		return text
	default:
		return r.Reason
	}
}

// found is the result of a step that did not refuse.
func (r *Report) found(step string, q *Request, e *extauthz.Explanation) string {
	switch step {
	case "read":
		path, _, query := strings.Cut(q.path, "?")
		text := redact.Text(q.method) + " " + redact.Host(q.host) + redact.Text(path)
		if query {
			text += " with a query"
		}
		return text + headerNames(q.names)
	case "find":
		if e.Resource == nil {
			return "the metadata document of " + e.Document
		}
		return fmt.Sprintf("resource %s, %s", r.Resource, r.URI)
	case "origin":
		if origin, present := q.headers["origin"]; present {
			return redact.Text(origin) + " is allowed"
		}
		return "no Origin header"
	case "credential":
		if q.token == "" {
			return "no token, which the operation does not need"
		}
		scheme, _, _ := strings.Cut(q.headers["authorization"], " ")
		return fmt.Sprintf("a %s token of %s", scheme, bytesOf(q.token))
	case "verify":
		if r.Insecure {
			return "NOT VERIFIED: these claims are not signed; issuer, type, claims and dates are checked"
		}
		claims := e.Claims
		return fmt.Sprintf("signed with %s by key %q of %s", claims.Algorithm, redact.ID(claims.KeyID), claims.Issuer)
	case "possession":
		return "not on a revocation list; binding: " + e.Binding
	case "decide":
		return "every rule holds"
	case "strip":
		strip := e.Decision.Strip
		return "off the request: " + strings.Join(slices.Concat(strip.Headers, strip.Query), ", ")
	default:
		return fmt.Sprintf("%d", r.Answer.Status)
	}
}

func bytesOf(text string) string {
	if len(text) == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", len(text))
}

func headerNames(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return ", headers: " + redact.Text(strings.Join(names, ", "))
}
