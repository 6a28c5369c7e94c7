package resource

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// operationsOf reads entries of the form "method name", one a line.
func operationsOf(text string) []Operation {
	var all []Operation
	for line := range strings.Lines(text) {
		method, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if method != "" {
			all = append(all, Operation{Method: method, Name: name})
		}
	}
	return all
}

// matches is an oracle: an entry as a regular expression over method and name.
func matches(o Operation, method, name string) bool {
	pattern := regexp.QuoteMeta(o.Method)
	if o.Method == "*" {
		pattern = "[^ ]+"
	}
	switch prefix, isPrefix := strings.CutSuffix(o.Name, "*"); {
	case o.Name == "":
		pattern += " (?s:.*)"
	case isPrefix:
		pattern += " " + regexp.QuoteMeta(prefix) + "(?s:.*)"
	default:
		pattern += " " + regexp.QuoteMeta(o.Name)
	}
	return regexp.MustCompile("^(?:" + pattern + ")$").MatchString(method + " " + name)
}

// FuzzOperationFor: the entry is the first that the oracle matches, where a method
// without entries of its own for this URI has those of resources/read; and an entry
// that the configuration refuses because it is hidden is never found.
func FuzzOperationFor(f *testing.F) {
	f.Add("tools/call delete_*\ntools/call\n* x", "tools/call", "delete_repo")
	f.Add("resources/read a:*\nresources/subscribe a:b", "resources/subscribe", "a:b")
	f.Add("* \nresources/read a:*", "completion/complete", "a:b")
	f.Add("resources/read\ncompletion/complete a:*\n* *", "completion/complete", "b:b")
	f.Add("prompts/get *\nprompts/get", "prompts/get", "")
	f.Add("tools/call a*\ntools/call ab*\ntools/call a\ntools/call *", "tools/call", "ab")
	f.Fuzz(func(t *testing.T, entries, method, name string) {
		isText := utf8.ValidString(entries + "\n" + method + "\n" + name)
		if strings.ContainsAny(method, " *") || method == "" || !isText { // a request whose text is not UTF-8 has no operation
			return
		}
		s := Spec{Operations: operationsOf(entries)}
		asked := []string{method}
		isOfResource := method == "resources/subscribe" || method == "resources/unsubscribe" ||
			method == "completion/complete" && strings.Contains(name, ":")
		if isOfResource {
			own := false
			for _, o := range s.Operations {
				own = own || o.Method == method && matches(o, method, name)
			}
			if !own {
				asked = append(asked, "resources/read")
			}
		}
		want := -1
		for i, o := range s.Operations {
			for _, as := range asked {
				if want < 0 && matches(o, as, name) {
					want = i
				}
			}
		}
		got := s.OperationFor(method, name)
		switch {
		case want < 0 && got != nil:
			t.Fatalf("%s %q: %+v, the oracle none", method, name, got)
		case want >= 0 && got != &s.Operations[want]:
			t.Fatalf("%s %q: %+v, the oracle %+v", method, name, got, s.Operations[want])
		case want < 0:
			return
		}
		for i := range want {
			if s.Operations[i].hides(s.Operations[want]) {
				t.Fatalf("%s %q: %+v is found, and refused as hidden by %+v", method, name, *got, s.Operations[i])
			}
		}
	})
}
