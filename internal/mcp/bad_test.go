package mcp

import (
	"fmt"
	"strings"
	"testing"
)

const (
	noUTF8     = "malformed: the body is no JSON in UTF-8"
	ends       = "malformed: the body ends in the middle"
	twice      = "malformed: " + duplicateName
	variant    = "malformed: " + caseVariant
	noMessage  = "malformed: " + notJSONRPC
	noMethod   = "malformed: the method is no text, empty or too long"
	noName400  = "malformed: " + nameless
	noVersion  = "malformed: the message has no jsonrpc 2.0"
	noType     = "malformed: the content type is not application/json in UTF-8"
	encoded    = "malformed: the body is encoded"
	partial    = "malformed: the body is larger than what Envoy sends"
	several    = "malformed: the body has more than one JSON value"
	noObject   = "malformed: the body is no JSON object"
	batchRule  = "malformed: " + batchSize
	noURI      = "unknown: the URI is not in its canonical form"
	disagree   = "unknown: the sources of the operation disagree"
	noSource   = "unknown: no source of the operation"
	noHeader   = "unknown: Mcp-Name is missing"
	noHeaders  = "unknown: Mcp-Method occurs twice or is no method"
	badHeader  = "unknown: Mcp-Name is no text, or too long"
	untrusted  = "unknown: headers alone are not trusted here"
	unfiltered = "unknown: filter metadata alone is not trusted here"
	noMetadata = "unknown: the metadata has no method"
	noFilter   = "unknown: the metadata has no name"
)

// calls is a body with a method and its params.
func calls(method, params string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + `}`
}

