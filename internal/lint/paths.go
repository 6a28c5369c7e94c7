package lint

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/internal/folding"
)

var (
	headers = ast.MustParseRef("input.request.headers")
	query   = ast.MustParseRef("input.request.query")
)

// useVerified is what to write instead of reading a credential.
const useVerified = "use input.claims and input.token, which have been verified"

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
	if foreign, fix := Foreign(ref); foreign != "" {
		r.refuse(at, foreign, fix)
		return
	}
	name, ok := below(ref, headers)
	switch {
	case !ok:
	case r.known.Hidden(strings.ToLower(name)):
		r.refuse(at, "the header "+strings.ToLower(name)+" carries a credential and is never in input", useVerified)
	case strings.HasPrefix(name, ":"):
		r.refuse(at, name+" is no header here", "write input.request.method, scheme, host or path")
	case name != strings.ToLower(name) && operationHeaders[folding.Header(name)] == "":
		r.refuse(at, fmt.Sprintf("header names are in lower case, %q is never there", name),
			fmt.Sprintf("write %s[%q]", headers, strings.ToLower(name)))
	}
	if name, ok := below(ref, query); ok && folding.DecodedParameter(name, "access_token") {
		r.refuse(at, "the parameter access_token, in any spelling, carries a credential and is never in input",
			useVerified)
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
