// Package checkwire reads the bytes of an ext_authz CheckRequest and writes those of a
// CheckResponse:
//
//	attributes, ok := checkwire.Scan(wire)
//	...
//	m := checkwire.Message{Wire: make([]byte, 0, 1024)}
//	m.Allow(&checkwire.Allow{Remove: []string{"authorization"}})
//	return m.Wire // unless m.Broken
package checkwire

import (
	"cmp"
	"maps"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"
)

// Attributes are the parts of a CheckRequest that a verdict can depend on, as
// the protobuf has them. Two decoders fill them in and must never differ: the
// generated one, through [Describe], and [Scan].
type Attributes struct {
	HasHTTP                        bool
	ID, Method, Scheme, Host, Path string
	RawPath                        string   // the bytes of `header_map`'s first :path
	mapped                         []Header // `headers`, in no order, as they were spelled; each name once after settle
	listed                         Headers  // `header_map`

	Body string // raw_body or, without one, body; "" where Envoy sent none

	Resource, Destination       string // context_extensions["resource"] and ["destination"]
	HasResource, HasDestination bool

	MCP []byte // the Struct of Envoy's mcp filter, encoded; empty without one

	Peer                   Peer
	Principal, Certificate string
}

// Peer is where the request came from: a pipe's path, or an address and port.
type Peer struct {
	Pipe, Socket  bool
	Path, Address string
	Port          uint32
}

// mcpNamespace is where Envoy's mcp filter puts its dynamic metadata.
const mcpNamespace = "envoy.filters.http.mcp"

// Describe reads a decoded CheckRequest. All of Envoy's optional messages may
// be nil.
func Describe(check *authv3.CheckRequest) *Attributes {
	from := check.GetAttributes()
	http := from.GetRequest().GetHttp()
	a := &Attributes{
		HasHTTP:     http != nil,
		ID:          http.GetId(),
		Method:      http.GetMethod(),
		Scheme:      http.GetScheme(),
		Host:        http.GetHost(),
		Path:        http.GetPath(),
		Peer:        describePeer(from.GetSource().GetAddress()),
		Principal:   from.GetSource().GetPrincipal(),
		Certificate: from.GetSource().GetCertificate(),
		Body:        cmp.Or(string(http.GetRawBody()), http.GetBody()),
	}
	if metadata := from.GetMetadataContext().GetFilterMetadata()[mcpNamespace]; metadata != nil {
		a.MCP, _ = proto.Marshal(metadata) // no error: it was decoded, or fails as an empty Struct does
	}
	a.Resource, a.HasResource = from.GetContextExtensions()["resource"]
	a.Destination, a.HasDestination = from.GetContextExtensions()["destination"]
	for _, name := range slices.Sorted(maps.Keys(http.GetHeaders())) {
		if name != "" { // every header has a name
			a.mapped = append(a.mapped, Header{name, http.GetHeaders()[name]})
		}
	}
	for _, h := range http.GetHeaderMap().GetHeaders() {
		if h.GetKey() != "" {
			a.list(h.GetKey(), h.GetValue(), string(h.GetRawValue()))
		}
	}
	return a
}

// list adds an element of `header_map`. Its bytes count before its value; those
// that are no UTF-8 become '!', one for one, as Envoy writes them in the other
// form.
func (a *Attributes) list(name, value, raw string) {
	if raw != "" {
		value = ReplaceInvalidUTF8(raw)
		if name == ":path" && a.RawPath == "" {
			a.RawPath = raw
		}
	}
	a.listed = append(a.listed, Header{lowerCase(name), value})
}

func describePeer(address *corev3.Address) Peer {
	if pipe := address.GetPipe(); pipe != nil {
		return Peer{Pipe: true, Path: pipe.GetPath()}
	}
	socket := address.GetSocketAddress()
	return Peer{Socket: socket != nil, Address: socket.GetAddress(), Port: socket.GetPortValue()}
}

// FullPath is the path with the query. It prefers the raw bytes: where Envoy does not
// normalise, the other form shows a byte that is no UTF-8 as '!', which is a path of its own.
func (a *Attributes) FullPath() string {
	if a.RawPath != "" {
		return a.RawPath
	}
	return a.Path
}
