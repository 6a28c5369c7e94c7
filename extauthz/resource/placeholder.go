package resource

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/doorward/doorward/internal/hostpath"
)

// The bounds of a value, in bytes.
const (
	maxLabel   = 63 // RFC 1035, section 2.3.4
	maxSegment = 128
)

// isLabelValue reports whether a host label, in lower case, can be a value. An
// A-label (RFC 5890) cannot: it is shown to people as something else.
func isLabelValue(s string) bool {
	if s == "" || len(s) > maxLabel || strings.HasPrefix(s, "xn--") || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// isSegmentValue reports whether a path segment can be a value.
func isSegmentValue(s string) bool {
	if s == "" || len(s) > maxSegment {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !hostpath.IsAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// placeholderName returns the name of a label or segment that is a placeholder.
func placeholderName(part string) (name string, ok bool) {
	if len(part) < 3 || part[0] != '{' || part[len(part)-1] != '}' {
		return "", false
	}
	name = part[1 : len(part)-1]
	return name, isPlaceholderName(name)
}

func isPlaceholderName(name string) bool {
	return name != "" && name[0] >= 'a' && name[0] <= 'z' &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// Placeholders lists the names of the placeholders in a text such as a URL, in
// order. The error says what is wrong with them and what to write.
func Placeholders(text string) ([]string, error) {
	if strings.ContainsAny(text, "{}") && !utf8.ValidString(text) {
		return nil, errors.New("is not UTF-8: write it so")
	}
	var names []string
	for rest := text; ; {
		start := strings.IndexAny(rest, "{}")
		if start < 0 {
			return names, nil
		}
		length := strings.IndexByte(rest[start:], '}') + 1
		if length < 1 || rest[start] == '}' || !isPlaceholderName(rest[start+1:start+length-1]) {
			return nil, errors.New("has a brace that belongs to no placeholder: " +
				"write {name}, where name begins with a small letter and has small letters, digits and _ alone")
		}
		name := rest[start+1 : start+length-1]
		if slices.Contains(names, name) {
			return nil, errors.New("has the placeholder {" + name + "} twice: give each its own name")
		}
		names = append(names, name)
		rest = rest[start+length:]
	}
}

// mergesValues reports whether two placeholders of a text are next to each other or
// have between them only what values may hold too: with other values the text can
// then be the same.
func mergesValues(text string) bool {
	_, rest, _ := strings.Cut(text, "}")
	for rest != "" {
		between, after, more := strings.Cut(rest, "{")
		if !more {
			return false
		}
		if between == "" || isSegmentValue(between) {
			return true
		}
		_, rest, _ = strings.Cut(after, "}")
	}
	return false
}

// standIn takes the place of a placeholder while a URL is parsed: it is good as a
// label and as a segment, and no label or segment of a real URL.
func standIn(name string) string { return "xn--placeholder-" + name + "-0" }

// withStandIns replaces the placeholders of a text; undo puts them back.
func withStandIns(text string, names []string) (replaced string, undo *strings.Replacer) {
	var forth, back []string
	for _, name := range names {
		forth = append(forth, "{"+name+"}", standIn(name))
		back = append(back, standIn(name), "{"+name+"}")
	}
	return strings.NewReplacer(forth...).Replace(text), strings.NewReplacer(back...)
}

// expand fills the placeholders of a text.
func expand(text string, values map[string]string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	for name, value := range values {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

func expandAll(texts []string, values map[string]string) []string {
	expanded := make([]string, len(texts))
	for i, text := range texts {
		expanded[i] = expand(text, values)
	}
	return expanded
}

// placeholderForm matches a placeholder, as it is or quoted.
var placeholderForm = regexp.MustCompile(`\\?\{[a-z][a-z0-9_]*\\?\}`)

// expression is a regular expression for a text with values in the place of its
// placeholders, each of which matches value.
func expression(text, value string) string {
	return "^" + placeholderForm.ReplaceAllLiteralString(regexp.QuoteMeta(text), value) + "$"
}
