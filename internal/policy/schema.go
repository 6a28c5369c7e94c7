package policy

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/doorward/doorward/internal/lint"
)

//go:embed input.schema.json
var inputSchema []byte

// InputSchema is the JSON Schema (draft 7) of [Input] as Rego sees it. The
// slice is the caller's.
func InputSchema() []byte { return append([]byte(nil), inputSchema...) }

// schemas let OPA's type checker find a path of `input` that is never there.
func schemas() *ast.SchemaSet {
	set := ast.NewSchemaSet()
	set.Put(ast.SchemaRootRef, util.MustUnmarshalJSON(inputSchema))
	return set
}

// explainType says what the type checker found, and what to write instead; ""
// where it knows nothing beyond the message.
func explainType(e *ast.Error) string {
	switch about := e.Details.(type) {
	case *ast.RefErrInvalidDetail:
		return explainMember(about)
	case *ast.RefErrUnsupportedDetail:
		return fmt.Sprintf("%s is a %s and has no members: compare it as it is", about.Ref[:about.Pos+1], about.Have)
	case *ast.UnificationErrDetail:
		if about.Left != nil && about.Right != nil {
			return fmt.Sprintf("a %v never equals a %v: correct the name or the value", about.Left, about.Right)
		}
	case *ast.ArgErrDetail:
		lines := about.Lines()
		name, _, _ := strings.Cut(e.Message, ":")
		return fmt.Sprintf("%s does not take these arguments, %s: %s", name, lines[0], strings.Join(lines[1:], " "))
	}
	return ""
}

func explainMember(about *ast.RefErrInvalidDetail) string {
	if foreign := lint.Foreign(about.Ref); foreign != "" {
		return foreign
	}
	around := about.Ref[:about.Pos]
	if len(about.OneOf) == 0 {
		return fmt.Sprintf("%s is never there: correct the name", about.Ref[:about.Pos+1])
	}
	names := make([]string, 0, len(about.OneOf))
	for _, name := range about.OneOf {
		names = append(names, strings.Trim(name.String(), `"`))
	}
	return fmt.Sprintf("%s is never there: %s has %s", about.Ref[:about.Pos+1], around, strings.Join(names, ", "))
}
