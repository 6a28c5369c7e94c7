package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// inputVersion grows only when a member changes its meaning.
const inputVersion = 1

var (
	errClaimType   = errors.New("a claim has a type that JSON does not have")
	errClaimNumber = errors.New("a claim is no number, or one out of range")
)

// value builds `input` for OPA, without a detour through JSON.
func (in Input) value() (ast.Value, error) {
	claims, err := object(in.Claims)
	if err != nil {
		return nil, fmt.Errorf("policy: input: %w", err)
	}
	return ast.NewObject(
		member("version", ast.InternedTerm(inputVersion)),
		member("request", in.Request.term()),
		member("resource", in.Resource.term()),
		member("claims", claims),
		member("token", in.Token.term()),
	), nil
}

func (r Request) term() *ast.Term {
	o := ast.NewObject(
		member("method", text(r.Method)),
		member("scheme", text(r.Scheme)),
		member("host", text(r.Host)),
		member("path", text(r.Path)),
		member("query", lists(r.Query, func(name string) bool { return name == "access_token" })),
		member("headers", lists(r.Headers, credential)),
	)
	known(o, "id", r.ID)
	known(o, "source_address", r.SourceAddress)
	known(o, "source_principal", r.SourcePrincipal)
	return ast.NewTerm(o)
}

func (r Resource) term() *ast.Term {
	labels := ast.NewObjectWithCapacity(len(r.Labels))
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		labels.Insert(text(name), text(r.Labels[name]))
	}
	return ast.ObjectTerm(
		member("name", text(r.Name)),
		member("uri", text(r.URI)),
		member("audiences", list(r.Audiences)),
		member("scopes", list(r.Scopes)),
		member("labels", ast.NewTerm(labels)),
	)
}

func (t Token) term() *ast.Term {
	binding := t.Binding
	if binding == "" {
		binding = "none"
	}
	o := ast.NewObject(
		member("issuer", text(t.Issuer)),
		member("scopes", list(t.Scopes)),
		member("profile", text(t.Profile)),
		member("binding", text(binding)),
	)
	known(o, "client", t.Client)
	return ast.NewTerm(o)
}

// credential tells the headers that no policy sees.
func credential(header string) bool {
	return slices.ContainsFunc([]string{"authorization", "proxy-authorization", "dpop", "cookie", "access_token"},
		func(secret string) bool { return strings.EqualFold(header, secret) })
}

func member(name string, value *ast.Term) [2]*ast.Term {
	return [2]*ast.Term{ast.InternedTerm(name), value}
}

// known adds a member that is left out where its value is not known.
func known(o ast.Object, name, value string) {
	if value != "" {
		o.Insert(ast.InternedTerm(name), text(value))
	}
}

// text is a string as JSON would carry it: each byte that is no UTF-8 becomes
// U+FFFD.
func text(s string) *ast.Term {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	return ast.InternedTerm(s)
}

func list(values []string) *ast.Term {
	terms := make([]*ast.Term, len(values))
	for i, v := range values {
		terms[i] = text(v)
	}
	return ast.ArrayTerm(terms...)
}

// lists encodes names with all their values. Names are taken in sorted order,
// so that two which become one by the rule of [text] do so the same way each time.
func lists(m map[string][]string, hidden func(string) bool) *ast.Term {
	o := ast.NewObjectWithCapacity(len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !hidden(name) {
			o.Insert(text(name), list(m[name]))
		}
	}
	return ast.NewTerm(o)
}

func object(m map[string]any) (*ast.Term, error) {
	o := ast.NewObjectWithCapacity(len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		v, err := claim(m[name])
		if err != nil {
			return nil, err
		}
		o.Insert(text(name), v)
	}
	return ast.NewTerm(o), nil
}

// claim encodes a value as package token decodes it.
func claim(v any) (*ast.Term, error) {
	switch v := v.(type) {
	case nil:
		return ast.InternedNullTerm, nil
	case bool:
		return ast.InternedTerm(v), nil
	case string:
		return text(v), nil
	case json.Number:
		return number(v)
	case []any:
		terms := make([]*ast.Term, len(v))
		for i := range v {
			term, err := claim(v[i])
			if err != nil {
				return nil, err
			}
			terms[i] = term
		}
		return ast.ArrayTerm(terms...), nil
	case map[string]any:
		return object(v)
	}
	return nil, errClaimType
}

// number refuses what is no JSON number, and what no float64 can hold: rounding
// 1e999999999 to an integer inside a rule would eat all memory.
func number(n json.Number) (*ast.Term, error) {
	if n == "" || (n[0] != '-' && (n[0] < '0' || n[0] > '9')) || !json.Valid([]byte(n)) {
		return nil, errClaimNumber
	}
	if _, err := strconv.ParseFloat(string(n), 64); err != nil {
		return nil, errClaimNumber
	}
	return ast.NumberTerm(n), nil
}
