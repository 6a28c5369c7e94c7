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
			if why := r.never(path, constant); why != "" {
				r.warn(c.at, "%s", why)
			}
		case strings.HasPrefix(c.name, "io.jwt."):
			r.decodes(c)
		default:
			r.arguments(c)
		}
	})
}

// decodes finds rules that want to read the token of the request themselves. A
// token in a claim or a header of its own is theirs to read.
func (r *reader) decodes(c call) {
	if len(c.args) > 0 {
		if path, ok := r.path(c.args[0]); ok {
			header, isHeader := below(path, headers)
			if r.optional(path) && (!isHeader || !r.known.Hidden(strings.ToLower(header))) {
				return
			}
		}
	}
	r.warn(c.at, "the token of the request is verified before any rule, and is never in input: write input.claims instead of %s", c.name)
}

// member: a path among constants, or a constant among the values of a path.
func (r *reader) member(c call, path ast.Ref, constant ast.Value) {
	if scope, ok := constant.(ast.String); ok {
		if path.Equal(scopeClaim) {
			r.warn(c.at, "input.claims.scope is one string, not a list, and %s is never in it: write %s in input.token.scopes", scope, scope)
		}
		return
	}
	for _, one := range elements(constant) {
		if why := r.never(path, one); why != "" {
			r.warn(c.at, "%s", why)
		}
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
	audience    = ast.MustParseRef("input.claims.aud")
)

// never says why a path does not have this value, "" if it can.
func (r *reader) never(path ast.Ref, value ast.Value) string {
	text, ok := value.(ast.String)
	if !ok {
		return ""
	}
	values, closed := r.known.Values[path.String()]
	switch {
	case path.Equal(audience) && closed && !slices.ContainsFunc(values, func(v string) bool { return spelling(v) == spelling(string(text)) }):
		return fmt.Sprintf("%s is never %s: no configured resource has this audience, they have %s", path, text, list(values))
	case path.Equal(audience):
		return ""
	case closed && !slices.Contains(values, string(text)):
		return fmt.Sprintf("%s is never %s: it is %s", path, text, list(values))
	case path.Equal(methodPath) && string(text) != strings.ToUpper(string(text)):
		return fmt.Sprintf("methods are case-sensitive, and clients send them in upper case: write %q", strings.ToUpper(string(text)))
	case path.Equal(requestPath) && strings.Contains(string(text), "?"):
		return "input.request.path ends before the question mark: write input.request.query for what follows it"
	case path.Equal(scopeClaim) && !strings.Contains(string(text), " "):
		return fmt.Sprintf("input.claims.scope is one string of all scopes, and equals %s only where there is no other: write %s in input.token.scopes", text, text)
	case isList(path):
		return fmt.Sprintf("%s is a list of values and never equals a string: write %s[0], or %s in %s", path, path, text, path)
	}
	return ""
}

// spelling is equal for two that RFC 3986, section 6.2, may call equal. It is
// coarser than the rule of the door, since a warning must be certain.
func spelling(uri string) string {
	uri = strings.TrimSuffix(strings.ToLower(uri), "/")
	for _, port := range []string{":443", ":80"} {
		uri = strings.Replace(uri+"/", port+"/", "/", 1)
		uri = strings.TrimSuffix(uri, "/")
	}
	return uri
}

// list names a few values.
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
		r.warn(c.at, "%s finds %s in longer scopes too: write %s in input.token.scopes", c.name, constant, constant)
		return
	}
	takes := builtin.Decl.FuncArgs().Args
	for i, arg := range c.args[:min(len(c.args), len(takes))] {
		if path, ok := r.path(arg); ok && isList(path) && types.Compare(takes[i], types.S) == 0 {
			r.warn(c.at, "%s is a list of values, and %s takes a string: write %s[0]", path, c.name, path)
		}
	}
}

func isSearch(name string) bool {
	return slices.Contains([]string{ast.Contains.Name, ast.StartsWith.Name, ast.EndsWith.Name}, name)
}
