package resource

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/mcp"
)

// operationRules checks operations, what needs no token, and the words beside them.
func (c *checker) operationRules(at string, s Spec) {
	for i, o := range s.Operations {
		c.operation(fmt.Sprintf("%s.operations[%d]", at, i), s, o)
	}
	c.hidden(at+".operations", s)
	c.anonymous(at+".anonymous", s)
	if s.RefusesUnlisted() && len(s.Operations) == 0 {
		c.warning(at+".operations_default", "refuses every operation, since operations has no entry: write "+
			"operations, such as - {method: tools/list}, or remove it")
	}
	c.word(at+".operations_default", s.OperationsDefault, "resource", denyUnlisted)
	c.word(at+".challenge_scopes", s.ChallengeScopes, "operation", withGranted)
}

func (c *checker) word(at, word, usual, other string) {
	if word != "" && word != usual && word != other {
		c.problem(at, "is %q: write %s or %s", word, usual, other)
	}
}

// operation checks one entry of Operations by itself.
func (c *checker) operation(at string, s Spec, o Operation) {
	switch {
	case o.Method == "":
		c.problem(at+".method", "is missing: write a method such as tools/call, or * for every one")
	case o.Method != "*" && strings.Contains(o.Method, "*"):
		c.problem(at+".method", "has * beside other text: write one method in full, or * alone")
	default:
		c.method(at+".method", o.Method)
	}
	if strings.Contains(strings.TrimSuffix(o.Name, "*"), "*") {
		c.problem(at+".name", "has * before its end: write it in full, or a prefix with * at its end")
	} else if fault := nameFault(o.Method, o.Name); fault != "" {
		c.problem(at+".name", "%s", fault)
	}
	c.scopes(at+".scopes", o.Scopes)
	c.withoutPrefix(at+".scopes", s, o.Scopes)
	for i, value := range o.ACRValues {
		if !isScopeToken(value) { // they are listed in one parameter too, with spaces between them
			c.problem(fmt.Sprintf("%s.acr_values[%d]", at, i),
				"is not one value of acr: write visible ASCII without space, quote and backslash, one value an entry")
		}
	}
	c.duplicates(at+".acr_values", o.ACRValues)
	if o.MaxAge < 0 || o.MaxAge%time.Second != 0 {
		c.problem(at+".max_age", "is not a number of whole seconds: write a duration such as 5m")
	}
}

// method checks what is to be compared with a method of MCP.
func (c *checker) method(at, method string) {
	switch {
	case slices.Contains([]string{"GET", "HEAD", "DELETE", "POST", "OPTIONS"}, strings.ToUpper(method)):
		c.problem(at, "is a method of HTTP: write one of MCP, such as tools/call")
	case strings.ContainsFunc(method, func(r rune) bool { return r <= ' ' || r > '~' }):
		c.problem(at, "is no method: write visible ASCII without spaces, such as tools/call")
	}
}

// nameFault describes why no request has a name: "" if one may. A name is compared
// byte for byte, and a request whose URI is not canonical has no operation.
func nameFault(method, name string) string {
	isURI := slices.Contains([]string{resourcesRead, "resources/subscribe", "resources/unsubscribe"}, method)
	prefix, isPrefix := strings.CutSuffix(name, "*")
	if name == "" || !isURI && !strings.Contains(name, "://") {
		return ""
	}
	if isPrefix && (isScheme(prefix) || prefix == "") {
		return ""
	}
	// A prefix is right where some URI has it.
	canonical := mcp.IsCanonicalURI(name)
	for _, rest := range []string{"a", "a/a", "//a/a"} {
		canonical = canonical || isPrefix && mcp.IsCanonicalURI(prefix+rest)
	}
	if canonical {
		return ""
	}
	return "is no URI in canonical form, so that no request has it: write scheme and host in lower case, no dot " +
		"segments, no empty segments, no default port, and no escapes of letters, digits, -, ., _ and ~"
}

// hidden refuses entries that an earlier one hides, because the first match decides.
func (c *checker) hidden(at string, s Spec) {
	for j, o := range s.Operations {
		i := slices.IndexFunc(s.Operations[:j], func(earlier Operation) bool { return earlier.hides(o) })
		if i < 0 {
			continue
		}
		format := "is never reached, because %s matches all of it first: put it before that one, or leave it out"
		if earlier := s.Operations[i]; earlier.Method == o.Method && earlier.Name == o.Name {
			format = "has the method and the name of %s, which decides: leave one out"
		}
		c.conflict(fmt.Sprintf("%s[%d]", at, j), fmt.Sprintf("%s[%d]", at, i), format, finding.Error)
	}
}

// hides reports whether every operation that other matches is matched by o.
func (o *Operation) hides(other Operation) bool {
	if o.Method != other.Method && o.Method != "*" {
		return false
	}
	prefix, isPrefix := strings.CutSuffix(o.Name, "*")
	return o.Name == "" || o.Name == other.Name || isPrefix && prefix == "" || isPrefix && other.Name != "" &&
		strings.HasPrefix(strings.TrimSuffix(other.Name, "*"), prefix)
}

// anonymous checks what needs no token: each operation is written in full, so that
// nothing is open that was not meant.
func (c *checker) anonymous(at string, s Spec) {
	for i, o := range s.Anonymous {
		entry := fmt.Sprintf("%s[%d]", at, i)
		switch {
		case o.Method == "":
			c.problem(entry+".method", "is missing: write a method such as tools/list")
		case strings.Contains(o.Method, "*"):
			c.problem(entry, "has *, which would open operations that are not named: write each method in full")
		case strings.Contains(o.Name, "*"):
			c.problem(entry+".name", "has *, which would open operations that are not named: write each name in full")
		case o.Method == "tools/call" && o.Name == "":
			c.problem(entry, "opens every tool: write {method: tools/call, name: NAME} for each tool that is public")
		default:
			c.method(entry, o.Method)
			if fault := nameFault(o.Method, o.Name); fault != "" {
				c.problem(entry+".name", "%s", fault)
			}
			c.anonymousBesideScopes(entry, s, o)
		}
		isSame := func(earlier Operation) bool {
			return earlier.Method == o.Method && (earlier.Name == "" || earlier.Name == o.Name)
		}
		if o.Method != "" && slices.ContainsFunc(s.Anonymous[:i], isSame) {
			c.problem(entry, "is open by an earlier entry: leave one out")
		}
	}
}

// anonymousBesideScopes warns of an operation that is open to requests without a
// token, and closed to tokens without its scopes or to all.
func (c *checker) anonymousBesideScopes(at string, s Spec, o Operation) {
	needs := s.OperationFor(o.Method, o.Name)
	if needs == nil && s.RefusesUnlisted() && len(s.Operations) > 0 && !(mcp.Operation{Method: o.Method}).IsExempt() {
		c.warning(at, "has no effect, because no entry of operations matches it and operations_default is deny: add "+
			"the same method and name to operations")
	}
	if needs == nil || !needs.NeedsMore() {
		return
	}
	i := slices.IndexFunc(s.Operations, func(other Operation) bool {
		return other.Method == needs.Method && other.Name == needs.Name
	})
	of := strings.TrimSuffix(at[:strings.LastIndex(at, "[")], ".anonymous")
	c.conflict(at, fmt.Sprintf("%s.operations[%d]", of, i),
		"is open without a token, and %s asks for more of each token: leave one out", finding.Warning)
}
