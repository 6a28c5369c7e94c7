package lint

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/internal/folding"
)

var (
	headers = ast.MustParseRef("input.request.headers")
	query   = ast.MustParseRef("input.request.query")
)

// paths finds headers and parameters that are never in input.
func (r *reader) paths() {
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			return len(x.With) > 0
		case *ast.Term:
			if ref, ok := x.Value.(ast.Ref); ok {
				r.named(ref, x.Location)
			}
		}
		return false
	}).Walk(r.rule)
	r.calls(func(c call) {
		if c.name != ast.ObjectGet.Name || len(c.args) != 3 {
			return
		}
		if path, ok := r.path(c.args[0]); ok {
			r.named(path.Append(c.args[1]), c.at)
		}
	})
}

// named looks at the name of a header or parameter in a reference. What follows
// the name may be a variable.
func (r *reader) named(ref ast.Ref, at *ast.Location) {
	if head, isVar := ref[0].Value.(ast.Var); isVar && r.alias[head] != nil {
		ref = r.alias[head].Concat(ref[1:])
	}
	if foreign := Foreign(ref); foreign != "" {
		r.refuse(at, "%s", foreign)
		return
	}
	name, ok := below(ref, headers)
	switch {
	case !ok:
	case r.known.Hidden(strings.ToLower(name)):
		r.refuse(at, "the header %s carries a credential and is never in input: use input.claims and input.token, which have been verified", strings.ToLower(name))
	case strings.HasPrefix(name, ":"):
		r.refuse(at, "%s is no header here: write input.request.method, scheme, host or path", name)
	case name != strings.ToLower(name):
		r.refuse(at, "header names are in lower case, %q is never there: write %s[%q]", name, headers, strings.ToLower(name))
	}
	if name, ok := below(ref, query); ok && folding.DecodedParameter(name, "access_token") {
		r.refuse(at, "the parameter access_token, in any spelling, carries a credential and is never in input: use input.claims and input.token, which have been verified")
	}
}

// below is the constant name that follows a prefix.
func below(ref, prefix ast.Ref) (string, bool) {
	if len(ref) <= len(prefix) || !ref.HasPrefix(prefix) {
		return "", false
	}
	name, ok := ref[len(prefix)].Value.(ast.String)
	return string(name), ok
}

// isList is true for a header or a parameter, which is a list of values.
func isList(path ast.Ref) bool {
	_, header := below(path, headers)
	_, parameter := below(path, query)
	return len(path) == len(headers)+1 && (header || parameter)
}
