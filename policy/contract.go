package policy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
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
	requirements []string // sorted
	headers      []string // sorted
	problems     []Problem
}

// readContract holds every rule of every module to the contract. Where a rule
// stands is told by its full path alone, so `package authz.require` with `NAME`
// and `package authz` with `require.NAME` are the same.
func readContract(t team) contract {
	r := contractReader{requirements: map[string]bool{}, headers: map[string]bool{}}
	for _, file := range slices.Sorted(maps.Keys(t.modules)) {
		m := t.modules[file]
		if path := names(m.Package.Path); len(path) > 0 && path[0] == ownPackage {
			r.problem(m.Package.Location, "package %s is reserved: write package %s, or a package of your own", ownPackage, teamPackage)
			continue
		}
		for _, rule := range m.Rules {
			r.rule(rule)
		}
	}
	r.data(t)
	return contract{
		requirements: slices.Sorted(maps.Keys(r.requirements)),
		headers:      slices.Sorted(maps.Keys(r.headers)),
		problems:     r.problems,
	}
}

type contractReader struct {
	requirements, headers map[string]bool
	problems              []Problem
}

func (r *contractReader) problem(at *ast.Location, format string, args ...any) {
	r.problems = append(r.problems, Problem{File: at.File, Line: at.Row, Column: at.Col, Message: fmt.Sprintf(format, args...)})
}

func (r *contractReader) rule(rule *ast.Rule) {
	path := names(rule.Ref())
	if len(path) < 2 || path[0] != teamPackage {
		return
	}
	switch path[1] {
	case requireName:
		r.requirement(rule)
	case denyName, scopesName, warnName:
		r.set(rule, path[1])
	case headersName:
		r.header(rule)
	}
}

// requirement: exactly one constant name below require, and one value.
func (r *contractReader) requirement(rule *ast.Rule) {
	below := rule.Ref()[3:]
	name, constant := constantName(below)
	switch {
	case len(below) == 0:
		r.problem(rule.Location, "%s is no rule itself: write %s.NAME if …", requireName, requireName)
	case !constant:
		r.problem(rule.Location, "the name of a requirement is not a constant: write %s.NAME if …, one rule for each", requireName)
	case len(below) > 1:
		r.problem(rule.Location, "%s is deeper than one level: write %s.NAME if …", rule.Ref(), requireName)
	case len(rule.Head.Args) > 0:
		r.problem(rule.Location, "a requirement is not a function, nothing would call it: write %s.%s if …", requireName, name)
	case rule.Head.RuleKind() == ast.MultiValue:
		r.problem(rule.Location, "a requirement is not a set, it must be true: write %s.%s if …", requireName, name)
	default:
		r.requirements[name] = true
	}
}

// set: deny, scopes and warn are partial sets.
func (r *contractReader) set(rule *ast.Rule, name string) {
	if len(rule.Ref()) == 3 && rule.Head.RuleKind() == ast.MultiValue {
		return
	}
	element := `{"code": "…", "message": "…"}`
	if name == scopesName {
		element = `"…"`
	}
	r.problem(rule.Location, "%s is not a set here: write %s contains %s if …", name, name, element)
}

// header: exactly one constant name below headers, and one value.
func (r *contractReader) header(rule *ast.Rule) {
	below := rule.Ref()[3:]
	name, constant := constantName(below)
	if !constant || len(below) > 1 || len(rule.Head.Args) > 0 || rule.Head.RuleKind() == ast.MultiValue {
		r.problem(rule.Location, `the name of a header is not a constant: write %s["x-…"] := "…" if …, one rule for each`, headersName)
		return
	}
	if why := headerProblem(name); why != "" {
		r.problem(rule.Location, "header %q %s", name, why)
		return
	}
	r.headers[name] = true
}

// headerProblem says what is wrong with a header name, "" if nothing is. The
// names that identify the caller, and those that Envoy acts on, are not for
// rules to set; `_` is read as `-`, as many servers do.
func headerProblem(name string) string {
	if !regexp.MustCompile("^x-[a-z0-9!#$%&'*+.^_`|~-]+$").MatchString(name) {
		return `is not allowed: use lower case and begin with "x-"`
	}
	folded := strings.ReplaceAll(name, "_", "-")
	for _, prefix := range []string{"x-mcp-auth-", "x-envoy-", "x-forwarded-"} {
		if strings.HasPrefix(folded, prefix) {
			return fmt.Sprintf("is not allowed: names beginning with %q are not for rules to set, choose another", prefix)
		}
	}
	return ""
}

// data refuses documents where doorward keeps or reads its own.
func (r *contractReader) data(t team) {
	refuse := func(message string, keys ...string) {
		r.problems = append(r.problems, Problem{File: t.dataFile(keys...), Message: message})
	}
	if _, there := t.data[ownPackage]; there {
		refuse(fmt.Sprintf("data under %s is reserved: put it under a name of your own", ownPackage), ownPackage)
	}
	document, there := t.data[teamPackage]
	below, isObject := document.(map[string]any)
	if there && !isObject {
		refuse(fmt.Sprintf("data under %s is no object: put it under a name of your own", teamPackage), teamPackage)
	}
	for _, name := range outputs() {
		if _, there := below[name]; there {
			refuse(fmt.Sprintf("data under %s.%s takes the place of rules: write them in Rego, and put the data under a name of your own", teamPackage, name), teamPackage, name)
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
