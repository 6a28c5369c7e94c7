package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Outcome is the result of a decision. The zero value is [Failed], which is answered
// as policy_error, so that a decision which was not made denies.
type Outcome uint8

// The outcomes, in the order in which they win.
const (
	Failed                         Outcome = iota // undefined, conflict, error, timeout or wrong shape
	AudienceMismatch                              // aud does not name this resource
	Passthrough                                   // the credential would stay on the request
	Denied                                        // a rule of the team denies
	InsufficientUserAuthentication                // acr or auth_time is not what the operation needs (RFC 9470)
	InsufficientScope                             // the token lacks one of Decision.Scopes
	Allowed                                       // the only outcome that lets a request with a token through
	AllowedAnonymous                              // and the only one that lets a request without a token through
)

// allows reports an outcome that lets a request through.
func (o Outcome) allows() bool { return o == Allowed || o == AllowedAnonymous }

// Decision is the answer of the policy for one request. It may be shared through
// the cache, so it must not be changed.
type Decision struct {
	Outcome Outcome

	// Strip is what must be removed from the request. It is filled in for Allowed and
	// AllowedAnonymous alone, and then always names the authorization header.
	Strip Strip

	// Scopes are all scopes this request needs: the resource's in the order of
	// the configuration, the first alternative of its ScopesAny, those of the
	// operation, then the team's in sorted order, each once. For AudienceMismatch
	// and Passthrough, which are decided before the team's rules are read, without
	// the team's; nil for Failed.
	Scopes []string

	// Code, Message and Rule say why the outcome is Denied. Where several rules
	// deny, `deny` wins over `require`, because it has a message for this case;
	// among `deny` elements the first by code, then message; among requirements
	// those of authz, then the first by name. For `deny` Rule is "authz.deny"; for a
	// requirement it is "authz.require.NAME", and Code and Message are "". In a
	// resource's own package, its name replaces "authz".
	Code, Message, Rule string

	// Denials are all that denied, in that order: the first is Rule, Code and Message
	// again. For Denied alone.
	Denials []Message

	// Headers are request headers to set, by lower-case name. For Allowed and
	// AllowedAnonymous alone.
	Headers map[string]string

	// Warnings are the elements of `warn`, sorted, for log and metrics. They
	// come with Denied and every outcome after it.
	Warnings []Message
}

// And is the decision on two requests that are allowed only together, such as the
// members of a JSON-RPC batch: the outcome that comes first wins, and the scopes of
// both are needed. It is an error where both set one header to different values.
func (d Decision) And(other Decision) (Decision, error) {
	both := Decision{Outcome: min(d.Outcome, other.Outcome), Scopes: union(d.Scopes, other.Scopes)}
	both.Warnings = slices.Concat(d.Warnings, other.Warnings)
	if refusing := firstOf(d, other); !both.Outcome.allows() {
		both.Code, both.Message, both.Rule = refusing.Code, refusing.Message, refusing.Rule
		both.Denials = slices.Concat(d.Denials, other.Denials)
		return both, nil
	}
	both.Strip, both.Headers = d.Strip, maps.Clone(d.Headers)
	for name, value := range other.Headers {
		if set, there := both.Headers[name]; there && set != value {
			return Decision{}, fmt.Errorf("policy: header %q has several values for the members of a batch", name)
		}
		if both.Headers == nil {
			both.Headers = map[string]string{}
		}
		both.Headers[name] = value
	}
	return both, nil
}

// firstOf is the decision whose outcome wins.
func firstOf(d, other Decision) Decision {
	if other.Outcome < d.Outcome {
		return other
	}
	return d
}

// longestRules bounds what [Decision.Rules] names, in bytes.
const longestRules = 1000

// Rules names all that denied, for a line of a log: "authz.deny:closed
// authz.require.office". It is "" where only Rule did. A number at the end counts
// those that do not fit.
func (d *Decision) Rules() string {
	if len(d.Denials) < 2 {
		return ""
	}
	var names strings.Builder
	for i, denial := range d.Denials {
		name := denial.String()
		if names.Len()+len(name) > longestRules {
			fmt.Fprintf(&names, "and %d more", len(d.Denials)-i)
			return names.String()
		}
		names.WriteString(name + " ")
	}
	return strings.TrimSuffix(names.String(), " ")
}

// Size is the approximate size of the strings in a decision, in bytes.
func (d *Decision) Size() int {
	const text = 16
	n := 0
	add := func(texts ...string) {
		for _, s := range texts {
			n += text + len(s)
		}
	}
	add(d.Strip.Headers...)
	add(d.Strip.Query...)
	add(d.Scopes...)
	add(d.Code, d.Message, d.Rule)
	for _, notes := range [...][]Message{d.Denials, d.Warnings} {
		for _, note := range notes {
			add(note.Rule, note.Code, note.Message, note.Label)
		}
	}
	for name, value := range d.Headers {
		add(name, value)
	}
	return n
}

// Strip names what an allowed request loses on its way: header names in lower
// case, and query parameter names after percent-decoding.
type Strip struct {
	Headers, Query []string
}

// Message is an element of `deny` or `warn`, or a requirement that is not met.
type Message struct {
	Rule string // as in [Decision]: "authz.deny", "authz.warn", "authz.require.NAME"
	// Code and Message are "" for a requirement, and where an element of `warn`
	// has none that is a string.
	Code, Message string
	// Label is Code where it is a constant of the policy, else "". Its values are
	// bounded, so that it can be the label of a metric.
	Label string
}

// String is the rule, with the code where there is one: "authz.deny:closed".
func (n Message) String() string {
	if n.Code == "" {
		return n.Rule
	}
	return n.Rule + ":" + n.Code
}
