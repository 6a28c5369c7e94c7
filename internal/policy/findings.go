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

// findings are what can be told about the team's rules without a request.
func findings(t team, src Sources) finding.List {
	var problems finding.List
	for _, f := range lint.Check(t.modules, facts(src)) {
		problems = append(problems, problemAt(f.At, f.Message, severityOf(f)))
	}
	for _, file := range slices.Sorted(maps.Keys(t.modules)) {
		for _, rule := range t.modules[file].Rules {
			if why := elementProblem(rule, src.packages()); why != "" {
				problems = append(problems, problemAt(rule.Location, why, finding.Warning))
			}
		}
	}
	return append(problems, unevaluated(t)...)
}

// unevaluated warns about a package beside authz which nobody reads: mostly its name
// is misspelt, or it was written for something else. ([unread] knows of those
// below authz.)
func unevaluated(t team) finding.List {
	var problems finding.List
	for _, file := range slices.Sorted(maps.Keys(t.modules)) {
		m := t.modules[file]
		path := names(m.Package.Path)
		if hasPrefix(path, []string{teamPackage}) || hasPrefix(path, []string{ownPackage}) || len(m.Rules) == 0 || readElsewhere(t, m) {
			continue
		}
		speaks := slices.IndexFunc(m.Rules, func(rule *ast.Rule) bool {
			name := strings.Trim(rule.Head.Ref()[0].String(), `"`)
			return name == denyName && rule.Head.RuleKind() == ast.MultiValue || name == requireName && len(rule.Head.Ref()) > 1
		})
		if speaks < 0 {
			problems = append(problems, problemAt(m.Package.Location, fmt.Sprintf("package %s is judged for no resource, and no other package reads it, so nothing in this file decides: write package %s",
				strings.Join(path, "."), teamPackage), finding.Warning))
			problems = append(problems, foreign(m)...)
			continue
		}
		problems = append(problems, problemAt(m.Package.Location, fmt.Sprintf("package %s is judged for no resource, so its %s decides nothing: write package %s",
			strings.Join(path, "."), m.Rules[speaks].Head.Ref()[0], teamPackage), finding.Warning))
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

func severityOf(f lint.Finding) finding.Severity {
	if f.Fatal {
		return finding.Error
	}
	return finding.Warning
}

func problemAt(at *ast.Location, message string, severity finding.Severity) finding.Finding {
	return finding.Finding{File: at.File, Line: at.Row, Column: at.Col, Message: message, Severity: severity}
}

// facts puts the configuration into the words of a rule.
func facts(src Sources) lint.Known {
	k := lint.Known{Hidden: credential, Values: map[string][]string{
		"input.request.scheme": {"https", "http"},
		"input.token.profile":  {"standard", "rfc9068"},
		"input.token.binding":  {"none", "dpop", "mtls"},
	}}
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
		everywhere := !slices.ContainsFunc(src.Resources, func(r Resource) bool { _, there := r.Labels[label]; return !there })
		if everywhere {
			k.Labels = append(k.Labels, label)
		}
	}
	k.Values["input.resource.name"], k.Values["input.resource.uri"], k.Values["input.claims.aud"] = names, uris, audiences
	return k
}

// elementProblem looks at the constants of what a rule says, as far as [decoder]
// would refuse them in every request for which the rule speaks.
func elementProblem(rule *ast.Rule, packages []string) string {
	path := names(rule.Ref())
	if rule.Head.RuleKind() != ast.MultiValue || rule.Head.Key == nil || len(path) < 2 || !slices.Contains(packages, strings.Join(path[:len(path)-1], ".")) {
		return ""
	}
	name := path[len(path)-1]
	const end = ", and every request for which this rule speaks gets 503"
	switch text, isText := rule.Head.Key.Value.(ast.String); {
	case name == scopesName && isText && !isScopeToken(string(text)):
		return text.String() + " is no scope (RFC 6749, section 3.3)" + end + ": write one scope, without spaces and quotes"
	case name == denyName && ast.IsConstant(rule.Head.Key.Value) && !isObject(rule.Head.Key.Value):
		return "an element of deny is exactly code and message" + end + `: write deny contains {"code": "…", "message": "…"}`
	case name == warnName && ast.IsConstant(rule.Head.Key.Value) && !isObject(rule.Head.Key.Value):
		return "an element of warn is an object" + end + `: write warn contains {"code": "…", "message": "…"}`
	}
	if o, ok := rule.Head.Key.Value.(ast.Object); ok && name == denyName {
		return denialProblem(o, end)
	}
	return ""
}

func isObject(v ast.Value) bool {
	_, ok := v.(ast.Object)
	return ok
}

func denialProblem(o ast.Object, end string) string {
	ground := !slices.ContainsFunc(o.Keys(), func(k *ast.Term) bool { return !ast.IsConstant(k.Value) })
	if ground && !exactly(o, []string{"code", "message"}) {
		return "an element of deny is exactly code and message" + end + `: write deny contains {"code": "…", "message": "…"}`
	}
	code := o.Get(ast.InternedTerm("code"))
	if code == nil || !ast.IsConstant(code.Value) {
		return ""
	}
	text, isText := code.Value.(ast.String)
	if isText && codeForm.MatchString(string(text)) {
		return ""
	}
	return "the code " + code.String() + " is not of the form " + codeForm.String() + end + ": write " + suggestCode(string(text))
}

// suggestCode writes a code as it may be.
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
// compiler ends with those, before it looks at types.
func relativeTo(errs ast.Errors, modules map[string]*ast.Module) ast.Errors {
	if !slices.ContainsFunc(errs, func(e *ast.Error) bool { return strings.HasPrefix(e.Message, "undefined function ") }) {
		return nil
	}
	compiler := ast.NewCompiler().SetErrorLimit(0).WithCapabilities(capabilities()).WithSchemas(schemas()).WithAllowUndefinedFunctionCalls(true)
	compiler.Compile(modules)
	return compiler.Errors
}
