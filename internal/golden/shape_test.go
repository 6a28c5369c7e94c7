package golden

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// shape lists the members of a JSON document and their types, not their values.
func shape(t *testing.T, document []byte) string {
	t.Helper()
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		t.Fatalf("%v in %q", err, document)
	}
	found := map[string]bool{}
	collectShape(value, "$", found)
	return lines(found)
}

func collectShape(value any, path string, found map[string]bool) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			collectShape(member, path+"."+name, found)
		}
	case []any:
		for _, element := range v {
			collectShape(element, path+"[]", found)
		}
	default:
		found[fmt.Sprintf("%s %T", path, v)] = true
	}
}

// fieldsOf prints a protobuf message without its descriptor: field numbers,
// nesting and texts in the order in which they were written, so that equal text
// means equal bytes. It is false for bytes that are no message.
func fieldsOf(message []byte, indent string) (string, bool) {
	var out strings.Builder
	for len(message) > 0 {
		number, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return "", false
		}
		message = message[size:]
		fmt.Fprintf(&out, "%s%d", indent, number)
		switch kind {
		case protowire.BytesType:
			content, size := protowire.ConsumeBytes(message)
			if size < 0 {
				return "", false
			}
			message = message[size:]
			out.WriteString(nested(content, indent))
		case protowire.VarintType:
			value, size := protowire.ConsumeVarint(message)
			if size < 0 {
				return "", false
			}
			message = message[size:]
			out.WriteString(" " + strconv.FormatUint(value, 10) + "\n")
		default:
			size := protowire.ConsumeFieldValue(number, kind, message)
			if size < 0 {
				return "", false
			}
			fmt.Fprintf(&out, " %x\n", message[:size])
			message = message[size:]
		}
	}
	return out.String(), true
}

// nested prints visible text as a text, and anything else as a message where it
// is one.
func nested(content []byte, indent string) string {
	if isText(content) {
		return " " + strconv.Quote(string(content)) + "\n"
	}
	if inside, ok := fieldsOf(content, indent+"  "); ok {
		return "\n" + inside
	}
	return fmt.Sprintf(" %x\n", content)
}

func isText(content []byte) bool {
	for _, r := range string(content) {
		if r < 0x20 || r == utf8.RuneError {
			return false
		}
	}
	return true
}
