package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// lenient is a reader of JSON that accepts what Read refuses: of two members of
// one name it takes the first or the last, and it may pass over the case of
// names. It is the model of a server.
type lenient struct{ first, folds bool }

// lenients are one of each kind.
var lenients = []lenient{{false, false}, {true, false}, {false, true}, {true, true}}

type pair struct {
	name  string
	value any
}

// tree decodes a document with encoding/json, objects as their members in order.
func tree(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	delim, isDelim := token.(json.Delim)
	if !isDelim {
		return token, nil
	}
	object, array := []pair{}, []any{}
	for d.More() {
		p := pair{}
		if delim == '{' {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			p.name, _ = name.(string)
		}
		if p.value, err = tree(d); err != nil {
			return nil, err
		}
		object, array = append(object, p), append(array, p.value)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if delim == '{' {
		return object, nil
	}
	return array, nil
}

// member is what the reader finds under a name.
func (l lenient) member(value any, name string) any {
	object, _ := value.([]pair)
	var found any
	for _, p := range object {
		if p.name != name && (!l.folds || !strings.EqualFold(p.name, name)) {
			continue
		}
		if found = p.value; l.first {
			return found
		}
	}
	return found
}

// operation is what a server with this reader would run.
func (l lenient) operation(message any) Operation {
	method, isRequest := l.member(message, "method").(string)
	if !isRequest {
		return Operation{Response: true}
	}
	params := l.member(message, "params")
	var name any
	switch method {
	case "tools/call", "prompts/get":
		name = l.member(params, "name")
	case "resources/read", "resources/subscribe", "resources/unsubscribe":
		name = l.member(params, "uri")
	case "completion/complete":
		ref := l.member(params, "ref")
		if l.member(ref, "type") == "ref/prompt" {
			name = l.member(ref, "name")
		} else {
			name = l.member(ref, "uri")
		}
	}
	text, _ := name.(string)
	return Operation{Method: method, Name: text}
}

// FuzzReadBody: whatever Read accepts, every lenient reader reads in the same
// way. The first of them is encoding/json as most servers use it.
func FuzzReadBody(f *testing.F) {
	for _, seed := range bodySeeds() {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, batch bool) {
		before := bytes.Clone(body)
		got := Read(requestOf(body), Trust{Batch: batch})
		if !bytes.Equal(before, body) {
			t.Fatal("Read changed the body")
		}
		if got.Fault != NoFault {
			if len(got.Operations) > 0 || got.Detail == "" || got.Trusted {
				t.Fatalf("a fault with %+v", got)
			}
			return
		}
		checkAgainstReaders(t, body, batch, got.Operations)
	})
}

func checkAgainstReaders(t *testing.T, body []byte, batch bool, got []Operation) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	document, err := tree(d)
	if _, more := d.Token(); err != nil || !errors.Is(more, io.EOF) {
		t.Fatalf("accepted, and encoding/json has the errors %v, %v", err, more)
	}
	messages, isBatch := document.([]any)
	if !isBatch {
		messages = []any{document}
	}
	if isBatch && !batch || len(messages) != len(got) {
		t.Fatalf("%d operations of %d messages", len(got), len(messages))
	}
	for i, message := range messages {
		for _, reader := range lenients {
			if wanted := reader.operation(message); got[i] != wanted {
				t.Errorf("%+v is %+v to %+v", got[i], wanted, reader)
			}
		}
	}
}

// bodySeeds are good bodies, and bad ones near them.
func bodySeeds() []string {
	seeds := []string{
		call("echo"), `[` + call("a") + `,` + call("b") + `]`, `{"jsonrpc":"2.0","id":1,"result":{}}`, `{"jsonrpc":"2.0","id":null,"error":{}}`,
		calls("resources/read", `{"uri":"file:///a"}`), calls("completion/complete", `{"ref":{"type":"ref/prompt","name":"a"}}`),
		`{"jsonrpc":"2.0","m\u0065thod":"ping"}`, `{"jsonrpc":"2.0","method":"ping","param\u017f":{}}`, "\ufeff{}", `{"a":"\ud800"}`, `{"a":1,"a":2}`,
	}
	for _, rows := range [][]string{{"tools/call", `{"name":"a","NAME":"b"}`}, {"tools/call", `{"name":"a","name":"b"}`}, {"tools/call", `{"arguments":[{"a":{"b":1,"b":1}}],"name":"a"}`}} {
		seeds = append(seeds, calls(rows[0], rows[1]))
	}
	return seeds
}

