package extauthz_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
)

// accountRow is one refusal, the facts in its log line, and parts of its advice; a
// part that begins with "!" must not be there.
type accountRow struct {
	intent string
	change func(*plan)
	ask    func(d *testService) clientRequest
	reason reason.Reason
	facts  map[string]string // "" is absent
	advice []string
}

// TestALineSaysWhatWasWrong, and its advice is true for this very request.
// Explain has the same facts and advice.
func TestALineSaysWhatWasWrong(t *testing.T) {
	given := map[string]bool{}
	for _, row := range accountRows() {
		t.Run(row.intent, func(t *testing.T) {
			var changes []func(*plan)
			if row.change != nil {
				changes = append(changes, row.change)
			}
			d := startService(t, changes...)
			check := row.ask(d).apart()
			told := d.server.Explain(t.Context(), check, time.Now)
			d.check(t, check)
			var line map[string]any
			if err := json.Unmarshal([]byte(d.log.String()), &line); err != nil {
				t.Fatalf("%v in %q", err, d.log)
			}
			advice, _ := line["advice"].(string)
			given[advice] = true
			if line["reason"] != row.reason.String() || told.Reason != row.reason || told.Advice != advice {
				t.Errorf("%v with %q; explained as %s with %q", line["reason"], advice, told.Reason, told.Advice)
			}
			for name, want := range row.facts {
				if got, _ := line[name].(string); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			for _, fact := range told.Facts {
				if line[fact.Name] != fact.Value {
					t.Errorf("explain says %s %q, the line %q", fact.Name, fact.Value, line[fact.Name])
				}
			}
			for _, word := range row.advice {
				unwanted, not := strings.CutPrefix(word, "!")
				if strings.Contains(advice, unwanted) == not {
					t.Errorf("advice %q: %q", word, advice)
				}
			}
		})
	}
	for _, sentence := range sentences(t) {
		if !anyMatches(given, sentence) {
			t.Errorf("no row is given the advice %q", sentence)
		}
	}
}

// sentences are all advice that there is: the formats in the files that compose
// it, and the fixed words of every reason but those of a fault.
func sentences(t *testing.T) []string {
	t.Helper()
	var all []string
	files, err := filepath.Glob("advice*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if method, ok := call.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "advise" {
					all = append(all, literal(t, call.Args[0]))
				}
			}
			return true
		})
	}
	if len(all) < 30 {
		t.Fatalf("%d sentences", len(all))
	}
	return all
}

func literal(t *testing.T, e ast.Expr) string {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		return text
	case *ast.BinaryExpr:
		return literal(t, e.X) + literal(t, e.Y)
	}
	t.Fatalf("advice that is no constant: %T", e)
	return ""
}

func anyMatches(given map[string]bool, format string) bool {
	pattern := regexp.MustCompile("^" + regexp.MustCompile("%[sdv]").ReplaceAllString(regexp.QuoteMeta(format), "(?s).+") + "$")
	for advice := range maps.Keys(given) {
		if pattern.MatchString(advice) {
			return true
		}
	}
	return false
}
