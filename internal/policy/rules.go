package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// mostCodes bounds the codes of one package that label a metric.
const mostCodes = 256

// constantCodes are the strings in rules that have the form of a code, sorted. A
// code that is not among them was made of the request or of data.
func constantCodes(rules []*ast.Rule) []string {
	var codes []string
	visitor := ast.NewGenericVisitor(func(x any) bool {
		text, isText := x.(ast.String)
		if isText && codeForm.MatchString(string(text)) {
			codes = append(codes, string(text))
		}
		_, isRef := x.(ast.Ref) // its names are members
		return isRef
	})
	for _, rule := range rules {
		visitor.Walk(withoutElse(rule))
	}
	slices.Sort(codes)
	codes = slices.Compact(codes)
	return codes[:min(len(codes), mostCodes)]
}

// codeOf is the code of the element that a rule adds to a set, "" where it is no
// constant.
func codeOf(rule *ast.Rule) string {
	code := ""
	ast.WalkTerms(rule, func(term *ast.Term) bool {
		o, isObject := term.Value.(ast.Object)
		if !isObject || code != "" {
			return false
		}
		if member := o.Get(ast.InternedTerm("code")); member != nil && ast.IsConstant(member.Value) {
			code = strings.Trim(member.Value.String(), `"`)
		}
		return false
	})
	return code
}

// Rule is one definition of a rule of the team that doorward reads.
type Rule struct {
	Name         string // as in [Decision]: "authz.require.office", "authz.deny"; "authz.headers.x-team"
	Code         string // of an element of deny or warn, where it is a constant
	File         string // as it was read
	Line, Column int    // from 1
}

// Rules lists the rules in force for a resource, those of authz first, then those of
// its own package: requirements by name, then deny, scopes, warn and headers, each
// by place. The list is empty while a bundle is missing.
func (e *Engine) Rules(resource string) []Rule {
	var all []Rule
	for _, v := range e.For(resource).packages {
		for _, name := range outputs() {
			all = append(all, definitions(e.compiler.GetRules(append(packageRef(v.pkg), ast.StringTerm(name))))...)
		}
	}
	return all
}

// definitions are those of one output, without default values.
func definitions(rules []*ast.Rule) []Rule {
	var all []Rule
	for _, rule := range rules {
		if rule.Default {
			continue
		}
		at := rule.Location
		r := Rule{Name: strings.Join(names(rule.Ref()), "."), File: at.File, Line: at.Row, Column: at.Col}
		if rule.Head.RuleKind() == ast.MultiValue {
			r.Code = codeOf(rule)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Rule) int {
		return cmp.Or(
			strings.Compare(a.Name, b.Name), strings.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
		)
	})
	return all
}
