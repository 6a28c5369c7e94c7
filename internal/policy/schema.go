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

// explainType says what the type checker found, and what to write instead; both
// are "" where the error has no details.
func explainType(e *ast.Error) (message, fix string) {
	switch about := e.Details.(type) {
	case *ast.RefErrInvalidDetail:
		return explainMember(about)
	case *ast.RefErrUnsupportedDetail:
		return fmt.Sprintf("%s is a %s and has no members", about.Ref[:about.Pos+1], about.Have), "compare it as it is"
	case *ast.UnificationErrDetail:
		if about.Left != nil && about.Right != nil {
			return fmt.Sprintf("a %v never equals a %v", about.Left, about.Right), "correct the name or the value"
		}
	case *ast.ArgErrDetail:
		lines := about.Lines()
		name, _, _ := strings.Cut(e.Message, ":")
		return fmt.Sprintf("%s does not take these arguments, %s", name, lines[0]), strings.Join(lines[1:], " ")
	}
	return "", ""
}

func explainMember(about *ast.RefErrInvalidDetail) (message, fix string) {
	if message, fix = lint.Foreign(about.Ref); message != "" {
		return message, fix
	}
	message = fmt.Sprintf("%s is never there", about.Ref[:about.Pos+1])
	around := about.Ref[:about.Pos]
	if len(about.OneOf) == 0 {
		return message, "correct the name"
	}
	names := make([]string, 0, len(about.OneOf))
	for _, name := range about.OneOf {
		names = append(names, strings.Trim(name.String(), `"`))
	}
	return message, fmt.Sprintf("%s has %s", around, strings.Join(names, ", "))
}
