package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/lint"
)

// findings are the mistakes in the team's rules that are found without a request.
func findings(t team, src Sources) finding.List {
	var problems finding.List
	problems = append(problems, lint.Check(t.modules, facts(src))...)
	for _, file := range slices.Sorted(maps.Keys(t.modules)) {
		for _, rule := range t.modules[file].Rules {
			if why, fix := elementProblem(rule, src.packages()); why != "" {
				problems = append(problems, warningAt(rule.Location, why, fix))
			}
		}
	}
	return append(problems, unevaluated(t)...)
}

// unevaluated warns about a package beside authz that no other package reads: its
// name is misspelt, or it was written for another program. ([unread] finds those
// below authz.)
func unevaluated(t team) finding.List {
	var problems finding.List
	for _, file := range slices.Sorted(maps.Keys(t.modules)) {
		m := t.modules[file]
		path := names(m.Package.Path)
		reserved := hasPrefix(path, []string{teamPackage}) || hasPrefix(path, []string{ownPackage})
		if reserved || len(m.Rules) == 0 || readElsewhere(t, m) {
			continue
		}
		output := slices.IndexFunc(m.Rules, func(rule *ast.Rule) bool {
			name := strings.Trim(rule.Head.Ref()[0].String(), `"`)
			return name == denyName && rule.Head.RuleKind() == ast.MultiValue ||
				name == requireName && len(rule.Head.Ref()) > 1
		})
		if output < 0 {
			problems = append(problems, warningAt(m.Package.Location, fmt.Sprintf("package %s is evaluated "+
				"for no resource, and no other package reads it, so nothing in this file decides",
				strings.Join(path, ".")), "write package "+teamPackage))
			problems = append(problems, foreign(m)...)
			continue
		}
		problems = append(problems, warningAt(m.Package.Location, fmt.Sprintf(
			"package %s is evaluated for no resource, so its %s decides nothing",
			strings.Join(path, "."), m.Rules[output].Head.Ref()[0]), "write package "+teamPackage))
	}
	return problems
}

// readElsewhere is true if another package names this one.
func readElsewhere(t team, m *ast.Module) bool {
	for _, other := range t.modules {
		if other.Package.Path.Equal(m.Package.Path) {
			continue
		}
		found := false
		ast.WalkRefs(other, func(ref ast.Ref) bool {
			found = found || ref.HasPrefix(m.Package.Path)
			return found
		})
		if found {
			return true
		}
	}
	return false
}

func errorAt(at *ast.Location, message, fix string) finding.Finding {
	return finding.Finding{File: at.File, Line: at.Row, Column: max(at.Col, 1), Message: message, Fix: fix}
}

func warningAt(at *ast.Location, message, fix string) finding.Finding {
	f := errorAt(at, message, fix)
	f.Severity = finding.Warning
	return f
}

// facts are the values of input that the configuration allows.
func facts(src Sources) lint.Known {
	k := lint.Known{Hidden: credential, Scopes: src.Scopes, Values: map[string][]string{
		"input.request.scheme": {"https", "http"},
		"input.token.profile":  {"standard", "rfc9068"},
		"input.token.binding":  {"none", "dpop", "mtls"},
	}}
	for _, name := range src.Anonymous {
		k.Anonymous = append(k.Anonymous, teamPackage)
		if pkg, hasOwn := src.Packages[name]; hasOwn {
			k.Anonymous = append(k.Anonymous, pkg)
		}
	}
	if len(src.Issuers) > 0 {
		k.Values["input.token.issuer"], k.Values["input.claims.iss"] = src.Issuers, src.Issuers
	}
	if len(src.Resources) == 0 {
		return k
	}
	var names, uris, audiences []string
	labels := src.Resources[0].Labels
	for _, r := range src.Resources {
		names, uris = append(names, r.Name), append(uris, r.URI)
		audiences = append(append(audiences, r.URI), r.Audiences...)
	}
	for label := range labels {
		isMissing := func(r Resource) bool { _, there := r.Labels[label]; return !there }
		if !slices.ContainsFunc(src.Resources, isMissing) {
			k.Labels = append(k.Labels, label)
		}
	}
	k.Values["input.resource.name"] = names
	isPattern := func(uri string) bool { return strings.Contains(uri, "{") }
	if !slices.ContainsFunc(uris, isPattern) { // whose values are those of the requests
		k.Values["input.resource.uri"], k.Values["input.claims.aud"] = uris, audiences
	}
	return k
}

// elementProblem finds constants in the element of a set that [decoder] refuses,
// and what to write instead.
func elementProblem(rule *ast.Rule, packages []string) (message, fix string) {
	path := names(rule.Ref())
	if rule.Head.RuleKind() != ast.MultiValue || rule.Head.Key == nil || len(path) < 2 ||
		!slices.Contains(packages, strings.Join(path[:len(path)-1], ".")) {
		return "", ""
	}
	name := path[len(path)-1]
	switch text, isText := rule.Head.Key.Value.(ast.String); {
	case name == scopesName && isText && !isScopeToken(string(text)):
		return text.String() + " is no scope (RFC 6749, section 3.3)" + gets503,
			"write one scope, without spaces and quotes"
	case name == denyName && ast.IsConstant(rule.Head.Key.Value) && !isObject(rule.Head.Key.Value):
		return "an element of deny is exactly code and message" + gets503, writeDeny
	case name == warnName && ast.IsConstant(rule.Head.Key.Value) && !isObject(rule.Head.Key.Value):
		return "an element of warn is an object" + gets503, `write warn contains {"code": "…", "message": "…"}`
	}
	if o, ok := rule.Head.Key.Value.(ast.Object); ok && name == denyName {
		return denialProblem(o)
	}
	return "", ""
}

const (
	gets503   = ", and every request for which this rule holds gets 503" // an element of a wrong shape
	writeDeny = `write deny contains {"code": "…", "message": "…"}`
)

func isObject(v ast.Value) bool {
	_, ok := v.(ast.Object)
	return ok
}

func denialProblem(o ast.Object) (message, fix string) {
	ground := !slices.ContainsFunc(o.Keys(), func(k *ast.Term) bool { return !ast.IsConstant(k.Value) })
	if ground && !exactly(o, []string{"code", "message"}) {
		return "an element of deny is exactly code and message" + gets503, writeDeny
	}
	code := o.Get(ast.InternedTerm("code"))
	if code == nil || !ast.IsConstant(code.Value) {
		return "", ""
	}
	text, isText := code.Value.(ast.String)
	if isText && codeForm.MatchString(string(text)) {
		return "", ""
	}
	return "the code " + code.String() + " is not of the form " + codeForm.String() + gets503,
		"write " + suggestCode(string(text))
}

// suggestCode is a valid code like this one, or the form of a code.
func suggestCode(code string) string {
	good := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, strings.ToLower(code))
	if good = strings.Trim(good, "_"); good == "" || len(good) > 64 {
		return `lower-case letters, digits and "_", at most 64`
	}
	return `"` + good + `"`
}

// relativeTo finds the errors that an unknown or refused function hides: the
// compiler stops at it, before it checks types.
func relativeTo(errs ast.Errors, modules map[string]*ast.Module) ast.Errors {
	if !slices.ContainsFunc(errs, func(e *ast.Error) bool {
		return strings.HasPrefix(e.Message, "undefined function ")
	}) {
		return nil
	}
	compiler := ast.NewCompiler().SetErrorLimit(0).WithCapabilities(capabilities()).WithSchemas(schemas()).
		WithAllowUndefinedFunctionCalls(true)
	compiler.Compile(modules)
	return compiler.Errors
}
