package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
)

// Target is one resource with an issuer of its tokens, for [Engine.SelfTest].
type Target struct {
	Resource Resource
	Issuer   string
}

// SelfTest decides on a few fixed requests to each target, each within a time. It
// accepts every decision, and reports once each rule that fails, does not end, or
// has an output of the wrong shape. Of the targets that a team's rules do not
// distinguish it tries one. It does nothing while a bundle is missing.
func (e *Engine) SelfTest(ctx context.Context, within time.Duration, targets []Target) finding.List {
	if len(e.missing) > 0 {
		return nil
	}
	var problems finding.List
	reported, tried := map[string]bool{}, map[string]bool{}
	for _, target := range targets {
		evaluator := e.For(target.Resource.Name)
		for _, t := range trials(target) {
			key, ok := evaluator.trialKey(t)
			if ok && tried[key] {
				continue
			}
			tried[key] = ok
			limited, cancel := context.WithTimeout(ctx, within)
			_, err := evaluator.evaluate(limited, &t.input) // without the cache
			cancel()
			if err == nil || reported[err.Error()] {
				continue
			}
			reported[err.Error()] = true
			problems = append(problems, e.failedTrial(ctx, within, target.Resource.Name, t, err))
			if errors.Is(err, context.DeadlineExceeded) {
				return problems // the other requests would not end either
			}
		}
	}
	return problems
}

// trialKey is equal for two trials that the team's rules cannot distinguish: what
// they read is the same. The built-in rules, which read more, are the same for
// every resource with as many scopes and audiences.
func (e *Evaluator) trialKey(t trial) (string, bool) {
	b := appendText(slices.Clone(e.prefix), t.what)
	b = appendLength(b, keyList, len(t.input.Resource.Scopes))
	b = appendLength(b, keyList, len(t.input.Resource.Audiences))
	b, ok := e.own.appendKey(b, &t.input)
	return string(b), ok
}

// failedTrial is the finding at the rule that kept a request from a decision.
func (e *Engine) failedTrial(
	ctx context.Context, within time.Duration, resource string, t trial, err error,
) finding.Finding {
	p := finding.Finding{File: "policy"}
	rule := ""
	if at, name := e.For(resource).culprit(ctx, within, &t.input, err); at != nil {
		p.File, p.Line, p.Column = at.File, at.Row, max(at.Col, 1)
		if !strings.Contains(err.Error(), name) {
			rule = " in " + name
		}
	}
	p.Message = fmt.Sprintf("no decision on a trial request to %s with %s: %s%s",
		resource, t.what, strings.TrimPrefix(err.Error(), "policy: "), rule)
	p.Fix = "correct the rule, every request must come to a decision"
	return p
}

type trial struct {
	what  string
	input Input
}

// trials are requests that could come as they are. The values of claims can be
// parsed as a number, as JSON, hexadecimal and base64, so that a rule which parses
// them does not fail here. Nor does one that takes aud for a string: a team may know
// that its issuer writes no list.
func trials(target Target) []trial {
	const anything = "1000"
	request := &RequestValues{
		Method: "POST", Scheme: "https", Path: "/",
		Headers: map[string][]string{
			"content-type": {"application/json"}, "accept": {"application/json, text/event-stream"},
			"user-agent": {"trial"},
		},
		ID: "00000000-0000-4000-8000-000000001000", SourceAddress: "127.0.0.1", ClientAddress: "127.0.0.1",
	}
	if u, err := url.Parse(target.Resource.URI); err == nil {
		request.Scheme, request.Host, request.Path = u.Scheme, u.Host, u.EscapedPath()
	}
	must := func() map[string]any {
		return map[string]any{"iss": target.Issuer, "aud": target.Resource.URI, "exp": json.Number("4102444800")}
	}
	usual := must()
	usual["sub"], usual["client_id"], usual["jti"] = anything, anything, anything
	usual["iat"] = json.Number("1700000000")
	scoped := maps.Clone(usual)
	scoped["scope"] = strings.Join(target.Resource.needed(), " ")

	get := &RequestValues{Method: "GET", Scheme: request.Scheme, Host: request.Host, Path: request.Path}
	token := Token{Issuer: target.Issuer, Client: anything, Profile: "standard", BoundBy: "aud"}
	with, least := token, token
	with.Scopes, with.Marked = slices.Clone(target.Resource.needed()), true
	least.Client = ""
	return []trial{
		{"the scopes that every request needs", Input{
			Request: request, Resource: target.Resource, Claims: scoped, Token: with,
		}},
		{"a token without scopes", Input{
			Request: request, Resource: target.Resource, Claims: usual, Token: token,
		}},
		{"a token of iss, aud and exp alone", Input{
			Request: get, Resource: target.Resource, Claims: must(), Token: least,
		}},
	}
}