// FuzzReadMetadata holds the reading of the wire against structpb.
func FuzzReadMetadata(f *testing.F) {
	for _, seed := range []string{
		`{"method":"tools/call","params":{"name":"a"}}`, `{"method":"resources/read","params":{"uri":"a:b"}}`, `{"method":"__jsonrpc_response"}`, `{"is_mcp_request":false}`,
		`{"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"b"}}}`, `{"method":7,"is_exceeding_limit":true}`,
	} {
		f.Add(metadataOf(seed))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		got := Read(Request{Method: http.MethodPost, Headers: headersOf(), Metadata: wire}, Trust{FilterMetadata: true})
		if got.Fault != NoFault {
			return
		}
		var s structpb.Struct
		if err := proto.Unmarshal(wire, &s); err != nil {
			return // in a field that Read does not look at; gRPC refuses such a request
		}
		field := s.GetFields()
		if field["status"].GetStringValue() != "mcp_ok" || !field["is_mcp_request"].GetBoolValue() || field["is_exceeding_limit"].GetBoolValue() {
			t.Errorf("believed %v", &s)
		}
		params := field["params"].GetStructValue().GetFields()
		wanted := Operation{Method: field["method"].GetStringValue()}
		switch wanted.Method {
		case "__jsonrpc_response":
			wanted = Operation{Response: true}
		case "tools/call", "prompts/get":
			wanted.Name = params["name"].GetStringValue()
		case "resources/read", "resources/subscribe", "resources/unsubscribe":
			wanted.Name = params["uri"].GetStringValue()
		case "completion/complete":
			ref := params["ref"].GetStructValue().GetFields()
			wanted.Name = ref[map[string]string{"ref/prompt": "name", "ref/resource": "uri"}[ref["type"].GetStringValue()]].GetStringValue()
		}
		if fmt.Sprint(got.Operations) != fmt.Sprint([]Operation{wanted}) {
			t.Errorf("%+v, and protobuf reads %+v", got.Operations, wanted)
		}
	})
}

// FuzzReadSources: two sources that differ are never an operation, and headers
// alone are decoded at most once.
func FuzzReadSources(f *testing.F) {
	f.Add("tools/call", "a", "tools/call", "a", "2026-07-28")
	f.Add("tools/call", "=?base64?YQ==?=", "tools/call", "a", "2026-07-28")
	f.Add("tools/list", "a", "tools/call", "a", "2026-07-28")
	f.Add("tools/call", "a,b", "tools/call", "a", "2026-07-29")
	f.Fuzz(func(t *testing.T, headerMethod, headerName, method, name, version string) {
		body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": map[string]string{"name": name}})
		if err != nil {
			return
		}
		lines := []string{"mcp-protocol-version: " + version, "mcp-method: " + headerMethod, "mcp-name: " + headerName}
		got := Read(post(string(body), lines...), all)
		if got.Fault != NoFault || version != "2026-07-28" {
			return
		}
		decoded := headerName
		if inner, isEncoded := strings.CutPrefix(headerName, "=?base64?"); isEncoded {
			decoded = string(base64Of(strings.TrimSuffix(inner, "?=")))
		}
		if got.Operations[0].Method != headerMethod || got.Operations[0].Name != "" && got.Operations[0].Name != decoded {
			t.Errorf("%+v of the headers %q %q", got.Operations, headerMethod, headerName)
		}
	})
}

// base64Of decodes by RFC 4648, section 4, bit by bit.
func base64Of(text string) []byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	var decoded []byte
	bits, held := 0, 0
	for _, c := range strings.TrimRight(text, "=") {
		bits, held = bits<<6|strings.IndexRune(alphabet, c), held+6
		if held >= 8 {
			held -= 8
			decoded = append(decoded, byte(bits>>held))
			bits &= 1<<held - 1
		}
	}
	return decoded
}
