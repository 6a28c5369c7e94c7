// Package mcp reads which operation of the Model Context Protocol a request
// asks for, such as a call of one tool, from every source that a request has:
// its body, the headers Mcp-Method and Mcp-Name, and the metadata of Envoy's
// mcp filter. [Read] believes a source only under the conditions of [Trust], and
// only where all sources agree, so that what is checked is what the server runs.
//
// The package is for untrusted input: its errors repeat nothing of a request.
package mcp

import (
	"net/http"
	"strings"
)

// Operation is what one JSON-RPC message asks for.
type Operation struct {
	Method   string // "" for a response
	Name     string // tool, prompt, resource URI, or the completion's reference; "" where the method has none
	Response bool   // a result or an error from the client
}

// IsExempt reports whether the method needs no scopes of its own: it opens a
// connection, keeps it, or notifies. Whether the message has an id is not
// looked at.
func (o Operation) IsExempt() bool {
	switch o.Method {
	case "initialize", "ping", "server/discover":
		return true
	}
	return strings.HasPrefix(o.Method, "notifications/")
}

// Source is where an operation was read.
type Source uint8

// The sources. The zero value is for a request without any.
const (
	None Source = iota
	Headers
	Body
	FilterMetadata
)

// String returns the word of a source in Rego, in metadata and in logs.
func (s Source) String() string {
	switch s {
	case None:
	case Headers:
		return "headers"
	case Body:
		return "body"
	case FilterMetadata:
		return "filter_metadata"
	}
	return "none"
}

// Request is what [Read] needs of a request.
type Request struct {
	Method   string                     // of HTTP
	Headers  func(name string) []string // every value of a header by its lower-case name, in order
	Body     []byte                     // nil: Envoy sent none
	Metadata []byte                     // the google.protobuf.Struct under envoy.filters.http.mcp, encoded; nil: none
}

// Trust is which sources suffice without a body. The zero value trusts bodies
// alone, and no batch.
type Trust struct {
	Headers        bool // the server compares the headers with the body
	FilterMetadata bool // Envoy's filter reads the body to its end and refuses duplicate keys
	Batch          bool // a body may be an array of messages
}

// Fault is why a request has no operation that can be relied upon.
type Fault uint8

// The faults. Malformed is one of the body, Unknown one of every source.
const (
	NoFault Fault = iota
	Malformed
	Unknown
)

// Reading is what the sources of a request say together.
type Reading struct {
	Operations      []Operation // several of a batch and of subscriptions; none of a GET and such, or with a Fault
	Source          Source      // the one that was relied upon or, with a Fault, the best one that the request has
	Trusted         bool
	ProtocolVersion string // the only MCP-Protocol-Version header, where it is at most 32 visible ASCII bytes
	ID              []byte // as JSON: of a string or a number of at most 64 bytes; nil of a batch and of headers
	Fault           Fault
	Detail          string // which rule the request broke, for a log; "" without a Fault
}

// Details that an operator should act on in a way of their own.
const (
	SourcesDisagree = "the sources of the operation disagree"
	ResponseOrCall  = "the metadata does not tell a response from a call"
)

// Bounds of what is read.
const (
	MaxBody  = 1 << 20 // bytes
	MaxDepth = 64      // nested objects and arrays, the outermost included
	MaxBatch = 100     // messages
	MaxName  = 8 << 10 // bytes of a name or a method, decoded
	maxID    = 64

	// maxNumber is of the bytes of a number with what is before it. Python reads no
	// integer of more than 4,300 digits.
	maxNumber = 1000
)

// partialBody is the header with which Envoy says that it sends a body, and
// whether only the beginning of it.
const partialBody = "x-envoy-auth-partial-body"

// Read returns the operation of a request. A body is believed before metadata,
// and metadata before headers; whichever of them says something must agree.
// Every result with a Fault has no operations.
func Read(r Request, t Trust) Reading {
	reading := Reading{ProtocolVersion: protocolVersion(r.Headers(versionHeader))}
	switch r.Method {
	case http.MethodPost:
	case http.MethodGet, http.MethodHead, http.MethodDelete:
		return reading
	default:
		return reading.fail(Unknown, "the HTTP method has no operation")
	}
	beside := others{readMetadata(r.Metadata), readHeaders(r.Headers)}
	if r.Body != nil || len(r.Headers(partialBody)) > 0 {
		return reading.fromBody(r, t, beside)
	}
	switch {
	case beside.metadata.present && (t.FilterMetadata || !beside.headers.present):
		reading.Source, reading.Trusted = FilterMetadata, t.FilterMetadata
		if detail := metadataHeaders(r.Headers); detail != "" {
			return reading.fail(Unknown, detail)
		}
		return reading.from(beside.metadata, beside)
	case beside.headers.present:
		reading.Source, reading.Trusted = Headers, t.Headers
		return reading.from(beside.headers, beside)
	}
	return reading.fail(Unknown, "no source of the operation")
}

func (r Reading) fail(f Fault, detail string) Reading {
	r.Fault, r.Detail = f, detail
	r.Operations, r.ID, r.Trusted = nil, nil, false
	return r
}

// fromBody reads the body and compares it with what the other sources say.
func (r Reading) fromBody(request Request, t Trust, beside others) Reading {
	r.Source, r.Trusted = Body, true
	detail := bodyHeaders(request.Headers)
	if detail != "" {
		return r.fail(Malformed, detail)
	}
	read, fault, detail := readBody(request.Body, t.Batch)
	if fault != NoFault {
		return r.fail(fault, detail)
	}
	for _, operation := range read.operations {
		if detail := beside.compare(operation, len(read.operations)); detail != "" {
			return r.fail(Unknown, detail)
		}
	}
	r.Operations, r.ID = append(read.operations, read.subscriptions...), read.id
	return r
}

// from relies on metadata or headers.
func (r Reading) from(c claim, beside others) Reading {
	switch {
	case !r.Trusted && r.Source == Headers:
		return r.fail(Unknown, "headers alone are not trusted here")
	case !r.Trusted:
		return r.fail(Unknown, "filter metadata alone is not trusted here")
	case c.unsure != "":
		return r.fail(Unknown, c.unsure)
	}
	if detail := beside.compare(c.operation, 1); detail != "" {
		return r.fail(Unknown, detail)
	}
	r.Operations, r.ID = []Operation{c.operation}, c.id
	return r
}

// claim is what metadata or headers say.
type claim struct {
	present   bool
	operation Operation
	id        []byte // as JSON; nil where the source has none
	named     bool   // Name is there; false: the source is silent about it
	unsure    string // why the claim is good for a comparison alone
	fault     string // why it contradicts itself, and so any other source
}

// others are the sources beside the body.
type others struct{ metadata, headers claim }

// compare returns the rule that an operation breaks: another source contradicts
// itself, or says something else. A message of a batch agrees with no other
// source, since none of them can say a batch.
func (o others) compare(operation Operation, messages int) string {
	for _, c := range []claim{o.metadata, o.headers} {
		switch {
		case !c.present:
		case c.fault != "":
			return c.fault
		case messages > 1, c.operation.Method != operation.Method, c.operation.Response != operation.Response,
			c.named && c.operation.Name != operation.Name:
			return SourcesDisagree
		}
	}
	return ""
}

// protocolVersion is the version to show. What may be relied upon is the closed
// list of [readHeaders].
func protocolVersion(values []string) string {
	if len(values) != 1 || len(values[0]) > 32 {
		return ""
	}
	for i := range len(values[0]) {
		if c := values[0][i]; c <= ' ' || c > '~' || c == ',' {
			return "" // a comma joins several headers
		}
	}
	return values[0]
}
