package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/internal/redact"
)

// addSteps says of each step what it found, and of the one that refused, why.
func (r *Report) addSteps(q *Request, told *extauthz.Explanation) {
	passed := r.Outcome == Allowed || r.Outcome == Answered
	for _, step := range told.Steps {
		s := stepReport{Step: step.Name, OK: passed || step.Name != told.Ended, Nanoseconds: step.Took.Nanoseconds()}
		if s.OK {
			s.Found = r.found(step.Name, q, told)
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

// found is what a step found that went on.
func (r *Report) found(step string, q *Request, told *extauthz.Explanation) string {
	switch step {
	case "read":
		path, _, query := strings.Cut(q.path, "?")
		text := redact.Text(q.method) + " " + redact.Host(q.host) + redact.Text(path)
		if query {
			text += " with a query"
		}
		return text + headerNames(q.names)
	case "find":
		if told.Resource == nil {
			return "the metadata document of " + told.Document
		}
		return fmt.Sprintf("resource %s, %s", r.Resource, r.URI)
	case "origin":
		if origin, given := q.headers["origin"]; given {
			return redact.Text(origin) + " is allowed"
		}
		return "no Origin header"
	case "credential":
		scheme, _, _ := strings.Cut(q.headers["authorization"], " ")
		return fmt.Sprintf("a %s token of %s", scheme, bytesOf(q.token))
	case "verify":
		if r.Insecure {
			return "NOT VERIFIED: nobody signed these claims; issuer, type, claims and dates are judged"
		}
		return fmt.Sprintf("signed with %s by key %q of %s", told.Claims.Algorithm, redact.ID(told.Claims.KeyID), told.Claims.Issuer)
	case "stands":
		return "not on a revocation list; binding: " + told.Binding
	case "decide":
		return "every rule holds"
	case "strip":
		return "off the request: " + strings.Join(slices.Concat(told.Decision.Strip.Headers, told.Decision.Strip.Query), ", ")
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
