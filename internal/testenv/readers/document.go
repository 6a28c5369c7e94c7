package readers

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Document is a text that a reader of MCP messages has to read or to refuse.
type Document struct{ Intent, Text string }

//go:embed testdata/documents.txt
var documents string

// Documents are those whose readings by the SDKs are recorded. Each is a line of
// testdata/documents.txt: an intent, a colon and a text as in Go.
func Documents() ([]Document, error) {
	var all []Document
	for line := range strings.Lines(documents) {
		intent, quoted, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", intent, err)
		}
		all = append(all, Document{intent, text})
	}
	return all, nil
}

//go:embed testdata/readings.json
var recorded []byte

// Recorded are the readings of [Documents] by the SDKs, in the same order, as
// `make interop ONLY=messages RECORD=1` writes them.
func Recorded() (map[string][]Reading, error) {
	var readings map[string][]Reading
	return readings, json.Unmarshal(recorded, &readings)
}
