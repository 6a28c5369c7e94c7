package mcp

import (
	"net/http"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// field writes a field of bytes.
func field(number protowire.Number, parts ...string) string {
	wire := protowire.AppendTag(nil, number, protowire.BytesType)
	return string(protowire.AppendString(wire, strings.Join(parts, "")))
}

// varint writes a field of a number.
func varint(number protowire.Number, value uint64) string {
	return string(protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), value))
}

// entry writes a field of a google.protobuf.Struct, its value as wire bytes.
func entry(name, value string) string { return field(1, field(1, name), field(2, value)) }

// TestReadMetadataWire is about spellings of a message that a library would not
// write. Those that mean one thing are read, those that readers could understand
// in two ways are not.
func TestReadMetadataWire(t *testing.T) {
	const beyond = "\x3d\x01\x02\x03\x04" // field 7, 32 bits
	good := entry("status", field(3, "mcp_ok")) + entry("is_mcp_request", varint(4, 1))
	list := entry("method", field(3, "tools/list"))
	const read = "filter_metadata: tools/list"
	var rows []row
	for intent, wire := range map[string][2]string{
		"as it should be":                         {good + list, read},
		"fields that a Struct does not have":      {varint(2, 7) + good + field(3, "a") + beyond + list, read},
		"fields that an entry does not have":      {good + field(1, field(1, "method"), field(3, "a"), varint(4, 1), field(2, field(3, "tools/list"))), read},
		"the value before the key":                {good + field(1, field(2, field(3, "tools/list")), field(1, "method")), read},
		"other values":                            {good + list + entry("id", "\x11\x00\x00\x00\x00\x00\x00\xf0\x3f") + entry("null", varint(1, 0)) + entry("list", field(6)), read},
		"a limit that is a null":                  {good + list + entry("is_exceeding_limit", varint(1, 0)), noSource},
		"no value":                                {good + field(1, field(1, "method")), noMetadata},
		"two values":                              {good + field(1, field(1, "method"), field(2, field(3, "tools/list")), field(2, field(3, "tools/call"))), noMetadata},
		"two texts in a value":                    {good + entry("method", field(3, "tools/list")+field(3, "tools/call")), noMetadata},
		"a text and a number in a value":          {good + entry("method", field(3, "tools/list")+varint(1, 0)), noMetadata},
		"a text as a number of the wire":          {good + entry("method", varint(3, 1)), noMetadata},
		"two structs in a value":                  {good + entry("method", field(3, "tools/call")) + entry("params", field(5, entry("name", field(3, "a")))+field(5, entry("name", field(3, "b")))), noFilter},
		"the name twice":                          {good + entry("method", field(3, "tools/call")) + entry("params", field(5, entry("name", field(3, "a")), entry("name", field(3, "b")))), noFilter},
		"a struct that ends in the middle":        {good + entry("method", field(3, "tools/call")) + entry("params", field(5, entry("name", field(3, "a"))+"\x0a\x05")), noFilter},
		"a text that is no UTF-8":                 {good + entry("method", field(3, "\xff")), noSource},
		"a tag that ends in the middle":           {good + list + "\x80", noSource},
		"a value of 32 bits that ends":            {good + list + beyond[:3], noSource},
		"bytes that end":                          {good + list + "\x0a\x05a", noSource},
		"a value whose tag ends in the middle":    {good + list + entry("a", "\x80"), noSource},
		"a value whose bytes end":                 {good + list + entry("a", "\x1a\x05a"), noSource},
		"an entry whose tag ends in the middle":   {good + list + field(1, "\x80"), noSource},
		"is_mcp_request as a number of two bytes": {entry("status", field(3, "mcp_ok")) + entry("is_mcp_request", varint(4, 256)) + list, read},
		"is_mcp_request as bytes":                 {entry("status", field(3, "mcp_ok")) + entry("is_mcp_request", field(4, "\x01")) + list, noSource},
	} {
		request := Request{Method: http.MethodPost, Headers: headersOf(), Metadata: []byte(wire[0])}
		rows = append(rows, row{intent, request, byFilter, wire[1]})
	}
	checkRows(t, rows)
}

func TestSourceString(t *testing.T) {
	for source, wanted := range map[Source]string{None: "none", Headers: "headers", Body: "body", FilterMetadata: "filter_metadata"} {
		if source.String() != wanted {
			t.Errorf("%d is %q, not %q", source, source, wanted)
		}
	}
}

// TestReadAllocations counts bytes: of the first body, which makes a scanner, at
// most twice the body besides the scanner itself; of the next, nearly nothing.
func TestReadAllocations(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates too")
	}
	for name, body := range bodies() {
		request := requestOf(body)
		for _, warm := range []bool{false, true} {
			if !warm {
				for range 3 {
					runtime.GC() // which empties pools
				}
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if got := Read(request, Trust{}); got.Fault != NoFault {
				t.Fatal(got.Detail)
			}
			runtime.ReadMemStats(&after)
			bytes, allocations := after.TotalAlloc-before.TotalAlloc, after.Mallocs-before.Mallocs
			t.Logf("%-20s %6d bytes, scanner warm %v: %d bytes in %d allocations", name, len(body), warm, bytes, allocations)
			limit := uint64(2*len(body)) + 3<<10
			if warm {
				limit = 512
			}
			if bytes > limit {
				t.Errorf("%s: %d bytes of a body of %d, scanner warm %v", name, bytes, len(body), warm)
			}
		}
	}
}

// TestNamesReset: a scanner in the pool keeps room for ordinary bodies alone.
func TestNamesReset(t *testing.T) {
	for size, kept := range map[int]bool{many: true, many + 1: false} {
		n := names{spans: make([]span, size), table: make([]uint32, size), unquoted: [2][]byte{nil, make([]byte, size)}}
		n.reset()
		if len(n.spans) > 0 || cap(n.spans) > 0 != kept || len(n.table) > 0 != kept || n.unquoted[1] != nil != kept {
			t.Errorf("%d: %d, %d and %d are kept", size, cap(n.spans), len(n.table), len(n.unquoted[1]))
		}
	}
}
