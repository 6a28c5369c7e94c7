package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/types"
)

// values finds comparisons of a path with what it never is.
func (r *reader) values() {
	r.calls(func(c call) {
		path, constant, ok := r.pathAndConstant(c)
		switch {
		case c.name == ast.Member.Name && ok:
			r.member(c, path, constant)
		case (c.equality() || c.inequality()) && ok:
			r.never(c.at, path, constant)
		case strings.HasPrefix(c.name, "io.jwt."):
			r.decodes(c)
		default:
			r.arguments(c)
		}
	})
}

// decodes finds rules that decode the token of the request. They may decode a
// token in a claim, or in a header that carries no credential.
func (r *reader) decodes(c call) {
	if len(c.args) > 0 {
		if path, ok := r.path(c.args[0]); ok {
			header, isHeader := below(path, headers)
			if r.optional(path) && (!isHeader || !r.known.Hidden(strings.ToLower(header))) {
				return
			}
		}
	}
	r.warn(c.at, "the token of the request is verified before any rule, and is never in input",
		"write input.claims instead of "+c.name)
}

// member: a path among constants, or a constant among the values of a path.
func (r *reader) member(c call, path ast.Ref, constant ast.Value) {
	if scope, ok := constant.(ast.String); ok {
		if path.Equal(scopeClaim) {
			r.warn(c.at, fmt.Sprintf("input.claims.scope is one string, not a list, and %s is never in it", scope),
				inScopes(scope))
		}
		if path.Equal(tokenScopes) {
			r.unknownScope(c.at, scope)
		}
		return
	}
	for _, one := range elements(constant) {
		r.never(c.at, path, one)
	}
}

func elements(collection ast.Value) []ast.Value {
	var all []ast.Value
	add := func(t *ast.Term) { all = append(all, t.Value) }
	switch v := collection.(type) {
	case *ast.Array:
		v.Foreach(add)
	case ast.Set:
		v.Foreach(add)
	}
	return all
}

var (
	methodPath  = ast.MustParseRef("input.request.method")
	requestPath = ast.MustParseRef("input.request.path")
	scopeClaim  = ast.MustParseRef("input.claims.scope")
	tokenScopes = ast.MustParseRef("input.token.scopes")
	audience    = ast.MustParseRef("input.claims.aud")
)

// inScopes is what to write for a rule that looks for one scope.
func inScopes(scope ast.Value) string { return fmt.Sprintf("write %s in input.token.scopes", scope) }

// never warns of a value that a path never has.
func (r *reader) never(at *ast.Location, path ast.Ref, value ast.Value) {
	text, ok := value.(ast.String)
	if !ok {
		return
	}
	values, closed := r.known.Values[path.String()]
	switch {
	case path.Equal(audience) && closed && !hasSpelling(values, string(text)):
		r.warn(at, fmt.Sprintf("%s is never %s", path, text),
			"no configured resource has this audience, they have "+list(values))
	case path.Equal(audience):
	case closed && !slices.Contains(values, string(text)):
		r.warn(at, fmt.Sprintf("%s is never %s", path, text), "it is "+list(values))
	case path.Equal(methodPath) && string(text) != strings.ToUpper(string(text)):
		r.warn(at, "methods are case-sensitive, and clients send them in upper case",
			fmt.Sprintf("write %q", strings.ToUpper(string(text))))
	case path.Equal(requestPath) && strings.Contains(string(text), "?"):
		r.warn(at, "input.request.path ends before the question mark", "write input.request.query for what follows it")
	case path.Equal(scopeClaim) && !strings.Contains(string(text), " "):
		r.warn(at, fmt.Sprintf("input.claims.scope is one string of all scopes, "+
			"and equals %s only where there is no other", text), inScopes(text))
	case isList(path):
		r.warn(at, fmt.Sprintf("%s is a list of values and never equals a string", path),
			fmt.Sprintf("write %s[0], or %s in %s", path, text, path))
	}
}

func hasSpelling(uris []string, uri string) bool {
	return slices.ContainsFunc(uris, func(one string) bool { return spelling(one) == spelling(uri) })
}

// spelling is the same for two URIs that RFC 3986, section 6.2, may call
// equivalent. It is coarser than the comparison of audiences in a request, since a
// warning must be certain.
func spelling(uri string) string {
	uri = strings.TrimSuffix(strings.ToLower(uri), "/")
	for _, port := range []string{":443", ":80"} {
		uri = strings.Replace(uri+"/", port+"/", "/", 1)
		uri = strings.TrimSuffix(uri, "/")
	}
	return uri
}

// list names up to five values.
func list(values []string) string {
	const most = 5
	quoted := make([]string, 0, most)
	for _, v := range values[:min(len(values), most)] {
		quoted = append(quoted, fmt.Sprintf("%q", v))
	}
	if len(values) > most {
		return strings.Join(quoted, ", ") + ", …"
	}
	if last := len(quoted) - 1; last > 0 {
		return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
	}
	return strings.Join(quoted, "")
}

// arguments finds a list where a function takes a string, and a search in the
// string of scopes, which finds `read` in `readall`.
func (r *reader) arguments(c call) {
	builtin := ast.BuiltinMap[c.name]
	if builtin == nil {
		return
	}
	if path, constant, ok := r.pathAndConstant(c); ok && path.Equal(scopeClaim) && isSearch(c.name) {
		r.warn(c.at, fmt.Sprintf("%s finds %s in longer scopes too", c.name, constant), inScopes(constant))
		return
	}
	takes := builtin.Decl.FuncArgs().Args
	for i, arg := range c.args[:min(len(c.args), len(takes))] {
		if path, ok := r.path(arg); ok && isList(path) && types.Compare(takes[i], types.S) == 0 {
			r.warn(c.at, fmt.Sprintf("%s is a list of values, and %s takes a string", path, c.name),
				fmt.Sprintf("write %s[0]", path))
		}
	}
}

func isSearch(name string) bool {
	return slices.Contains([]string{ast.Contains.Name, ast.StartsWith.Name, ast.EndsWith.Name}, name)
}