// TestReadRefusesText is about what is no JSON, or JSON with several readings.
func TestReadRefusesText(t *testing.T) {
	const head = `{"jsonrpc":"2.0","id":1,"method":"tools/call",`
	deep := func(levels int) string {
		return `{"jsonrpc":"2.0","id":1,"method":"ping","params":` + strings.Repeat(`{"a":`, levels-2) + "[]" + strings.Repeat("}", levels-1)
	}
	many := func(last string) string {
		var b strings.Builder
		for i := range 4000 {
			fmt.Fprintf(&b, `"name%d":0,`, i)
		}
		return head + `"params":{"name":"a","arguments":{` + b.String() + last + `:1}}}`
	}
	checkRows(t, []row{
		{"no body", post(""), all, "malformed: the body is empty"},
		{"white space alone", post(" \n"), all, ends},
		{"no JSON", post("tools/call"), all, noUTF8},
		{"a text", post(`"tools/call"`), all, noObject},
		{"a number", post(`1`), all, noObject},
		{"null", post(`null`), all, noObject},
		{"a body that ends in the middle", post(head + `"params":{"name":"a"`), all, ends},
		{"a body that ends within a text", post(head + `"params":{"name":"a`), all, ends},
		{"a body that ends within an escape", post(head + `"params":{"name":"\u00`), all, ends},
		{"two documents", post(call("a") + call("b")), all, several},
		{"two documents, one a line", post(call("a") + "\n" + call("b") + "\n"), all, several},
		{"more after a document", post(call("a") + "x"), all, several},
		{"NUL after a document", post(call("a") + "\x00"), all, several},
		{"an unbalanced end", post(call("a") + "}"), all, several},
		{"a byte-order mark", post("\ufeff" + call("a")), all, "malformed: the body begins with a byte-order mark"},
		{"UTF-16", post("{\x00\"\x00"), all, noUTF8},
		{"a byte-order mark of UTF-16", post("\xff\xfe{\x00"), all, noUTF8},
		{"invalid UTF-8 in a name", post(call("a\xff")), all, noUTF8},
		{"invalid UTF-8 in the name of a member", post(head + "\"n\xffame\":1}"), all, noUTF8},
		{"overlong UTF-8", post(call("\xc0\xaf")), all, noUTF8},
		{"a surrogate in UTF-8", post(call("\xed\xa0\x80")), all, noUTF8},
		{"half a surrogate pair", post(call(`\ud800`)), all, noUTF8},
		{"the other half", post(call(`\udc00`)), all, noUTF8},
		{"halves in the wrong order", post(call(`\udc00\ud800`)), all, noUTF8},
		{"half a surrogate pair in the name of a member", post(head + `"\ud800":1}`), all, noUTF8},
		{"half a surrogate pair deep in the arguments", post(head + `"params":{"name":"a","arguments":[{"x":"\udfff"}]}}`), all, noUTF8},
		{"a control character in a text", post(call("a\nb")), all, noUTF8},
		{"NUL in a text", post(call("a\x00")), all, noUTF8},
		{"an escape of another language", post(call(`a\x62`)), all, noUTF8},
		{"a comment", post(head + `/* */"params":{"name":"a"}}`), all, noUTF8},
		{"a comma too many", post(head + `"params":{"name":"a",}}`), all, noUTF8},
		{"no comma", post(`{"jsonrpc":"2.0" "id":1}`), all, noUTF8},
		{"quotes of another kind", post(`{'jsonrpc':'2.0'}`), all, noUTF8},
		{"a member without quotes", post(`{jsonrpc:"2.0"}`), all, noUTF8},
		{"NaN", post(head + `"params":{"name":"a","arguments":NaN}}`), all, noUTF8},
		{"Infinity", post(head + `"params":{"name":"a","arguments":-Infinity}}`), all, noUTF8},
		{"a number that begins with 0", post(head + `"params":{"name":"a","arguments":01}}`), all, noUTF8},
		{"an exponent without digits", post(head + `"params":{"name":"a","arguments":1e}}`), all, noUTF8},
		{"white space of Unicode", post("\u00a0" + call("a")), all, noUTF8},
		{"a vertical tab", post("\v" + call("a")), all, noUTF8},
		{"a number of 1,000 digits", post(head + `"params":{"name":"a","arguments":` + strings.Repeat("1", 1000) + "}}"), all, "malformed: a number is too long"},
		{"65 levels", post(deep(65)), all, "malformed: " + tooDeep},
		{"100,000 levels", post(head + `"params":` + strings.Repeat("[", 100_000)), all, "malformed: " + tooDeep},
		{"more than 1 MiB", post(call(strings.Repeat("a", MaxBody))), all, "malformed: the body is larger than 1 MiB"},
		{"a method after 1 MiB of params", post(`{"jsonrpc":"2.0","id":1,"params":{"arguments":"` + strings.Repeat("a", MaxBody) + `"},"method":"ping"}`), all, "malformed: the body is larger than 1 MiB"},

		{"the method twice", post(head + `"method":"tools/list"}`), all, twice},
		{"the method twice, equal", post(head + `"method":"tools/call","params":{"name":"a"}}`), all, twice},
		{"the method twice, once escaped", post(head + `"m\u0065thod":"tools/list"}`), all, twice},
		{"jsonrpc twice", post(`{"jsonrpc":"2.0",` + head[1:] + `"params":{"name":"a"}}`), all, twice},
		{"id twice", post(head + `"id":2,"params":{"name":"a"}}`), all, twice},
		{"params twice", post(head + `"params":{"name":"a"},"params":{"name":"b"}}`), all, twice},
		{"the name twice", post(head + `"params":{"name":"a","name":"b"}}`), all, twice},
		{"the name twice, both escaped", post(head + `"params":{"n\u0061me":"a","nam\u0065":"b"}}`), all, twice},
		{"a member of the arguments twice", post(head + `"params":{"name":"a","arguments":{"x":1,"x":2}}}`), all, twice},
		{"a member of _meta twice", post(head + `"params":{"name":"a","_meta":{"x":1,"x":1}}}`), all, twice},
		{"a member twice, deep", post(head + `"params":{"name":"a","arguments":[[{"y":[{"x":{},"z":0,"x":{}}]}]]}}`), all, twice},
		{"an unknown member twice", post(head + `"x":1,"params":{"name":"a"},"x":1}`), all, twice},
		{"an empty name twice", post(head + `"params":{"name":"a","arguments":{"":1,"":1}}}`), all, twice},
		{"a member twice among ten", post(head + `"params":{"name":"a","arguments":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"a":1}}}`), all, twice},
		{"the last of 4,000 members again", post(many(`"name3999"`)), all, twice},
		{"the first of 4,000 members again, escaped", post(many(`"n\u0061me0"`)), all, twice},
		{"a reference's name twice", post(calls("completion/complete", `{"ref":{"type":"ref/prompt","name":"a","name":"b"}}`)), all, twice},

		{"subscriptions that are no object", post(calls("subscriptions/listen", `{"notifications":["a:b"]}`)), all, "malformed: " + noURIs},
		{"subscriptions that are a text", post(calls("subscriptions/listen", `{"notifications":{"resourceSubscriptions":"a:b"}}`)), all, "malformed: " + noURIs},
		{"subscriptions that are an object", post(calls("subscriptions/listen", `{"notifications":{"resourceSubscriptions":{"a":"a:b"}}}`)), all, "malformed: " + noURIs},
		{"a subscription that is an object", post(calls("subscriptions/listen", `{"notifications":{"resourceSubscriptions":[{"uri":"a:b"}]}}`)), all, "malformed: " + noURIs},
		{"a subscription that is a list", post(calls("subscriptions/listen", `{"notifications":{"resourceSubscriptions":["a:b",["a:c"]]}}`)), all, "malformed: " + noURIs},
		{"an empty subscription", post(calls("subscriptions/listen", `{"notifications":{"resourceSubscriptions":[""]}}`)), all, "malformed: " + noURIs},
		{"101 subscriptions", post(calls("subscriptions/listen", `{"notifications":{"resourceSubscriptions":["a:b"`+strings.Repeat(`,"a:b"`, 100)+`]}}`)), all, "malformed: " + noURIs},
		{"a subscription in another spelling", post(calls("subscriptions/listen", `{"notifications":{"resourceSubscriptions":["a:b","a:../b"]}}`)), all, "unknown: " + uriFault("x", false)},
		{"subscriptions twice", post(calls("subscriptions/listen", `{"notifications":{"resourceSubscriptions":["a:b"],"resourceSubscription\u0073":[]}}`)), all, twice},
		{"ResourceSubscriptions", post(calls("subscriptions/listen", `{"notifications":{"ResourceSubscriptions":["a:b"]}}`)), all, variant},
		{"Notifications", post(calls("subscriptions/listen", `{"Notifications":{"resourceSubscriptions":["a:b"]}}`)), all, variant},
		{"method and NUL", post(head + `"method\u0000":"tools/list","params":{"name":"a"}}`), all, "malformed: " + nulInName},
		{"NUL in params", post(head + `"params":{"\u0000":1,"name":"a"}}`), all, "malformed: " + nulInName},
		{"NUL in a reference", post(calls("completion/complete", `{"ref":{"type":"ref/prompt","name\u0000x":"b","name":"a"}}`)), all, "malformed: " + nulInName},
		{"NUL in the method", post(`{"jsonrpc":"2.0","id":1,"method":"tools/list\u0000"}`), all, "malformed: the method is no text, empty or too long"},
		{"NUL in the name of a tool", post(head + `"params":{"name":"delete_repo\u0000"}}`), all, "malformed: " + nameless},
		{"NUL in the name of a tool, in metadata", filtered(`{"method":"tools/call","params":{"name":"delete_repo\u0000"}}`), byFilter, "unknown: the metadata has no name"},

		{"Method", post(head + `"Method":"tools/list","params":{"name":"a"}}`), all, variant},
		{"METHOD alone", post(`{"jsonrpc":"2.0","id":1,"METHOD":"ping"}`), all, variant},
		{"Params", post(head + `"Params":{"name":"b"},"params":{"name":"a"}}`), all, variant},
		{"params with a long s", post(head + `"param\u017f":{"name":"b"},"params":{"name":"a"}}`), all, variant},
		{"ID", post(head + `"ID":2,"params":{"name":"a"}}`), all, variant},
		{"JSONRPC", post(head + `"JSONRPC":"2.0","params":{"name":"a"}}`), all, variant},
		{"Result", post(head + `"Result":{},"params":{"name":"a"}}`), all, variant},
		{"Error", post(head + `"Error":{},"params":{"name":"a"}}`), all, variant},
		{"Name", post(head + `"params":{"name":"a","Name":"b"}}`), all, variant},
		{"NAME, escaped", post(head + `"params":{"name":"a","N\u0041ME":"b"}}`), all, variant},
		{"URI", post(calls("resources/read", `{"uri":"a:b","URI":"a:c"}`)), all, variant},
		{"Arguments", post(head + `"params":{"name":"a","Arguments":{}}}`), all, variant},
		{"_Meta", post(head + `"params":{"name":"a","_Meta":{}}}`), all, variant},
		{"Ref", post(calls("completion/complete", `{"ref":{"type":"ref/prompt","name":"a"},"Ref":{}}`)), all, variant},
		{"Type of a reference", post(calls("completion/complete", `{"ref":{"Type":"ref/prompt","name":"a"}}`)), all, variant},
	})
}

