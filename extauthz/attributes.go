package extauthz

import (
	"cmp"
	"maps"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"
)

// attributes are the parts of a CheckRequest that a verdict can depend on, as
// the protobuf has them. Two decoders fill them in and must never differ: the
// generated one, through [describe], and [scan].
type attributes struct {
	hasHTTP                        bool
	id, method, scheme, host, path string
	rawPath                        string   // the bytes of `header_map`'s first :path
	mapped                         []header // `headers`, in no order, as they were spelled; each name once after settle
	listed                         headers  // `header_map`

	body string // raw_body or, without one, body; "" where Envoy sent none

	resource    string // context_extensions["resource"]
	hasResource bool

	mcp []byte // the Struct of Envoy's mcp filter, encoded; empty without one

	peer                   peer
	principal, certificate string
}

// peer is where the request came from: a pipe's path, or an address and port.
type peer struct {
	pipe, socket  bool
	path, address string
	port          uint32
}

// mcpNamespace is where Envoy's mcp filter puts its dynamic metadata.
const mcpNamespace = "envoy.filters.http.mcp"

// describe reads a decoded CheckRequest. All of Envoy's optional messages may
// be nil.
func describe(check *authv3.CheckRequest) *attributes {
	from := check.GetAttributes()
	http := from.GetRequest().GetHttp()
	a := &attributes{
		hasHTTP:     http != nil,
		id:          http.GetId(),
		method:      http.GetMethod(),
		scheme:      http.GetScheme(),
		host:        http.GetHost(),
		path:        http.GetPath(),
		peer:        describePeer(from.GetSource().GetAddress()),
		principal:   from.GetSource().GetPrincipal(),
		certificate: from.GetSource().GetCertificate(),
		body:        cmp.Or(string(http.GetRawBody()), http.GetBody()),
	}
	if metadata := from.GetMetadataContext().GetFilterMetadata()[mcpNamespace]; metadata != nil {
		a.mcp, _ = proto.Marshal(metadata) // no error: it was decoded, or fails as an empty Struct does
	}
	a.resource, a.hasResource = from.GetContextExtensions()["resource"]
	for _, name := range slices.Sorted(maps.Keys(http.GetHeaders())) {
		if name != "" { // every header has a name
			a.mapped = append(a.mapped, header{name, http.GetHeaders()[name]})
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
func (a *attributes) list(name, value, raw string) {
	if raw != "" {
		value = replaceInvalidUTF8(raw)
		if name == ":path" && a.rawPath == "" {
			a.rawPath = raw
		}
	}
	a.listed = append(a.listed, header{lowerCase(name), value})
}

func describePeer(address *corev3.Address) peer {
	if pipe := address.GetPipe(); pipe != nil {
		return peer{pipe: true, path: pipe.GetPath()}
	}
	socket := address.GetSocketAddress()
	return peer{socket: socket != nil, address: socket.GetAddress(), port: socket.GetPortValue()}
}
