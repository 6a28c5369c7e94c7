package readers

import (
	"regexp"
	"strings"
)

// Planted is a fault of a reader, as a rewriting of the document before a strict
// reader reads it: what the strict one then accepts, the faulty one accepts.
type Planted struct {
	Fault   string
	Rewrite func(document string) string
}

// Faults are those that a comparison with the SDKs has to find.
func Faults() []Planted {
	faults := []Planted{
		{"it passes over case", passCase},
		{"it removes a byte-order mark", func(d string) string { return strings.TrimPrefix(d, "\ufeff") }},
		{"it removes invalid UTF-8", func(d string) string { return strings.ToValidUTF8(d, "") }},
		{"it reads the first of two documents", func(d string) string { return firstValue(d, "{[", "}]") }},
		{"it reads the first message of a batch", firstMessage},
		{"it takes a call beside a result for a response", asResponse},
		{"it ends what is cut", closeObjects},
	}
	for _, replaced := range []struct{ fault, pattern, with string }{
		{"of a member twice, it takes the first", `("name":"[^"]*"),"name":"[^"]*"`, "$1"},
		{"it reads half a surrogate pair as U+FFFD", `(^|[^\\])\\u[dD][89a-fA-F][0-9a-fA-F]{2}`, "$1\ufffd"},
		{"it reads NaN and Infinity", `-?(?:NaN|Infinity)`, "0"},
		{"it does not decode escapes", `\\(u00[2-7][0-9a-fA-F])`, `\\$1`},
		{"it removes comments", `(?s)/\*.*?\*/`, ""},
		{"it removes commas before an end", `,(\s*[}\]])`, "$1"},
		{"it removes white space around names", `"name":" *([^" \\]*)(?: |\\t)*"`, `"name":"$1"`},
		{"it passes over the case of methods", `"(?i:tools/call)"`, `"tools/call"`},
		{"it takes a number for a text", `"name":(\d+)`, `"name":"$1"`},
	} {
		expression := regexp.MustCompile(replaced.pattern)
		faults = append(faults, Planted{replaced.fault, func(d string) string {
			return expression.ReplaceAllString(d, replaced.with)
		}})
	}
	return faults
}

var (
	nameBeforeVariant = regexp.MustCompile(`"name":"[^"]*",("(?:Name|NAME)":)`)
	nameVariant       = regexp.MustCompile(`"(?:Name|NAME)":`)
)

// passCase takes the last of two names, whatever their case.
func passCase(d string) string {
	return nameVariant.ReplaceAllString(nameBeforeVariant.ReplaceAllString(d, "$1"), `"name":`)
}

func firstMessage(d string) string {
	if !strings.HasPrefix(d, "[") {
		return d
	}
	return firstValue(d[1:], "{", "}")
}

// firstValue cuts a document where its brackets close for the first time.
func firstValue(d, opening, closing string) string {
	depth := 0
	for i, c := range d {
		switch {
		case strings.ContainsRune(opening, c):
			depth++
		case strings.ContainsRune(closing, c):
			if depth--; depth == 0 {
				return d[:i+1]
			}
		}
	}
	return d
}

func asResponse(d string) string {
	if strings.Contains(d, `"result"`) && strings.Contains(d, `"method"`) {
		return `{"jsonrpc":"2.0","id":1,"result":{}}`
	}
	return d
}

func closeObjects(d string) string {
	missing := strings.Count(d, "{") - strings.Count(d, "}")
	return d + strings.Repeat("}", max(0, min(missing, 5)))
}
