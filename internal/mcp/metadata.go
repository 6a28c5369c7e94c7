package mcp

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protowire"
)

// statusOK is what Envoy's filter writes where it read the request to its end.
const statusOK = "mcp_ok"

// methodOfResponse is what the filter writes for a response from the client.
const methodOfResponse = "__jsonrpc_response"

// readMetadata returns what Envoy's mcp filter says, where it is sure of it.
// Metadata that says the filter saw no MCP request, or not all of it, is absent:
// where the filter refuses nothing, its status is ok also for a second document, a
// duplicate key or a body that was cut, and passthrough_reason alone says so.
func readMetadata(wire []byte) claim {
	var status, method, isRequest, isTruncated, reason, id, params value
	ok := eachField(wire, func(name []byte, v value) {
		switch string(name) {
		case "status":
			status.set(v)
		case "method":
			method.set(v)
		case "is_mcp_request":
			isRequest.set(v)
		case "is_exceeding_limit":
			isTruncated.set(v)
		case "passthrough_reason":
			reason.set(v)
		case "id":
			id.set(v)
		case "params":
			params.set(v)
		}
	})
	switch {
	case !ok, status.text() != statusOK, !isRequest.isTrue(), reason.kind != absent,
		isTruncated.kind != absent && !isTruncated.isFalse():
		return claim{}
	}
	c := claim{present: true}
	if method.kind != text || !isName(method.text()) {
		c.fault = "the metadata has no method"
		return c
	}
	if method.text() == methodOfResponse {
		c.operation.Response = true
		// The filter writes this for every body with a result or an error, also beside a method, which servers run.
		c.unsure = ResponseOrCall
		return c
	}
	c.operation.Method, c.id = method.text(), id.asID()
	c.readName(params)
	return c
}

// asID is the id of a request as JSON, nil where the filter, which keeps a number
// as a double, may have changed it.
func (v value) asID() []byte {
	const exact = 1 << 53
	var id []byte
	switch {
	case v.kind == number && v.double == math.Trunc(v.double) && math.Abs(v.double) < exact:
		id = strconv.AppendInt(nil, int64(v.double), 10)
	case v.kind == text && len(v.bytes) <= maxID:
		id, _ = jsontext.AppendQuote(nil, v.bytes) // it is valid UTF-8
	}
	if len(id) > maxID {
		return nil
	}
	return id
}

// readName takes the name of an operation from the filter's params.
func (c *claim) readName(params value) {
	naming := namingOf(c.operation.Method)
	if naming == noName {
		c.named = true
		return
	}
	name, uri, ref := params.member("name"), params.member("uri"), params.member("ref")
	isURI := naming == byURI
	if naming == byRef {
		switch ref.member("type").text() {
		case refPrompt:
			name = ref.member("name")
		case refResource:
			uri, isURI = ref.member("uri"), true
		default:
			name = value{}
		}
	}
	if isURI {
		name = uri
	}
	if !isName(name.text()) {
		c.unsure = "the metadata has no name"
		return
	}
	c.operation.Name, c.named = name.text(), true
	if isURI {
		c.unsure = uriFault(c.operation.Name, naming == byRef)
	}
}

// The numbers of google.protobuf.Struct, Value and of the entries of a map.
const (
	structFields = 1
	entryKey     = 1
	entryValue   = 2
	valueNumber  = 2
	valueString  = 3
	valueBool    = 4
	valueStruct  = 5
)

// kind is which field of a Value is set.
type kind uint8

const (
	absent kind = iota
	other
	text
	number
	boolean
	object
)

// value is a google.protobuf.Value, its struct not yet read.
type value struct {
	kind   kind
	bytes  []byte
	double float64
	truth  bool
}

// set takes a value for a key. A key twice is none, since readers differ.
func (v *value) set(to value) {
	if v.kind != absent {
		to = value{kind: other}
	}
	*v = to
}

func (v value) text() string {
	if v.kind != text {
		return ""
	}
	return string(v.bytes)
}

func (v value) isTrue() bool  { return v.kind == boolean && v.truth }
func (v value) isFalse() bool { return v.kind == boolean && !v.truth }

// member is a field of a struct, absent where the value is none.
func (v value) member(name string) value {
	var found value
	if v.kind == object && !eachField(v.bytes, func(key []byte, to value) {
		if string(key) == name {
			found.set(to)
		}
	}) {
		return value{}
	}
	return found
}

// eachField calls each with the fields of a google.protobuf.Struct. It returns
// false for bytes that are none.
func eachField(wire []byte, each func(name []byte, v value)) bool {
	return eachBytes(wire, func(number protowire.Number, entry []byte) bool {
		if number != structFields {
			return true
		}
		var name []byte
		var v value
		ok := eachBytes(entry, func(number protowire.Number, part []byte) (ok bool) {
			switch number {
			case entryKey:
				name, ok = part, utf8.Valid(part)
			case entryValue:
				var read value
				read, ok = readValue(part)
				v.set(read)
			default:
				ok = true
			}
			return ok
		})
		if ok {
			each(name, v)
		}
		return ok
	})
}

// eachBytes calls each with the fields of a message that are of the wire type of
// bytes, and passes over others.
func eachBytes(wire []byte, each func(number protowire.Number, part []byte) bool) bool {
	for len(wire) > 0 {
		number, wireType, size := protowire.ConsumeTag(wire)
		if size < 0 {
			return false
		}
		wire = wire[size:]
		if wireType != protowire.BytesType {
			if size = protowire.ConsumeFieldValue(number, wireType, wire); size < 0 {
				return false
			}
			wire = wire[size:]
			continue
		}
		part, size := protowire.ConsumeBytes(wire)
		if size < 0 || !each(number, part) {
			return false
		}
		wire = wire[size:]
	}
	return true
}

// readValue reads a google.protobuf.Value. Of a oneof whose fields occur several
// times it makes none.
func readValue(wire []byte) (value, bool) {
	v := value{}
	for len(wire) > 0 {
		field, wireType, size := protowire.ConsumeTag(wire)
		if size < 0 {
			return v, false
		}
		wire = wire[size:]
		if size = protowire.ConsumeFieldValue(field, wireType, wire); size < 0 {
			return v, false
		}
		read := value{kind: other}
		switch {
		case field == valueString && wireType == protowire.BytesType:
			read.kind = text
			read.bytes, _ = protowire.ConsumeBytes(wire)
			if !utf8.Valid(read.bytes) {
				return v, false
			}
		case field == valueStruct && wireType == protowire.BytesType:
			read.kind = object
			read.bytes, _ = protowire.ConsumeBytes(wire)
		case field == valueNumber && wireType == protowire.Fixed64Type:
			bits, _ := protowire.ConsumeFixed64(wire)
			read.kind, read.double = number, math.Float64frombits(bits)
		case field == valueBool && wireType == protowire.VarintType:
			truth, _ := protowire.ConsumeVarint(wire)
			read.kind, read.truth = boolean, protowire.DecodeBool(truth)
		}
		v.set(read)
		wire = wire[size:]
	}
	return v, true
}
