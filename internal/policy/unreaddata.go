package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/doorward/doorward/extauthz/finding"
)

// mostPaths bounds the paths of data that one warning names.
const mostPaths = 5

// unreadData warns about each data file and each bundle whose data no decision
// reads: a name in the data or in a rule is misspelt, or the file is left over.
func unreadData(compiler *ast.Compiler, t team, src Sources) finding.List {
	reads := readsOfData(compiler, src.packages())
	for _, path := range src.DataRead {
		reads = append(reads, strings.Split(path, "/"))
	}
	if unread, _ := reads.split(t.data, nil); len(unread) == 0 {
		return nil
	}
	var problems finding.List
	for file, document := range t.documents {
		if unread, read := reads.split(document, nil); len(unread) > 0 && !read {
			problems = append(problems, finding.Finding{
				File: file, Severity: finding.Warning, Message: unreadMessage(unread),
				Fix: "correct the name in the data or in the rule, or remove the data",
			})
		}
	}
	return problems
}

func unreadMessage(paths []string) string {
	list, verb := strings.Join(paths, ", "), "are"
	switch {
	case len(paths) == 1:
		verb = "is"
	case len(paths) > mostPaths:
		list = fmt.Sprintf("%s and %d more", strings.Join(paths[:mostPaths], ", "), len(paths)-mostPaths)
	}
	return fmt.Sprintf("%s %s read by no rule that a decision depends on", list, verb)
}

// dataReads are the paths below `data` that are read: a path reads all that is
// below it.
type dataReads [][]string

// readsOfData are those of the rules that decisions depend on, each up to its
// first step that is no constant: `data.roles[x]` reads all of `data.roles`, and
// `data[x]` reads everything.
func readsOfData(compiler *ast.Compiler, packages []string) dataReads {
	var reads dataReads
	collect := func(ref ast.Ref) bool {
		if ref[0].Equal(ast.DefaultRootDocument) {
			reads = append(reads, names(ref))
		}
		return false
	}
	for _, pkg := range packages {
		for _, rule := range reached(compiler, append(packageFolder(pkg), ast.InternedTerm("decision"))) {
			ast.WalkRefs(withoutElse(rule), collect)
		}
	}
	return reads
}

// split returns the topmost paths of a document that are not read, as a rule
// writes them, and whether anything else in the document is read.
func (r dataReads) split(document map[string]any, above []string) (unread []string, read bool) {
	for _, name := range slices.Sorted(maps.Keys(document)) {
		path := append(slices.Clone(above), name)
		below, _ := document[name].(map[string]any)
		switch {
		case !slices.ContainsFunc(r, func(one []string) bool { return oneHoldsOther(path, one) }):
			unread = append(unread, dataRef(path).String())
		case len(below) == 0 || slices.ContainsFunc(r, func(one []string) bool { return hasPrefix(path, one) }):
			read = true
		default:
			more, some := r.split(below, path)
			unread, read = append(unread, more...), read || some
		}
	}
	return unread, read
}