// TestReadRefusesMessages is about JSON that is no message, or one without a
// name that it needs.
func TestReadRefusesMessages(t *testing.T) {
	object := func(members string) Request { return post(`{"jsonrpc":"2.0",` + members + `}`) }
	checkRows(t, []row{
		{"an empty object", post(`{}`), all, noVersion},
		{"no jsonrpc", post(`{"id":1,"method":"ping"}`), all, noVersion},
		{"jsonrpc 1.0", post(`{"jsonrpc":"1.0","id":1,"method":"ping"}`), all, noVersion},
		{"jsonrpc as a number", post(`{"jsonrpc":2.0,"id":1,"method":"ping"}`), all, noVersion},
		{"no method, no result, no error", object(`"id":1`), all, noMessage},
		{"method beside result", object(`"id":1,"method":"tools/call","params":{"name":"a"},"result":{}`), all, noMessage},
		{"method beside error", object(`"id":1,"method":"tools/call","params":{"name":"a"},"error":{}`), all, noMessage},
		{"method beside a result that is null", object(`"id":1,"method":"ping","result":null`), all, noMessage},
		{"a call dressed as a response: the method null", object(`"id":1,"method":null,"result":{},"params":{"name":"a"}`), all, noMessage},
		{"result beside error", object(`"id":1,"result":{},"error":{}`), all, noMessage},
		{"params beside result", object(`"id":1,"result":{},"params":{"name":"a"}`), all, noMessage},
		{"a result without id", object(`"result":{}`), all, noMessage},
		{"a result with the id null", object(`"id":null,"result":{}`), all, noMessage},
		{"an error with an id that is no id", object(`"id":[],"error":{}`), all, noMessage},
		{"the id null", object(`"id":null,"method":"ping"`), all, noMessage},
		{"the id true", object(`"id":true,"method":"ping"`), all, noMessage},
		{"the id an object", object(`"id":{"a":1},"method":"ping"`), all, noMessage},
		{"the method a number", object(`"id":1,"method":7`), all, noMethod},
		{"the method null", object(`"id":1,"method":null`), all, noMethod},
		{"the method an object", object(`"id":1,"method":{"method":"ping"}`), all, noMethod},
		{"the method an array", object(`"id":1,"method":["tools/call"]`), all, noMethod},
		{"the method empty", object(`"id":1,"method":""`), all, noMethod},
		{"the method too long", object(`"id":1,"method":"` + strings.Repeat("a", MaxName+1) + `"`), all, noMethod},
		{"params an array", object(`"id":1,"method":"tools/call","params":["a"]`), all, "malformed: params is no object"},
		{"params a text", object(`"id":1,"method":"tools/call","params":"{\"name\":\"a\"}"`), all, "malformed: params is no object"},
		{"a call without params", object(`"id":1,"method":"tools/call"`), all, noName400},
		{"a call with params null", object(`"id":1,"method":"tools/call","params":null`), all, noName400},
		{"a call without a name", post(calls("tools/call", `{"arguments":{"name":"a"}}`)), all, noName400},
		{"the name a number", post(calls("tools/call", `{"name":7}`)), all, noName400},
		{"the name null", post(calls("tools/call", `{"name":null}`)), all, noName400},
		{"the name an array", post(calls("tools/call", `{"name":["a"]}`)), all, noName400},
		{"the name an object", post(calls("tools/call", `{"name":{"name":"a"}}`)), all, noName400},
		{"the name empty", post(call("")), all, noName400},
		{"the name too long", post(call(strings.Repeat("a", MaxName+1))), all, noName400},
		{"a call dressed as a notification, without a name", object(`"method":"tools/call","params":{}`), all, noName400},
		{"a name in an array of params", post(calls("tools/call", `{"x":[{"name":"a"}]}`)), all, noName400},
		{"a prompt without a name", post(calls("prompts/get", `{"uri":"a:b"}`)), all, noName400},
		{"a resource without a URI", post(calls("resources/read", `{"name":"a"}`)), all, noName400},
		{"a completion without a reference", post(calls("completion/complete", `{"name":"a"}`)), all, "malformed: the reference is neither of a prompt nor of a resource"},
		{"a completion with a reference that is a text", post(calls("completion/complete", `{"ref":"a"}`)), all, "malformed: the reference is neither of a prompt nor of a resource"},
		{"a reference to a tool", post(calls("completion/complete", `{"ref":{"type":"ref/tool","name":"a"}}`)), all, "malformed: the reference is neither of a prompt nor of a resource"},
		{"a reference to a prompt with a URI", post(calls("completion/complete", `{"ref":{"type":"ref/prompt","uri":"a:b"}}`)), all, noName400},
		{"a URI with dot segments", post(calls("resources/read", `{"uri":"file:///public/../secret"}`)), all, noURI},
		{"a URI with an upper-case scheme", post(calls("resources/subscribe", `{"uri":"FILE:///a"}`)), all, noURI},
		{"a URI with an escape that it does not need", post(calls("resources/unsubscribe", `{"uri":"file:///%61"}`)), all, noURI},
		{"a URI with braces", post(calls("resources/read", `{"uri":"file:///{a}"}`)), all, noURI},
		{"a template with dot segments", post(calls("completion/complete", `{"ref":{"type":"ref/resource","uri":"file:///../{a}"}}`)), all, noURI},

		{"a batch", post(`[` + call("a") + `]`), Trust{Headers: true, FilterMetadata: true}, "malformed: " + noBatch},
		{"an empty batch", post(`[]`), all, batchRule},
		{"a batch of 101", post(`[` + strings.Repeat(call("a")+",", 100) + call("a") + `]`), all, batchRule},
		{"a batch in a batch", post(`[[` + call("a") + `]]`), all, "malformed: a message of the batch is no JSON object"},
		{"a batch with a number", post(`[` + call("a") + `,1]`), all, "malformed: a message of the batch is no JSON object"},
		{"a batch that ends in the middle", post(`[` + call("a") + `,`), all, ends},
		{"a batch whose second message is none", post(`[` + call("a") + `,{}]`), all, noVersion},
		{"a batch whose second message has a member twice", post(`[` + call("a") + `,{"jsonrpc":"2.0","method":"a","method":"b"}]`), all, twice},
		{"a batch with a name that another message has", post(`[` + call("a") + `,{"jsonrpc":"2.0","id":1,"method":"tools/call"}]`), all, noName400},
		{"a batch with a URI", post(`[` + calls("resources/read", `{"uri":"a:b//c"}`) + `,` + call("a") + `]`), all, noURI},
		{"a batch with a URI and a message that is none", post(`[` + calls("resources/read", `{"uri":"a:b//c"}`) + `,{}]`), all, noVersion},
	})
}
