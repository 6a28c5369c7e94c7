package explain

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/redact"
)

// Report is the explanation of one request. As JSON it is an API, version 1:
// members are added, never renamed; a list that has nothing is [], and a member
// that is marked "may be absent" is left out where it is not known. Neither the
// token nor its signature nor any header of the request is in it, but an Origin
// that was refused; what looks like a credential elsewhere is redacted.
type Report struct {
	Version  int          `json:"version"`
	Insecure bool         `json:"insecure"`               // the claims are not signed: --insecure-claims
	Outcome  string       `json:"outcome"`                // one of the outcomes below
	Reason   string       `json:"reason"`                 // from the closed list
	Cause    string       `json:"cause,omitempty"`        // more about the reason; may be absent
	Facts    []factReport `json:"facts"`                  // what a refusal was about
	Advice   string       `json:"advice,omitempty"`       // what to do about it; may be absent
	Resource string       `json:"resource,omitempty"`     // its name; may be absent
	URI      string       `json:"resource_uri,omitempty"` // may be absent
	Steps    []stepReport `json:"steps"`                  // those that were taken

	Operation *operationReport `json:"operation,omitempty"` // of --mcp-method, at a resource; may be absent

	Token    *tokenReport   `json:"token,omitempty"`  // of a readable token; may be absent
	Accepted []string       `json:"accepted"`         // what would have matched, where known
	Rules    []ruleReport   `json:"rules"`            // the answer of the decision, then its reasons
	Denial   *denialReport  `json:"denial,omitempty"` // the team's rule, with policy_denied; may be absent
	Denials  []denialReport `json:"denials"`          // all that denied, that one first
	Scopes   *scopeReport   `json:"scopes,omitempty"` // once the policy was evaluated; may be absent
	Warnings []noteReport   `json:"warnings"`         // elements of the team's warn rules
	Answer   answerReport   `json:"answer"`
}

type stepReport struct {
	Step        string `json:"step"` // read, find, origin, credential, verify, possession, decide, strip, answer
	OK          bool   `json:"ok"`
	Found       string `json:"found"` // for a person
	Nanoseconds int64  `json:"nanoseconds"`
}

// ruleReport is a place in the policy.
type ruleReport struct {
	Rule   string `json:"rule"`             // "authz.require.office"
	File   string `json:"file"`             // relative to the working directory; "doorward:…" is built in
	Line   int    `json:"line"`             // from 1
	Failed string `json:"failed,omitempty"` // the expression that did not hold; may be absent
}

type denialReport struct {
	Rule    string `json:"rule"`
	Code    string `json:"code,omitempty"`    // may be absent
	Message string `json:"message,omitempty"` // may be absent
}

type scopeReport struct {
	Needed  []string `json:"needed"`
	Granted []string `json:"granted"`
	Missing []string `json:"missing"`
}

