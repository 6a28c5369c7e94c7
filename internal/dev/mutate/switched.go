package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// switched is how a mutant is built into its file, so that one program holds all
// mutants and the environment chooses which of them is active.
type switched struct {
	from, to      int    // the expression or statement, in bytes
	before, after string // what encloses it; one of them has the place of the mutant's number
	opFrom, opTo  int    // the operator in it, where that is replaced
	op            string
}

func (s *switched) operator(from, to int, with string) { s.opFrom, s.opTo, s.op = from, to, with }

func (c *collector) around(n ast.Node, before, after string) *switched {
	return &switched{from: c.offset(n.Pos()), to: c.offset(n.End()), before: before, after: after}
}

// functions are those of switchedSource that replace an operator.
var functions = map[token.Token]string{
	token.LSS: "mutantLess", token.LEQ: "mutantAtMost", token.GTR: "mutantGreater", token.GEQ: "mutantAtLeast",
	token.ADD: "mutantSum", token.SUB: "mutantDifference", token.MUL: "mutantProduct", token.QUO: "mutantQuotient",
	token.LAND: "mutantBoth", token.LOR: "mutantEither",
}

// binary builds an operator's mutant in. The second operand of && and || becomes a
// function, so that it is evaluated only where it would be.
func (c *collector) binary(n *ast.BinaryExpr, end token.Pos) *switched {
	if n.Op == token.EQL || n.Op == token.NEQ {
		return c.around(n, "((", ") != mutantOn(%d))")
	}
	s := c.around(n, functions[n.Op]+"(%d, ", ")")
	with := ","
	if n.Op == token.LAND || n.Op == token.LOR {
		with, s.after = ", func() bool { return (", ") })"
	}
	s.operator(c.offset(n.OpPos), c.offset(end), with)
	return s
}

// edit replaces bytes of a file.
type edit struct {
	from, to int
	closing  bool // before what begins at the same byte
	with     string
}

// switchedText is a file with these mutants built in, by their numbers. They must
// be in the order of [goMutants]: what encloses others comes first.
func switchedText(content []byte, mutants map[int]mutant) []byte {
	var edits []edit
	numbers := slices.Sorted(func(yield func(int) bool) {
		for number := range mutants {
			if !yield(number) {
				return
			}
		}
	})
	for _, number := range numbers {
		s := mutants[number].switched
		edits = append(edits, edit{s.from, s.from, false, numbered(s.before, number)})
		if s.opTo > 0 {
			edits = append(edits, edit{s.opFrom, s.opTo, false, s.op})
		}
	}
	for _, number := range slices.Backward(numbers) {
		s := mutants[number].switched
		edits = append(edits, edit{s.to, s.to, true, numbered(s.after, number)})
	}
	slices.SortStableFunc(edits, func(a, b edit) int {
		if at := cmp.Compare(a.from, b.from); at != 0 || a.closing == b.closing {
			return at
		} else if a.closing {
			return -1
		}
		return 1
	})
	var text []byte
	at := 0
	for _, e := range edits {
		text = append(append(text, content[at:e.from]...), e.with...)
		at = e.to
	}
	return append(text, content[at:]...)
}

func numbered(text string, number int) string {
	if strings.Contains(text, "%d") {
		return fmt.Sprintf(text, number)
	}
	return text
}

// switchedSource is added to each package that has mutants. mutantOn marks in the
// file that DOORWARD_MUTANT_TRACE names each mutant that is reached.
const switchedSource = `
import (
	mutantCmp "cmp"
	mutantOS "os"
	mutantNumbers "strconv"
	mutantSystem "syscall"
)

var (
	mutantActive = mutantNumber(mutantOS.Getenv("DOORWARD_MUTANT"))
	mutantTrace  = mutantOpen(mutantOS.Getenv("DOORWARD_MUTANT_TRACE"))
)

func mutantNumber(text string) int { n, _ := mutantNumbers.Atoi(text); return n }

func mutantOpen(name string) []byte {
	if name == "" { return nil }
	file, err := mutantOS.OpenFile(name, mutantOS.O_RDWR, 0)
	if err != nil { panic(err) }
	defer file.Close()
	info, err := file.Stat()
	if err != nil { panic(err) }
	trace, err := mutantSystem.Mmap(int(file.Fd()), 0, int(info.Size()),
		mutantSystem.PROT_READ|mutantSystem.PROT_WRITE, mutantSystem.MAP_SHARED)
	if err != nil { panic(err) }
	return trace
}

func mutantOn(n int) bool {
	if mutantTrace != nil { mutantTrace[n] = 1 }
	return mutantActive == n
}

func mutantBoth(n int, a bool, b func() bool) bool {
	if mutantOn(n) { return a || b() }
	return a && b()
}

func mutantEither(n int, a bool, b func() bool) bool {
	if mutantOn(n) { return a && b() }
	return a || b()
}

func mutantLess[T mutantCmp.Ordered](n int, a, b T) bool { on := mutantOn(n); return a < b || on && a == b }
func mutantAtMost[T mutantCmp.Ordered](n int, a, b T) bool { on := mutantOn(n); return a < b || !on && a == b }
func mutantGreater[T mutantCmp.Ordered](n int, a, b T) bool { on := mutantOn(n); return a > b || on && a == b }
func mutantAtLeast[T mutantCmp.Ordered](n int, a, b T) bool { on := mutantOn(n); return a > b || !on && a == b }

type mutantNumeric interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~float32 | ~float64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

func mutantSum[T mutantNumeric](n int, a, b T) T { if mutantOn(n) { return a - b }; return a + b }
func mutantDifference[T mutantNumeric](n int, a, b T) T { if mutantOn(n) { return a + b }; return a - b }
func mutantProduct[T mutantNumeric](n int, a, b T) T { if mutantOn(n) { return a / b }; return a * b }
func mutantQuotient[T mutantNumeric](n int, a, b T) T { if mutantOn(n) { return a * b }; return a / b }
`
