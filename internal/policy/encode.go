package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/internal/folding"
)

// inputVersion grows only when a member changes its meaning.
const inputVersion = 1

// queryToken is the parameter that no policy sees, in any of its spellings.
const queryToken = "access_token"

var (
	errClaimType   = errors.New("a claim has a type that JSON does not have")
	errClaimNumber = errors.New("a claim is no number, or one out of range")
)

// term builds the dependencies of `input` as a value of OPA, without JSON between.
func (f inputDeps) term(in *Input) (ast.Value, error) {
	root, err := f.object(in, 0)
	if err != nil {
		return nil, fmt.Errorf("policy: input: %w", err)
	}
	return root.Value, nil
}

// object is the object at the first names of these dependencies, which they share.
// A claim that the token has is an object even without the members that are read: a
// rule can distinguish it from a missing one.
func (f inputDeps) object(in *Input, names int) (*ast.Term, error) {
	o := ast.NewObjectWithCapacity(len(f))
	for len(f) > 0 {
		first := &f[0]
		if names == 0 && in.Resource.Anonymous && first.isOfToken() {
			f = f[1:]
			continue
		}
		var value *ast.Term
		var err error
		together := 1
		if len(first.path) == names+1 {
			value, err = first.term(in)
		} else {
			for together < len(f) && f[together].path[names] == first.path[names] {
				together++
			}
			if first.isThere(in, names) {
				value, err = f[:together].object(in, names+1)
			}
		}
		if err != nil {
			return nil, err
		}
		if value != nil {
			o.Insert(first.terms[names], value)
		}
		f = f[together:]
	}
	return ast.NewTerm(o), nil
}

// isOfToken reports a dependency that only a request with a token has.
func (l *dependency) isOfToken() bool { return l.path[0] == "claims" || l.path[0] == "token" }

// isThere is false for a missing claim above the dependency, and for a destination of a
// request that comes in.
func (l *dependency) isThere(in *Input, names int) bool {
	if l.path[0] == destinationMember {
		return in.Destination != nil
	}
	if l.part != claims {
		return true
	}
	_, there := in.claim(l.below[:names])
	return there == names
}

// term is the value of a dependency, nil where the input has none.
func (l *dependency) term(in *Input) (*ast.Term, error) {
	switch l.part {
	case container:
		return ast.InternedEmptyObject, nil
	case version:
		return ast.InternedTerm(inputVersion), nil
	case claims:
		value, there := in.claim(l.below)
		if there < len(l.below) {
			return nil, nil
		}
		return claim(value)
	case requestQuery:
		return l.query(in)
	case requestHeaders:
		return l.headers(in)
	case resourceLabels, resourceParameters:
		all := in.mapping(l.part)
		if len(l.below) == 0 {
			return mapping(all, text), nil
		}
		if value, there := all[l.below[0]]; there {
			return text(value), nil
		}
		return nil, nil
	case resourceAudiences, resourceScopes, resourceAliases, resourceClients, tokenScopes, tokenGenericAudiences,
		resourceOperationScopes, resourceACRValues:
		return list(in.list(l.part)), nil
	case resourceScopesAny:
		return arrayOf(in.Resource.ScopesAny, list), nil
	case resourceMaxAge:
		if in.Resource.MaxAge == 0 {
			return nil, nil
		}
		return ast.NumberTerm(in.maxAge()), nil
	case tokenMarked, tokenSubjectAccepted, tokenNoScopes, tokenDedicated, tokenSelfAsserted, tokenRecent,
		tokenTrusted, resourceAnonymous, mcpTrusted:
		return ast.InternedTerm(in.flag(l.part)), nil
	case requestID, requestSourceAddress, requestSourcePrincipal, requestClientAddress,
		tokenClient, tokenTenant, tokenBoundBy, tokenClientIDPattern, mcpMethod, mcpName, mcpProtocolVersion,
		destinationPath:
		if in.text(l.part) == "" { // not known, and so left out
			return nil, nil
		}
		return text(in.text(l.part)), nil
	default:
		return text(in.text(l.part)), nil
	}
}

// query is one query parameter, nil where the request has none of this name, or
// all of them.
func (l *dependency) query(in *Input) (*ast.Term, error) {
	if len(l.below) == 0 {
		all, err := in.parameters()
		if err != nil {
			return nil, err
		}
		return mapping(all, list), nil
	}
	if values := in.parameter(l.below[0]); len(values) > 0 {
		return list(values), nil
	}
	return nil, nil
}

// headers is one header, nil where the request has none of this name, or all of
// them.
func (l *dependency) headers(in *Input) (*ast.Term, error) {
	one := func(value string) *ast.Term { return ast.ArrayTerm(text(value)) }
	if len(l.below) == 0 {
		all, ok := in.request().AllHeaders(maxRead)
		if !ok {
			return nil, errManyHeaders
		}
		maps.DeleteFunc(all, func(name string, _ string) bool { return l.part.hides(name) })
		return mapping(all, one), nil
	}
	if value, ok := in.request().Header(l.below[0]); ok {
		return one(value), nil
	}
	return nil, nil
}

// mapping is an object for OPA. Names are inserted in sorted order, so that two
// names that [text] makes equal have the same result every time.
func mapping[T any](all map[string]T, encode func(T) *ast.Term) *ast.Term {
	o := ast.NewObjectWithCapacity(len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		o.Insert(text(name), encode(all[name]))
	}
	return ast.NewTerm(o)
}

// credential reports the headers that no policy sees, in every spelling that a
// server takes for one of them. The last two are what a server gets in place of a token.
func credential(header string) bool {
	credentials := []string{
		"authorization", "proxy-authorization", "dpop", "cookie", "access-token",
		"x-mcp-auth-handle", "x-mcp-auth-assertion",
	}
	return slices.Contains(credentials, folding.Header(header))
}

// text is a string as in JSON: U+FFFD replaces each byte that is not UTF-8.
func text(s string) *ast.Term {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	return ast.InternedTerm(s)
}

func list(values []string) *ast.Term { return arrayOf(values, text) }

func arrayOf[T any](values []T, encode func(T) *ast.Term) *ast.Term {
	if len(values) == 0 {
		return ast.InternedEmptyArray
	}
	terms := make([]*ast.Term, len(values))
	for i, v := range values {
		terms[i] = encode(v)
	}
	return ast.ArrayTerm(terms...)
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

// number refuses what is no JSON number, or out of the range of a float64: rounding
// 1e999999999 to an integer in a rule would take all memory.
func number(n json.Number) (*ast.Term, error) {
	if n == "" || (n[0] != '-' && (n[0] < '0' || n[0] > '9')) || !json.Valid([]byte(n)) {
		return nil, errClaimNumber
	}
	if _, err := strconv.ParseFloat(string(n), 64); err != nil {
		return nil, errClaimNumber
	}
	return ast.NumberTerm(n), nil
}
