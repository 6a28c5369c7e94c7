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

// The names that doorward reads in a team's package, and the name of its own.
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

// contract is what a team's modules declare, found without evaluation: the names of
// requirements and headers are constants, so that a requirement that is undefined,
// and a header that is not set, are known.
type contract struct {
	packages map[string]contractTerms // by evaluated package
	problems finding.List
}

// contractTerms is the contract of one package.
type contractTerms struct {
	requirements []string // sorted
	headers      []string // sorted
}

// readContract checks every rule of every module against the contract. The full
// path of a rule decides what it is, so `package authz.require` with `NAME` and
// `package authz` with `require["NAME"]` are the same.
func readContract(t team, src Sources) contract {
	c := contract{packages: map[string]contractTerms{}}
	for _, file := range slices.Sorted(maps.Keys(t.modules)) {
		m := t.modules[file]
		if path := names(m.Package.Path); len(path) > 0 && path[0] == ownPackage {
			c.problems = append(c.problems, errorAt(m.Package.Location, "package "+ownPackage+" is reserved",
				fmt.Sprintf("write package %s, or a package of your own", teamPackage)))
		}
	}
	shared := map[string]declared{}      // each other package is compared with what teamPackage declares
	for _, pkg := range src.packages() { // teamPackage first
		r := contractReader{
			pkg: pkg, path: strings.Split(pkg, "."),
			requirements: map[string]bool{}, headers: map[string]bool{}, spelled: maps.Clone(shared),
		}
		if fault, fix := packageFault(pkg); fault != "" {
			c.problems = append(c.problems, src.about(pkg, fault, fix)...)
			continue
		}
		r.read(t)
		if !r.defined && pkg != teamPackage && len(src.Missing) == 0 { // a missing bundle may have it
			c.problems = append(c.problems, src.about(pkg, "and no module of the policy has this package",
				"write `package "+pkg+"` in one, or correct the name")...)
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

// contractReader reads what one package declares.
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

func (r *contractReader) problem(at *ast.Location, message, fix string) {
	r.problems = append(r.problems, errorAt(at, message, fix))
}

func (r *contractReader) rule(rule *ast.Rule) {
	path := names(rule.Ref())
	if hasPrefix(r.path, path) {
		r.problem(rule.Location, fmt.Sprintf("%s takes the place of package %s", rule.Ref(), r.pkg),
			"give the rule another name")
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
	const form = `write ` + requireName + `["NAME"] if …`
	this := fmt.Sprintf("write %s[%q] if …", requireName, name)
	switch {
	case len(below) == 0:
		r.problem(rule.Location, requireName+" is no rule itself", form)
	case !constant:
		r.problem(rule.Location, "the name of a requirement is not a constant", form+", one rule for each")
	case len(below) > 1:
		r.problem(rule.Location, rule.Ref().String()+" is deeper than one level", form)
	case len(rule.Head.Args) > 0:
		r.problem(rule.Location, "a requirement is not a function, nothing would call it", this)
	case rule.Head.RuleKind() == ast.MultiValue:
		r.problem(rule.Location, "a requirement is not a set, it must be true", this)
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
	r.problem(rule.Location, name+" is not a set here", fmt.Sprintf("write %s contains %s if …", name, element))
}

// header: exactly one constant name below headers, and one value.
func (r *contractReader) header(rule *ast.Rule, below ast.Ref) {
	name, constant := constantName(below)
	if !constant || len(below) > 1 || len(rule.Head.Args) > 0 || rule.Head.RuleKind() == ast.MultiValue {
		r.problem(rule.Location, "the name of a header is not a constant",
			fmt.Sprintf(`write %s["x-…"] := "…" if …, one rule for each`, headersName))
		return
	}
	if why, fix := headerProblem(name); why != "" {
		r.problem(rule.Location, fmt.Sprintf("header %q %s", name, why), fix)
		return
	}
	folded := folding.Header(name)
	if first, there := r.spelled[folded]; there && first.name != name {
		r.problem(rule.Location, fmt.Sprintf(
			"header %q is %q of %s:%d to servers that read every byte which is no letter or digit as one",
			name, first.name, first.at.File, first.at.Row), "write one name for both, or another")
		return
	}
	r.spelled[folded] = declared{name, rule.Location}
	r.headers[name] = true
}

// headerProblem says what is wrong with a header name, and what to write; both are
// "" for a valid name. Rules cannot set the names that identify the caller, and
// those that Envoy acts on, in any spelling that a server takes for one of them.
func headerProblem(name string) (message, fix string) {
	if !regexp.MustCompile("^x-[a-z0-9!#$%&'*+.^_`|~-]+$").MatchString(name) {
		return "is not allowed", `use lower case and begin with "x-"`
	}
	for _, prefix := range []string{"x-mcp-auth-", "x-envoy-", "x-forwarded-"} {
		if strings.HasPrefix(folding.Header(name), prefix) {
			return "is not allowed",
				fmt.Sprintf("names beginning with %q, in any spelling, are not for rules to set, choose another",
					prefix)
		}
	}
	return "", ""
}

// ownName is what to do with data in a place that is not the team's.
const ownName = "put it under a name of your own"

// data refuses documents where doorward keeps its own.
func (c *contract) data(t team) {
	if _, there := t.data[ownPackage]; there {
		c.problems = append(c.problems, finding.Finding{
			File:    t.dataFile(ownPackage),
			Message: fmt.Sprintf("data under %s is reserved", ownPackage), Fix: ownName,
		})
	}
}

// data refuses documents where rules are read.
func (r *contractReader) data(t team) {
	refuse := func(what, fix string, keys ...string) {
		message := fmt.Sprintf("data under %s %s", strings.Join(keys, "."), what)
		r.problems = append(r.problems, finding.Finding{File: t.dataFile(keys...), Message: message, Fix: fix})
	}
	var document any = t.data
	for i, name := range r.path {
		above, _ := document.(map[string]any)
		below, there := above[name]
		if !there {
			return
		}
		if _, isObject := below.(map[string]any); !isObject {
			refuse("is no object", ownName, r.path[:i+1]...)
			return
		}
		document = below
	}
	for _, name := range outputs() {
		if path := append(slices.Clone(r.path), name); holds(t.data, path) {
			refuse("takes the place of rules", "write them in Rego, and put the data under a name of your own", path...)
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
