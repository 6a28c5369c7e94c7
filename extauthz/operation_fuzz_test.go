package extauthz_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/resource"
)

// node is a JSON value as no reader may lose it: every member of an object, in order.
type node struct {
	text     string
	elements []node
	members  []member
}

type member struct {
	name  string
	value node
}

var errTooDeep = errors.New("too deep")

// readNode reads one value with the tokens of encoding/json, which allow every
// duplicate.
func readNode(d *json.Decoder, depth int) (node, error) {
	token, err := d.Token()
	if err != nil || depth > 100 {
		return node{}, errors.Join(err, errTooDeep)
	}
	switch token {
	case json.Delim('['):
		var n node
		for d.More() {
			element, err := readNode(d, depth+1)
			if err != nil {
				return node{}, err
			}
			n.elements = append(n.elements, element)
		}
		_, err := d.Token()
		return n, err
	case json.Delim('{'):
		var n node
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return node{}, err
			}
			value, err := readNode(d, depth+1)
			if err != nil {
				return node{}, err
			}
			text, _ := name.(string)
			n.members = append(n.members, member{text, value})
		}
		_, err := d.Token()
		return n, err
	}
	text, _ := token.(string)
	return node{text: text}, nil
}

// lenient are the readers that servers use: of members with one name the first or the
// last, names compared with case or without.
type lenient struct{ first, foldsCase bool }

func (l lenient) get(n node, name string) node {
	var found node
	for _, m := range n.members {
		if m.name == name || l.foldsCase && strings.EqualFold(m.name, name) {
			found = m.value
			if l.first {
				break
			}
		}
	}
	return found
}

// deletes reports whether a reader would run a tool whose name begins with "delete_".
func (l lenient) deletes(message node) bool {
	for _, one := range message.elements {
		if l.deletes(one) {
			return true
		}
	}
	return l.get(message, "method").text == "tools/call" &&
		strings.HasPrefix(l.get(l.get(message, "params"), "name").text, "delete_")
}

// wouldDelete reports whether any reader of the body would: of each of its documents.
func wouldDelete(body string) bool {
	decoder := json.NewDecoder(strings.NewReader(strings.TrimPrefix(body, "\ufeff")))
	for range 10 {
		document, err := readNode(decoder, 0)
		if err != nil {
			return false
		}
		for _, reader := range []lenient{{false, false}, {true, false}, {false, true}, {true, true}} {
			if reader.deletes(document) {
				return true
			}
		}
	}
	return false
}

// namesDeletion reports whether any server would read a name that begins with "delete_"
// in a header.
func namesDeletion(value string) bool {
	value = strings.TrimSpace(value)
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		if strings.HasPrefix(part, "delete_") {
			return true
		}
		lower := strings.ToLower(part)
		if !strings.HasPrefix(lower, "=?base64?") {
			continue
		}
		encoded := strings.TrimSuffix(part[len("=?base64?"):], "?=")
		for _, encoding := range []*base64.Encoding{
			base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding,
		} {
			if decoded, err := encoding.DecodeString(encoded); err == nil && strings.HasPrefix(string(decoded), "delete_") {
				return true
			}
		}
	}
	return false
}

// FuzzOperation: no request is allowed whose operation, as any reader would run it,
// lacks its scopes: whatever body, headers and metadata it has, and whatever is trusted.
func FuzzOperation(f *testing.F) {
	for _, body := range []string{
		call("search"), call("delete_repo"), listTools, "[" + call("search") + "," + call("delete_repo") + "]", call("search") + call("delete_repo"),
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"delete_repo"}}`,
		`{"jsonrpc":"2.0","id":1,"Method":"tools/call","method":"tools/list","params":{"name":"delete_repo"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search"},"params":{"name":"delete_repo"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","\u006eame":"delete_repo"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"NAME":"delete_repo","name":"search"}}`,
		`{"params":{"arguments":{"name":"x"},"name":"delete_repo"},"method":"tools/call","jsonrpc":"2.0"}`,
		`{"jsonrpc":"2.0","id":1,"result":{},"method":"tools/call","params":{"name":"delete_repo"}}`,
		"\ufeff" + call("delete_repo"), strings.Repeat(" ", 100) + call("delete_repo"),
	} {
		f.Add(body, "application/json", "POST", "", "", "", uint8(0))
		f.Add(body, "application/json; charset=utf-8", "POST", "tools/call", "search", "search", uint8(15))
	}
	f.Add("", "application/json", "POST", "tools/call", "=?base64?ZGVsZXRlX3JlcG8=?=", "", uint8(1))
	f.Add("", "application/json", "POST", "tools/call", "=?BASE64?ZGVsZXRlX3JlcG8?=", "", uint8(1))
	f.Add("", "application/json", "POST", "tools/call", "search,delete_repo", "", uint8(1))
	f.Add("", "application/json", "POST", "", "", "delete_repo", uint8(2))
	f.Add("", "application/json", "POST", "tools/call", "search", "delete_repo", uint8(3))
	var servers [16]*testService
	var tokens [16]string
	for trust := range servers {
		servers[trust] = startService(f, byOperation(func(s *resource.Spec) {
			s.MCP = resource.MCP{HeadersChecked: trust&1 > 0, FilterMetadata: trust&2 > 0, AllowBatch: trust&4 > 0}
			if trust&8 > 0 {
				s.Anonymous = []resource.Operation{{Method: "tools/list"}, {Method: "tools/call", Name: "search"}}
			}
		}), func(p *plan) { p.cache = 1 << 20 })
		if trust&8 == 0 {
			tokens[trust] = servers[trust].token()
		}
	}
	f.Fuzz(func(t *testing.T, body, contentType, httpMethod, method, name, filtered string, trust uint8) {
		trust %= 16
		d, token := servers[trust], tokens[trust]
		ask := post(token, body)
		ask.method, ask.headers[0][1] = httpMethod, contentType
		if method != "" {
			ask = ask.withHeaders(method, name)
		}
		if filtered != "" {
			ask = ask.withMetadata("tools/call", filtered)
		}
		for _, text := range []string{body, contentType, httpMethod, method, name, filtered} {
			if strings.ToValidUTF8(text, "") != text {
				return // no string of protobuf; bodies come as bytes, and are in FuzzCheck
			}
		}
		allowed := d.server.Check(t.Context(), ask.joined()).GetOkResponse() != nil
		switch {
		case !allowed || httpMethod != "" && httpMethod != "POST": // GET, HEAD and DELETE run nothing
		case body != "" && wouldDelete(body):
			t.Fatalf("allowed, and a reader deletes: %q", body)
		case body == "" && strings.TrimSpace(method) == "tools/call" && namesDeletion(name): // values have a case
			t.Fatalf("allowed, and a server deletes: %q", name)
		case body == "" && strings.HasPrefix(filtered, "delete_"):
			t.Fatalf("allowed, and the filter read a deletion: %q", filtered)
		case body == "" && trust&1 == 0 && trust&2 == 0:
			t.Fatalf("allowed by sources that are not trusted")
		}
	})
}
