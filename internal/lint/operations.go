package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/internal/folding"
)

// The headers in which clients repeat the operation of a body, with what to read
// instead of them.
var operationHeaders = map[string]string{"mcp-method": "input.mcp.method", "mcp-name": "input.mcp.name"}

// operationHeaders finds rules that read the headers Mcp-Method and Mcp-Name: by a
// constant name, in any spelling that some server takes for them, or by a variable
// or an argument that a rule compares with the name.
func (r *reader) operationHeaders() {
	walkReads(r.rule, func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			return len(x.With) > 0
		case *ast.Term:
			switch v := x.Value.(type) {
			case ast.Ref:
				return r.readsOperationHeader(v, x.Location)
			case ast.String:
				if name := strings.ToLower(string(v)); operationHeaders[name] != "" {
					r.warnOfHeader(x.Location, name)
				}
			}
		}
		return false
	})
}

// walkReads visits what a rule reads: its bodies, elements and values, and not the
// name that it defines.
func walkReads(rule *ast.Rule, visit func(any) bool) {
	visitor := ast.NewGenericVisitor(visit)
	for ; rule != nil; rule = rule.Else {
		visitor.Walk(rule.Body)
		if rule.Head.Key != nil && rule.Head.RuleKind() == ast.MultiValue {
			visitor.Walk(rule.Head.Key)
		}
		if rule.Head.Value != nil {
			visitor.Walk(rule.Head.Value)
		}
	}
}

// readsOperationHeader looks at the names in a reference. Each of them may be that of
// a header, since the reference may begin with an argument or a variable.
func (r *reader) readsOperationHeader(ref ast.Ref, at *ast.Location) bool {
	if head, isVar := ref[0].Value.(ast.Var); isVar && r.alias[head] != nil {
		ref = r.alias[head].Concat(ref[1:])
	}
	if name, ok := below(ref, headers); ok {
		name = folding.Header(name)
		if operationHeaders[name] != "" {
			r.warnOfHeader(at, name)
		}
		return true
	}
	for _, part := range ref[1:] {
		if text, ok := part.Value.(ast.String); ok && operationHeaders[strings.ToLower(string(text))] != "" {
			r.warnOfHeader(at, strings.ToLower(string(text)))
			return true
		}
	}
	return false
}

func (r *reader) warnOfHeader(at *ast.Location, name string) {
	r.warn(at, "the header "+name+" is what the client writes, maybe twice or in base64, and a server may run another "+
		"operation", "write "+operationHeaders[name])
}

// anonymousDenials finds rules of deny that read what a request without a token does
// not have, in a package that decides on such requests. A rule that reads
// input.resource.anonymous knows of them.
func (r *reader) anonymousDenials() {
	pkg := strings.TrimPrefix(r.rule.Module.Package.Path.String(), "data.")
	isDeny := r.rule.Head.Ref()[0].Value.Compare(ast.Var("deny")) == 0
	if !isDeny || !slices.Contains(r.known.Anonymous, pkg) || r.reads(anonymousFlag) {
		return
	}
	found := r.readsBelow(r.rule, map[*ast.Rule]bool{}, claimsPath, tokenPath)
	if found == nil {
		return
	}
	r.warn(found.at, fmt.Sprintf("%s is not there for a request without a token, which anonymous lets in, so this "+
		"deny is silent or denies all of them", found.path),
		"write `not input.resource.anonymous` in it, and one more rule with `input.resource.anonymous` for what "+
			"else must hold")
}

var (
	claimsPath    = ast.MustParseRef("input.claims")
	tokenPath     = ast.MustParseRef("input.token")
	anonymousFlag = ast.MustParseRef("input.resource.anonymous")
)

// reads reports whether the rule itself reads a path.
func (r *reader) reads(path ast.Ref) bool {
	found := false
	walkReads(r.rule, func(x any) bool {
		if t, isTerm := x.(*ast.Term); isTerm {
			read, ok := r.path(t)
			found = found || ok && read.HasPrefix(path)
		}
		return found
	})
	return found
}

// reading is a path that a rule reads, and where.
type reading struct {
	path ast.Ref
	at   *ast.Location
}

// readsBelow finds the first path below one of several that the rule reads, or that a
// helper of it reads. The place is that of the term in the rule.
func (r *reader) readsBelow(rule *ast.Rule, seen map[*ast.Rule]bool, prefixes ...ast.Ref) (found *reading) {
	seen[rule] = true
	walkReads(rule, func(x any) bool {
		t, isTerm := x.(*ast.Term)
		if !isTerm || found != nil {
			return found != nil
		}
		path, _ := r.path(t)
		path = path.GroundPrefix()
		if slices.ContainsFunc(prefixes, path.HasPrefix) {
			found = &reading{path, r.place(t.Location)}
			return true
		}
		for _, helper := range r.defined(t) {
			if seen[helper] {
				continue
			}
			if inner := r.inside(helper, nil).readsBelow(helper, seen, prefixes...); inner != nil {
				found = &reading{inner.path, r.place(t.Location)}
				return true
			}
		}
		return false
	})
	return found
}
