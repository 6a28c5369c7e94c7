package policy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/folding"
)

// The names a team's package is read by, and the one it must leave alone.
const (
	teamPackage = "authz"
	ownPackage  = "doorward"

	requireName = "require"
	denyName    = "deny"
	scopesName  = "scopes"
	warnName    = "warn"
	headersName = "headers"
)

// outputs lists what doorward reads in a team's package.
func outputs() []string {
	return []string{requireName, denyName, scopesName, warnName, headersName}
}

// contract is what a team's modules promise, as far as it can be read off them
// without evaluating: the names of requirements and headers are constants, so
// that a requirement that is undefined, and a header that is not set, are known.
type contract struct {
	packages map[string]contractTerms // by the package that is heard
	problems finding.List
}

// contractTerms is that of one package.
type contractTerms struct {
	requirements []string // sorted
	headers      []string // sorted
}

// readContract holds every rule of every module to the contract. Where a rule
// stands is told by its full path alone, so `package authz.require` with `NAME`
// and `package authz` with `require["NAME"]` are the same.
func readContract(t team, src Sources) contract {
	c := contract{packages: map[string]contractTerms{}}
	for _, file := range slices.Sorted(maps.Keys(t.modules)) {
		m := t.modules[file]
		if path := names(m.Package.Path); len(path) > 0 && path[0] == ownPackage {
			at := m.Package.Location
			c.problems = append(c.problems, finding.Finding{
				File: at.File, Line: at.Row, Column: at.Col,
				Message: fmt.Sprintf("package %s is reserved: write package %s, or a package of your own", ownPackage, teamPackage),
			})
		}
	}
	shared := map[string]declared{}      // what teamPackage declares is set beside each other package's
	for _, pkg := range src.packages() { // teamPackage first
		r := contractReader{pkg: pkg, path: strings.Split(pkg, "."), requirements: map[string]bool{}, headers: map[string]bool{}, spelled: maps.Clone(shared)}
		if fault := packageFault(pkg); fault != "" {
			c.problems = append(c.problems, src.about(pkg, fault)...)
			continue
		}
		r.read(t)
		if !r.defined && pkg != teamPackage && len(src.Missing) == 0 { // a missing bundle may have it
			c.problems = append(c.problems, src.about(pkg, "and no module of the policy has this package: write `package "+pkg+"` in one, or correct the name")...)
		}
		c.problems = append(c.problems, r.problems...)
		if pkg == teamPackage {
			shared = r.spelled
		}
		c.packages[pkg] = contractTerms{slices.Sorted(maps.Keys(r.requirements)), slices.Sorted(maps.Keys(r.headers))}
	}
	c.data(t)
	return c
}

// contractReader reads what one package promises.
type contractReader struct {
	pkg                   string
	path                  []string
	defined               bool // a module has this package
	requirements, headers map[string]bool
	spelled               map[string]declared // by folding.Header
	problems              finding.List
}

// declared is the header of a rule that was read before.
type declared struct {
	name string
	at   *ast.Location
}

func (r *contractReader) read(t team) {
	for _, file := range slices.Sorted(maps.Keys(t.modules)) {
		m := t.modules[file]
		r.defined = r.defined || hasPrefix(names(m.Package.Path), r.path)
		for _, rule := range m.Rules {
			r.rule(rule)
		}
	}
	r.data(t)
}

func (r *contractReader) problem(at *ast.Location, format string, args ...any) {
	r.problems = append(r.problems, finding.Finding{File: at.File, Line: at.Row, Column: at.Col, Message: fmt.Sprintf(format, args...)})
}

func (r *contractReader) rule(rule *ast.Rule) {
	path := names(rule.Ref())
	if hasPrefix(r.path, path) {
		r.problem(rule.Location, "%s takes the place of package %s: give the rule another name", rule.Ref(), r.pkg)
		return
	}
	if !hasPrefix(path, r.path) {
		return
	}
	r.defined = true
	below := rule.Ref()[len(r.path)+2:]
	switch name := path[len(r.path)]; name {
	case requireName:
		r.requirement(rule, below)
	case denyName, scopesName, warnName:
		r.set(rule, name, below)
	case headersName:
		r.header(rule, below)
	}
}