type factReport struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type noteReport struct {
	Rule    string `json:"rule"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// answerReport is what the client gets, or how an allowed request changes.
type answerReport struct {
	Status      int            `json:"status"`       // HTTP; 200 where the request goes on
	Headers     []headerReport `json:"headers"`      // of the answer
	Body        string         `json:"body"`         // of the answer
	Set         []headerReport `json:"set"`          // headers that the server gets
	Remove      []string       `json:"remove"`       // headers that it does not get
	RemoveQuery []string       `json:"remove_query"` // query parameters that it does not get
}

type headerReport struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// The outcomes.
const (
	Allowed   = "allowed"
	Answered  = "answered"  // with a metadata document
	Refused   = "refused"   // 4xx
	Undecided = "undecided" // 503
)

func newReport(
	q *Request, e *extauthz.Explanation, table *resource.Table, now time.Time, keysProblem string,
) *Report {
	r := &Report{
		Version:  1,
		Insecure: q.keySet != nil,
		Reason:   e.Reason.String(),
		Cause:    RelativePaths(e.Cause),
		Facts:    []factReport{},
		Advice:   e.Advice,
		Resource: e.Document,
		Steps:    []stepReport{},

		Operation: q.operationReport(e.Resource),

		Token:    q.tokenReport(e, now),
		Accepted: accepted(e, table),
		Rules:    rules(e.RuleTraces),
		Scopes:   scopes(e),
		Denials:  []denialReport{},
		Warnings: []noteReport{},
		Answer:   answer(e.Answer),
	}
	r.Outcome = outcome(r.Answer.Status, e.Answer.GetOkResponse() != nil)
	if e.Resource != nil {
		r.Resource, r.URI = e.Resource.Name, e.Resource.URI
	}
	if r.Reason == "operation_unknown" && q.body == nil {
		r.Advice = "this request has no body: write --mcp-method, and --mcp-name, for the operation to explain; " +
			"where a request through Envoy is refused so: " + r.Advice
	}
	if r.Reason == "keys_unavailable" && keysProblem != "" {
		r.Cause = keysProblem
	}
	if d := e.Decision; d.Outcome == policy.Denied {
		r.Denial = &denialReport{d.Rule, redact.Text(d.Code), redact.Text(d.Message)}
	}
	for _, denial := range e.Decision.Denials {
		r.Denials = append(r.Denials, denialReport{denial.Rule, redact.Text(denial.Code), redact.Text(denial.Message)})
	}
	for _, note := range e.Decision.Warnings {
		r.Warnings = append(r.Warnings, noteReport{note.Rule, redact.Text(note.Code), redact.Text(note.Message)})
	}
	for _, fact := range e.Facts {
		r.Facts = append(r.Facts, factReport(fact))
	}
	r.addSteps(q, e)
	return r
}

func outcome(status int, goesOn bool) string {
	switch {
	case goesOn:
		return Allowed
	case status < 400:
		return Answered
	case status == 503:
		return Undecided
	default:
		return Refused
	}
}

// accepted are the values that the request or the token could have had.
func accepted(e *extauthz.Explanation, table *resource.Table) []string {
	res := e.Resource
	all := []string{}
	switch e.Reason.String() {
	case "no_resource":
		for _, res := range table.All() {
			all = append(append(all, res.URI), res.AlsoAt...)
		}
	case "origin_not_allowed":
		all = append(append(all, originOf(res.URI)), res.Origins...)
	case "issuer_unknown":
		all = append(all, res.Issuers...)
	case "audience_mismatch":
		all = slices.Concat([]string{res.URI}, res.Aliases, res.Audiences)
	}
	return all
}

// originOf is scheme and authority of a resource's URI.
func originOf(uri string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	authority, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + authority
}

func rules(grounds []policy.Trace) []ruleReport {
	all := []ruleReport{}
	for _, g := range grounds {
		all = append(all, ruleReport{g.Rule, RelativePaths(g.File), g.Line, g.Failed})
	}
	return all
}

// RelativePaths is text with the files below the working directory named from
// there.
func RelativePaths(text string) string {
	here, err := os.Getwd()
	if err != nil {
		return text
	}
	return strings.ReplaceAll(text, filepath.Clean(here)+string(filepath.Separator), "")
}

// scopes is nil where the policy did not evaluate them.
func scopes(e *extauthz.Explanation) *scopeReport {
	switch e.Decision.Outcome {
	case policy.Denied, policy.InsufficientUserAuthentication, policy.InsufficientScope, policy.Allowed:
	default:
		return nil
	}
	return &scopeReport{
		Needed:  withoutTokens(e.Decision.Scopes),
		Granted: withoutTokens(e.Granted),
		Missing: withoutTokens(e.Missing),
	}
}

func orEmptyList(list []string) []string {
	return append([]string{}, list...)
}

func answer(response *authv3.CheckResponse) answerReport {
	a := answerReport{Headers: []headerReport{}, Set: []headerReport{}, Remove: []string{}, RemoveQuery: []string{}}
	if ok := response.GetOkResponse(); ok != nil {
		a.Status = 200
		for _, option := range ok.GetHeaders() {
			key := option.GetHeader().GetKey()
			a.Set = append(a.Set, headerReport{key, withoutCredentials(key, option.GetHeader().GetValue())})
		}
		for _, name := range ok.GetHeadersToRemove() {
			a.Remove = append(a.Remove, redact.Text(name))
		}
		a.RemoveQuery = append(a.RemoveQuery, ok.GetQueryParametersToRemove()...)
		return a
	}
	denied := response.GetDeniedResponse()
	a.Status, a.Body = int(denied.GetStatus().GetCode()), redact.ID(denied.GetBody())
	for _, option := range denied.GetHeaders() {
		a.Headers = append(a.Headers, headerReport{option.GetHeader().GetKey(), option.GetHeader().GetValue()})
	}
	return a
}

// withoutCredentials is the value of a header that a server gets, without what it could
// use: an assertion is a token in compact serialisation, but a handle is random text,
// alone or as a member of baggage.
func withoutCredentials(name, value string) string {
	switch name {
	case "x-mcp-auth-handle", "x-mcp-auth-assertion":
		return redact.Mark
	case "baggage":
		return redact.Text(value)
	}
	return redact.ID(value)
}
