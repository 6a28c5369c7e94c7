package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// program is the module with many mutants built in, each by its number.
type program struct {
	r       *runner
	mutants map[int]mutant
	overlay string
	files   map[string]string // of the module, by that which replaces them
	refused []mutant          // those with which it does not compile
}

// buildProgram builds all mutants in that compile together. Numbers begin with 1.
func buildProgram(ctx context.Context, r *runner, mutants []mutant) (*program, error) {
	p := &program{
		r: r, mutants: map[int]mutant{}, files: map[string]string{}, overlay: filepath.Join(r.folder, "program.json"),
	}
	for i, m := range mutants {
		if m.switched == nil {
			p.refused = append(p.refused, m)
			continue
		}
		p.mutants[i+1] = m
	}
	const rounds = 30
	for range rounds {
		if err := p.write(); err != nil {
			return nil, err
		}
		command := exec.CommandContext(ctx, "go", "build", "-gcflags=-e", "-overlay", p.overlay, "./...")
		command.Dir = r.root
		text, err := command.CombinedOutput()
		if err == nil {
			return p, nil
		}
		if !p.refuse(string(text)) {
			return nil, fmt.Errorf("the mutants do not compile: %w\n%s", err, text)
		}
	}
	return nil, fmt.Errorf("the mutants do not compile after %d rounds", rounds)
}

var compileError = regexp.MustCompile(`(?m)^(\S+\.go):(\d+):\d+: `)

// refuse takes the mutants out whose lines have errors, arithmetic first, and
// reports whether there were any.
func (p *program) refuse(text string) bool {
	lines := map[string]map[int]bool{}
	for _, match := range compileError.FindAllStringSubmatch(text, -1) {
		file := p.files[match[1]]
		if lines[file] == nil {
			lines[file] = map[int]bool{}
		}
		line, _ := strconv.Atoi(match[2]) // digits alone
		lines[file][line] = true
	}
	has := func(m mutant) bool {
		first := 1 + bytes.Count(m.original[:m.switched.from], []byte("\n"))
		last := first + bytes.Count(m.original[m.switched.from:m.switched.to], []byte("\n"))
		return slices.ContainsFunc(slices.Collect(maps.Keys(lines[m.file])), func(line int) bool {
			return first <= line && line <= last
		})
	}
	arithmetic := func(m mutant) bool { return has(m) && strings.Contains("+-*/", m.with) && m.with != "" }
	return p.remove(arithmetic) || p.remove(has)
}

func (p *program) remove(unwanted func(mutant) bool) bool {
	before := len(p.refused)
	for number, m := range p.mutants {
		if unwanted(m) {
			p.refused = append(p.refused, m)
			delete(p.mutants, number)
		}
	}
	return len(p.refused) > before
}

// write writes the overlay with all mutants.
func (p *program) write() error {
	files, packages := map[string]map[int]mutant{}, map[string]string{}
	for number, m := range p.mutants {
		if files[m.file] == nil {
			files[m.file] = map[int]mutant{}
		}
		files[m.file][number] = m
	}
	replace := map[string]string{}
	put := func(file string, text []byte) error {
		name := filepath.Join(p.r.folder, strings.ReplaceAll(file, "/", "_"))
		p.files[name] = file
		replace[filepath.Join(p.r.root, filepath.FromSlash(file))] = name
		return os.WriteFile(name, text, 0o600)
	}
	for file, mutants := range files {
		text := switchedText(mutants[slices.Min(slices.Collect(maps.Keys(mutants)))].original, mutants)
		packages[path.Dir(file)] = packageClause.FindString(string(text))
		if err := put(file, text); err != nil {
			return err
		}
	}
	for folder, clause := range packages {
		if err := put(folder+"/zz_mutants.go", []byte(clause+"\n"+switchedSource)); err != nil {
			return err
		}
	}
	content, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return err
	}
	return os.WriteFile(p.overlay, content, 0o600)
}

var packageClause = regexp.MustCompile(`(?m)^package \w+`)