// requirement: exactly one constant name below require, and one value.
func (r *contractReader) requirement(rule *ast.Rule, below ast.Ref) {
	name, constant := constantName(below)
	switch {
	case len(below) == 0:
		r.problem(rule.Location, `%s is no rule itself: write %s["NAME"] if …`, requireName, requireName)
	case !constant:
		r.problem(rule.Location, `the name of a requirement is not a constant: write %s["NAME"] if …, one rule for each`, requireName)
	case len(below) > 1:
		r.problem(rule.Location, `%s is deeper than one level: write %s["NAME"] if …`, rule.Ref(), requireName)
	case len(rule.Head.Args) > 0:
		r.problem(rule.Location, "a requirement is not a function, nothing would call it: write %s[%q] if …", requireName, name)
	case rule.Head.RuleKind() == ast.MultiValue:
		r.problem(rule.Location, "a requirement is not a set, it must be true: write %s[%q] if …", requireName, name)
	default:
		r.requirements[name] = true
	}
}

// set: deny, scopes and warn are partial sets.
func (r *contractReader) set(rule *ast.Rule, name string, below ast.Ref) {
	if len(below) == 0 && rule.Head.RuleKind() == ast.MultiValue {
		return
	}
	element := `{"code": "…", "message": "…"}`
	if name == scopesName {
		element = `"…"`
	}
	r.problem(rule.Location, "%s is not a set here: write %s contains %s if …", name, name, element)
}

// header: exactly one constant name below headers, and one value.
func (r *contractReader) header(rule *ast.Rule, below ast.Ref) {
	name, constant := constantName(below)
	if !constant || len(below) > 1 || len(rule.Head.Args) > 0 || rule.Head.RuleKind() == ast.MultiValue {
		r.problem(rule.Location, `the name of a header is not a constant: write %s["x-…"] := "…" if …, one rule for each`, headersName)
		return
	}
	if why := headerProblem(name); why != "" {
		r.problem(rule.Location, "header %q %s", name, why)
		return
	}
	folded := folding.Header(name)
	if first, there := r.spelled[folded]; there && first.name != name {
		r.problem(rule.Location, "header %q is %q of %s:%d to servers that read every byte which is no letter or digit as one: "+
			"write one name for both, or another", name, first.name, first.at.File, first.at.Row)
		return
	}
	r.spelled[folded] = declared{name, rule.Location}
	r.headers[name] = true
}

// headerProblem says what is wrong with a header name, "" if nothing is. The
// names that identify the caller, and those that Envoy acts on, are not for
// rules to set, in any spelling that a server takes for one of them.
func headerProblem(name string) string {
	if !regexp.MustCompile("^x-[a-z0-9!#$%&'*+.^_`|~-]+$").MatchString(name) {
		return `is not allowed: use lower case and begin with "x-"`
	}
	for _, prefix := range []string{"x-mcp-auth-", "x-envoy-", "x-forwarded-"} {
		if strings.HasPrefix(folding.Header(name), prefix) {
			return fmt.Sprintf("is not allowed: names beginning with %q, in any spelling, are not for rules to set, choose another", prefix)
		}
	}
	return ""
}

// data refuses documents where doorward keeps its own.
func (c *contract) data(t team) {
	if _, there := t.data[ownPackage]; there {
		c.problems = append(c.problems, finding.Finding{
			File:    t.dataFile(ownPackage),
			Message: fmt.Sprintf("data under %s is reserved: put it under a name of your own", ownPackage),
		})
	}
}

// data refuses documents where rules are read.
func (r *contractReader) data(t team) {
	refuse := func(message string, keys ...string) {
		r.problems = append(r.problems, finding.Finding{File: t.dataFile(keys...), Message: message})
	}
	var document any = t.data
	for i, name := range r.path {
		above, _ := document.(map[string]any)
		below, there := above[name]
		if !there {
			return
		}
		if _, isObject := below.(map[string]any); !isObject {
			refuse(fmt.Sprintf("data under %s is no object: put it under a name of your own", strings.Join(r.path[:i+1], ".")), r.path[:i+1]...)
			return
		}
		document = below
	}
	for _, name := range outputs() {
		if path := append(slices.Clone(r.path), name); holds(t.data, path) {
			refuse(fmt.Sprintf("data under %s takes the place of rules: write them in Rego, and put the data under a name of your own", strings.Join(path, ".")), path...)
		}
	}
}

// names are the constant names at the beginning of a path below data.
func names(path ast.Ref) []string {
	var all []string
	for _, term := range path[1:] {
		name, ok := term.Value.(ast.String)
		if !ok {
			break
		}
		all = append(all, string(name))
	}
	return all
}

// constantName is the first step of a path, if it is a constant string.
func constantName(below ast.Ref) (string, bool) {
	if len(below) == 0 {
		return "", false
	}
	name, ok := below[0].Value.(ast.String)
	return string(name), ok
}
