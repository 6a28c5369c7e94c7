package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
)

// mutant is a file with one change.
type mutant struct {
	file     string // from the module's folder
	line     int
	from, to int // what is replaced, in bytes
	with     string
	original []byte // the whole file
	switched *switched
}

func (m mutant) text() []byte {
	return slices.Concat(m.original[:m.from], []byte(m.with), m.original[m.to:])
}

// change returns "old -> new" on one line.
func (m mutant) change() string {
	return oneLine(string(m.original[m.from:m.to])) + " -> " + oneLine(m.with)
}

func (m mutant) String() string { return fmt.Sprintf("%s:%d: %s", m.file, m.line, m.change()) }

func oneLine(text string) string {
	const longest = 80
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = text[:longest] + "..."
	}
	if text == "" {
		return "(nothing)"
	}
	return text
}

// opposites maps each operator to the one that replaces it.
var opposites = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.LAND: token.LOR, token.LOR: token.LAND,
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL,
}

// goMutants returns the mutants of a Go file on the lines that wanted accepts.
func goMutants(file string, content []byte, wanted func(line int) bool) ([]mutant, error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, content, parser.SkipObjectResolution)
	if err != nil || ast.IsGenerated(parsed) {
		return nil, err
	}
	c := collector{file: file, content: content, set: set, wanted: wanted}
	ast.Inspect(parsed, func(node ast.Node) bool {
		c.visit(node)
		return true
	})
	return c.mutants, nil
}

type collector struct {
	file      string
	content   []byte
	set       *token.FileSet
	wanted    func(line int) bool
	mutants   []mutant
	constants token.Pos // the end of a declaration or array type, inside which values are constant
}

func (c *collector) visit(node ast.Node) {
	switch n := node.(type) {
	case *ast.GenDecl:
		if n.Tok == token.CONST {
			c.constants = n.End()
		}
	case *ast.ArrayType:
		if n.Len != nil {
			c.constants = max(c.constants, n.Len.End())
		}
	case *ast.BinaryExpr:
		if other, ok := opposites[n.Op]; ok && !isText(n) {
			end := n.OpPos + token.Pos(len(n.Op.String()))
			c.add(n.OpPos, end, other.String(), c.binary(n, end))
		}
	case *ast.IfStmt:
		c.add(n.Cond.Pos(), n.Cond.End(), "true || "+c.source(n.Cond), c.around(n.Cond, "mutantOn(%d) || (", ")"))
		c.add(n.Cond.Pos(), n.Cond.End(), "false && ("+c.source(n.Cond)+")",
			c.around(n.Cond, "!mutantOn(%d) && (", ")"))
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			s := c.around(n, "((", ") == mutantOn(%d))")
			s.operator(c.offset(n.OpPos), c.offset(n.OpPos+1), "")
			c.add(n.OpPos, n.OpPos+1, "", s)
		}
	case *ast.Ident:
		if n.Name == "true" || n.Name == "false" {
			with := map[string]string{"true": "false", "false": "true"}[n.Name]
			c.add(n.Pos(), n.End(), with, c.around(n, "(", " != mutantOn(%d))"))
		}
	case *ast.BlockStmt:
		c.deletions(n.List)
	case *ast.CaseClause:
		c.deletions(n.Body)
	}
}

// deletions adds mutants without a statement, if the program still compiles.
func (c *collector) deletions(list []ast.Stmt) {
	for _, statement := range list {
		switch s := statement.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.DeferStmt, *ast.GoStmt:
			c.add(s.Pos(), s.End(), "", c.deletion(s))
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE {
				c.add(s.Pos(), s.End(), "", c.deletion(s))
			}
		}
	}
}

// deletion builds the deletion of a statement in, but not that of a panic, after
// which a function needs no return.
func (c *collector) deletion(s ast.Stmt) *switched {
	if strings.HasPrefix(c.source(s), "panic(") {
		return nil
	}
	return c.around(s, "if !mutantOn(%d) { ", " }")
}

// isText reports whether n joins strings, which have no difference.
func isText(n *ast.BinaryExpr) bool {
	for _, side := range []ast.Expr{n.X, n.Y} {
		if literal, ok := side.(*ast.BasicLit); ok && literal.Kind == token.STRING && n.Op == token.ADD {
			return true
		}
	}
	return false
}

func (c *collector) source(node ast.Node) string {
	return string(c.content[c.set.Position(node.Pos()).Offset:c.set.Position(node.End()).Offset])
}

func (c *collector) offset(at token.Pos) int { return c.set.Position(at).Offset }

func (c *collector) add(from, to token.Pos, with string, built *switched) {
	if from < c.constants {
		built = nil
	}
	start, end := c.set.Position(from), c.set.Position(to)
	if c.wanted(start.Line) {
		c.mutants = append(c.mutants, mutant{c.file, start.Line, start.Offset, end.Offset, with, c.content, built})
	}
}

// regoMutants returns mutants that swap an operator, remove a negation, or delete a
// line of a rule.
func regoMutants(file string, content []byte, wanted func(line int) bool) []mutant {
	var all []mutant
	offset, number := 0, 0
	for line := range bytes.Lines(content) {
		number++
		if wanted(number) && isRule(strings.TrimSpace(string(line))) {
			for _, change := range regoChanges(string(line)) {
				from := offset + change.at
				all = append(all, mutant{file, number, from, from + change.size, change.with, content, nil})
			}
		}
		offset += len(line)
	}
	return all
}

// regoChange replaces size bytes of a line.
type regoChange struct {
	at, size int
	with     string
}

func regoChanges(line string) []regoChange {
	var changes []regoChange
	for _, pair := range [][2]string{{"==", "!="}, {"!=", "=="}, {"not ", ""}} {
		if at := strings.Index(line, pair[0]); at >= 0 {
			changes = append(changes, regoChange{at, len(pair[0]), pair[1]})
		}
	}
	trimmed := strings.TrimSpace(line)
	if line[0] == '\t' && !strings.HasSuffix(trimmed, "{") && trimmed != "}" {
		changes = append(changes, regoChange{0, len(line) - 1, ""})
	}
	return changes
}

func isRule(line string) bool {
	return line != "" && !strings.HasPrefix(line, "#") &&
		!strings.HasPrefix(line, "package ") && !strings.HasPrefix(line, "import ")
}

// plantedMutants reads lines of "file | old | new"; old must occur once in its file.
func plantedMutants(root, list string) ([]mutant, error) {
	var all []mutant
	for line := range strings.Lines(list) {
		parts := strings.Split(strings.TrimRight(line, "\n"), " | ")
		if strings.HasPrefix(line, "#") || len(parts) == 1 {
			continue
		}
		if len(parts) != 3 {
			return nil, fmt.Errorf("planted.txt: %q is not file | old | new", line)
		}
		content, err := os.ReadFile(root + "/" + parts[0])
		if err != nil {
			return nil, err
		}
		if bytes.Count(content, []byte(parts[1])) != 1 {
			return nil, fmt.Errorf("planted.txt: %q does not occur once in %s", parts[1], parts[0])
		}
		at := bytes.Index(content, []byte(parts[1]))
		number := 1 + bytes.Count(content[:at], []byte("\n"))
		all = append(all, mutant{parts[0], number, at, at + len(parts[1]), parts[2], content, nil})
	}
	return all, nil
}
