package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/extauthz/finding"
)

// Bundle is the content of one verified policy bundle. To the rules it is as
// the team's own files are: the same contract holds for it.
type Bundle struct {
	Name string // as the configuration has it; problems name "bundle:NAME/path"

	// Roots are the paths that it alone may fill, like "authz/weather", none of
	// them "" and none below another.
	Roots []string

	Modules map[string]string // Rego v1 by path in the bundle, tests left out
	Data    map[string]any    // as OPA decodes JSON; below the roots alone
}

// bundleFile marks the modules of bundles among the files of a policy.
const bundleFile = "bundle:"

func (b Bundle) file(path string) string {
	return strings.TrimSuffix(bundleFile+b.Name+"/"+strings.TrimPrefix(path, "/"), "/")
}

// join adds bundles to what the paths hold. Only its bundle may fill a root, so
// that the merge has no order and no conflict.
func (t *team) join(bundles []Bundle) finding.List {
	t.bundles = bundles
	problems := overlaps(bundles)
	for _, b := range bundles {
		problems = append(problems, t.trespasses(b)...)
	}
	for _, b := range bundles {
		for _, path := range slices.Sorted(maps.Keys(b.Modules)) {
			file := b.file(path)
			m, err := ast.ParseModuleWithOpts(file, b.Modules[path], ast.ParserOptions{RegoVersion: ast.RegoV1})
			if err != nil {
				problems = append(problems, regoProblems(err, file)...)
				continue
			}
			if m != nil { // nil: nothing but comments
				t.modules[file] = m
			}
		}
		t.data = merged(t.data, b.Data)
	}
	return problems
}

// overlaps finds bundles whose roots overlap.
func overlaps(bundles []Bundle) finding.List {
	var problems finding.List
	for i, b := range bundles {
		for _, other := range bundles[:i] {
			if root, theirs, found := commonRoot(b, other); found {
				problems = append(problems, finding.Finding{
					File:    b.file(""),
					Message: fmt.Sprintf("its root %q overlaps with %q of bundle %s", root, theirs, other.Name),
					Fix:     "give each bundle roots of its own in .manifest",
				})
			}
		}
	}
	return problems
}

func commonRoot(a, b Bundle) (ofA, ofB string, found bool) {
	for _, ofA := range a.Roots {
		for _, ofB := range b.Roots {
			if oneHoldsOther(strings.Split(ofA, "/"), strings.Split(ofB, "/")) {
				return ofA, ofB, true
			}
		}
	}
	return "", "", false
}

// trespasses finds rules and data from the paths where a bundle has a root, once
// for each file.
func (t *team) trespasses(b Bundle) finding.List {
	var problems finding.List
	for _, root := range b.Roots {
		keys := strings.Split(root, "/")
		for _, file := range slices.Sorted(maps.Keys(t.modules)) {
			at := slices.IndexFunc(t.modules[file].Rules, func(rule *ast.Rule) bool {
				return oneHoldsOther(names(rule.Ref()), keys)
			})
			if at < 0 {
				continue
			}
			where := t.modules[file].Rules[at].Location
			problems = append(problems, errorAt(where,
				fmt.Sprintf("this rule is where bundle %s has its root %q", b.Name, root),
				"move it to another package, or narrow the roots in the bundle's .manifest"))
		}
		if depth := conflictsWith(t.data, keys); depth > 0 {
			problems = append(problems, finding.Finding{
				File: team{paths: t.paths, files: t.files}.dataFile(keys[:depth]...),
				Message: fmt.Sprintf("data under %s is where bundle %s has its root %q",
					strings.Join(keys[:depth], "."), b.Name, root),
				Fix: "move it, or narrow the roots in the bundle's .manifest",
			})
		}
	}
	return problems
}

// conflictsWith is how many of the keys lead to a value that conflicts with them:
// one at their end, or one before it that is no object. 0: there is none.
func conflictsWith(document any, keys []string) int {
	for i, key := range keys {
		object, isObject := document.(map[string]any)
		if !isObject {
			return i
		}
		value, there := object[key]
		if !there {
			return 0
		}
		document = value
	}
	return len(keys)
}

// oneHoldsOther reports whether one path begins with the whole of the other.
func oneHoldsOther(a, b []string) bool {
	shorter := min(len(a), len(b))
	return slices.Equal(a[:shorter], b[:shorter])
}

// merged is both, without a change to either. Objects are merged; of other values
// the second wins, which the roots rule out.
func merged(a, b map[string]any) map[string]any {
	all := map[string]any{}
	maps.Copy(all, a)
	for key, value := range b {
		below, isObject := value.(map[string]any)
		there, wasObject := all[key].(map[string]any)
		if isObject && wasObject {
			value = merged(there, below)
		}
		all[key] = value
	}
	return all
}

// withoutLibrary are the problems that a missing bundle cannot solve: it may bring
// functions that a file calls, and rules that read others.
func withoutLibrary(problems finding.List) finding.List {
	return slices.DeleteFunc(problems, func(p finding.Finding) bool {
		return p.Severity == finding.Warning || strings.HasPrefix(p.Message, "undefined function data.")
	})
}
