package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// parse returns the one YAML document of the text, or nil and reports why not.
func (r *reader) parse(text []byte) *yaml.Node {
	if p, what, fix := invalidCharacter(text); what != "" {
		r.problemAt(place{r.file, p.line, p.column}, what, fix)
		return nil
	}
	documents := yaml.NewDecoder(bytes.NewReader(text))
	var root, second yaml.Node
	err := documents.Decode(&root)
	if errors.Is(err, io.EOF) || (err == nil && isNull(root.Content[0])) {
		r.problemAt(place{r.file, 1, 1}, "the file is empty", "write issuers and resources, or remove the file")
		return nil
	}
	if err == nil {
		err = documents.Decode(&second)
	}
	switch {
	case errors.Is(err, io.EOF):
		return root.Content[0]
	case err != nil:
		r.syntax(text, err)
	default:
		r.problemAt(place{r.file, second.Line, second.Column}, "a second YAML document begins here",
			"write it to another file")
	}
	return nil
}

// invalidCharacter finds the first character that YAML does not allow.
func invalidCharacter(text []byte) (at place, what, fix string) {
	line, column := 1, 1
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		switch {
		case c == utf8.RuneError && size == 1:
			return place{line: line, column: column}, "the file is not UTF-8", "save it as UTF-8"
		case c < ' ' && c != '\t' && c != '\n' && c != '\r', c >= 0x7F && c < 0xA0 && c != 0x85,
			c == 0xFEFF && i > 0, c == 0xFFFE, c == 0xFFFF:
			return place{line: line, column: column},
				fmt.Sprintf("the character %U is not allowed in YAML", c), "remove it"
		case c == '\n':
			line, column = line+1, 0
		}
		column++
		i += size
	}
	return place{}, "", ""
}

// syntax reports an error of the YAML parser, which names at most a line.
func (r *reader) syntax(text []byte, err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := regexp.MustCompile(`^line (\d+): (.*)$`).FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = m[2]
		if countsFromZero(message) {
			line++
		}
	}
	lines := strings.Split(string(text), "\n")
	line = min(max(line, 1), len(lines))
	fix := "look at the indentation, quotes and brackets here and on the lines before"
	culprit := "" // characters that the column is that of; "" is the first word's
	switch tab := tabNear(lines, line); {
	case tab > 0 && (strings.Contains(message, "tab character") || strings.Contains(message, "cannot start any token")):
		line, culprit, message, fix = tab, "\t", "a tab in the indentation", "indent with spaces"
	case strings.Contains(message, "cannot start any token"):
		culprit, fix = "@`%", "put text with a special character in quotes"
	case strings.Contains(message, "mapping values are not allowed"):
		fix = `put text with ": " in it in quotes`
	case strings.HasPrefix(message, "unknown anchor"):
		message, culprit, fix = "an alias without its anchor", "*", "write the value out"
		line = max(1, 1+slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "*") }))
	}
	before, _, _ := strings.Cut(lines[line-1], strings.TrimLeft(lines[line-1], " "))
	if i := strings.IndexAny(lines[line-1], culprit); i > 0 {
		before = lines[line-1][:i]
	}
	r.problemAt(place{r.file, line, utf8.RuneCountInString(before) + 1}, "not valid YAML ("+message+")", fix)
}

// tabNear is the first line, of line and its neighbours, with a tab in its
// indentation; 0 if there is none.
func tabNear(lines []string, line int) int {
	for i := max(0, line-2); i < min(line+1, len(lines)); i++ {
		if strings.HasPrefix(strings.TrimLeft(lines[i], " "), "\t") {
			return i + 1
		}
	}
	return 0
}

// countsFromZero recognizes the messages whose line is one too small: the parser
// counts from zero, its scanner from one.
func countsFromZero(message string) bool {
	for _, start := range []string{
		"did not find expected <", "did not find expected key", "did not find expected '-'",
		"did not find expected ','", "did not find expected node", "found undefined tag handle",
		"found duplicate %", "found incompatible YAML",
	} {
		if strings.HasPrefix(message, start) {
			return true
		}
	}
	return false
}
