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

// SelfTest asks for a decision on a few fixed requests to each door, each within
// the given time, before real ones are asked. Any decision will do; a problem
// is told, once, of each rule that fails, never ends, or says something of the
// wrong shape. An engine that waits for a bundle is not tried.
func (e *Engine) SelfTest(ctx context.Context, within time.Duration, doors []Target) finding.List {
	if len(e.missing) > 0 {
		return nil
	}
	var problems finding.List
	said := map[string]bool{}
	for _, door := range doors {
		for _, t := range trials(door) {
			limited, cancel := context.WithTimeout(ctx, within)
			_, err := e.For(door.Resource.Name).evaluate(limited, &t.input) // past the memory
			cancel()
			if err == nil || said[err.Error()] {
				continue
			}
			said[err.Error()] = true
			problems = append(problems, e.failedTrial(ctx, within, door.Resource.Name, t, err))
			if errors.Is(err, context.DeadlineExceeded) {
				return problems // one that never ends would not end the next time either
			}
		}
	}
	return problems
}

// failedTrial is a problem at the rule that kept a trial from a decision.
func (e *Engine) failedTrial(ctx context.Context, within time.Duration, resource string, t trial, err error) finding.Finding {
	p := finding.Finding{File: "policy"}
	rule := ""
	if at, name := e.For(resource).culprit(ctx, within, &t.input, err); at != nil {
		p.File, p.Line, p.Column = at.File, at.Row, max(at.Col, 1)
		if !strings.Contains(err.Error(), name) {
			rule = " in " + name
		}
	}
	p.Message = fmt.Sprintf("no decision on a trial request to %s with %s: %s%s: correct the rule, every request must come to a decision",
		resource, t.what, strings.TrimPrefix(err.Error(), "policy: "), rule)
	return p
}

type trial struct {
	what  string
	input Input
}

// trials are requests that could come as they are. The values of claims mean
// nothing, and can be read in many ways: as a number, as JSON, hexadecimal or
// base64; a rule that reads them so does not fail here. Nor does one that takes
// aud for text: a team may know that its issuer writes no list.
func trials(door Target) []trial {
	const anything = "1000"
	request := &RequestValues{
		Method: "POST", Scheme: "https", Path: "/",
		Headers: map[string][]string{"content-type": {"application/json"}, "accept": {"application/json, text/event-stream"}, "user-agent": {"trial"}},
		ID:      "00000000-0000-4000-8000-000000001000", SourceAddress: "127.0.0.1", ClientAddress: "127.0.0.1",
	}
	if u, err := url.Parse(door.Resource.URI); err == nil {
		request.Scheme, request.Host, request.Path = u.Scheme, u.Host, u.EscapedPath()
	}
	must := func() map[string]any {
		return map[string]any{"iss": door.Issuer, "aud": door.Resource.URI, "exp": json.Number("4102444800")}
	}
	usual := must()
	usual["sub"], usual["client_id"], usual["jti"], usual["iat"] = anything, anything, anything, json.Number("1700000000")
	scoped := maps.Clone(usual)
	scoped["scope"] = strings.Join(door.Resource.Scopes, " ")

	get := &RequestValues{Method: "GET", Scheme: request.Scheme, Host: request.Host, Path: request.Path}
	token := Token{Issuer: door.Issuer, Client: anything, Profile: "standard"}
	with := token
	with.Scopes = slices.Clone(door.Resource.Scopes)
	return []trial{
		{"the scopes that every request needs", Input{Request: request, Resource: door.Resource, Claims: scoped, Token: with}},
		{"a token without scopes", Input{Request: request, Resource: door.Resource, Claims: usual, Token: token}},
		{"a token of iss, aud and exp alone", Input{Request: get, Resource: door.Resource, Claims: must(), Token: Token{Issuer: door.Issuer, Profile: "standard"}}},
	}
}
