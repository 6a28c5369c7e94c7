package traffic

import (
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// Source is where Envoy shows the operation of a request, a call of the tool
// "search". The zero Source is a request that does not show it.
type Source string

// The sources: the metadata of Envoy's mcp filter, the headers of 2026-07-28, and a
// body of 1 KiB.
const (
	FilterMetadata Source = "metadata"
	Headers        Source = "headers"
	Body           Source = "body"
)

// Sources are all of them.
func Sources() []Source { return []Source{FilterMetadata, Headers, Body} }

// Show adds the operation to a request with raw headers.
func (s Source) Show(check *authv3.CheckRequest) {
	http := check.GetAttributes().GetRequest().GetHttp()
	switch s {
	case FilterMetadata:
		check.Attributes.MetadataContext = &corev3.Metadata{
			FilterMetadata: map[string]*structpb.Struct{"envoy.filters.http.mcp": filterMetadata()},
		}
	case Headers: // of a revision with headers, and without a session
		http.HeaderMap.Headers = slices.DeleteFunc(http.GetHeaderMap().GetHeaders(), func(h *corev3.HeaderValue) bool {
			return strings.HasPrefix(h.GetKey(), "mcp-")
		})
		addHeader(http, "mcp-protocol-version", "2026-07-28")
		addHeader(http, "mcp-method", "tools/call")
		addHeader(http, "mcp-name", "search")
	case Body:
		const begin = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"query":"`
		http.RawBody = []byte(begin + strings.Repeat("a", 1024-len(begin)-4) + `"}}}`)
		addHeader(http, "x-envoy-auth-partial-body", "false")
	}
}

// Encode returns the n-th request, with raw headers, as bytes.
func (s Source) Encode(token string, n int) []byte {
	check := Request(token, Raw, n)
	s.Show(check)
	encoded, err := proto.Marshal(check)
	if err != nil {
		panic("traffic: " + err.Error()) // every request can be encoded
	}
	return encoded
}

func filterMetadata() *structpb.Struct {
	text := structpb.NewStringValue
	params := &structpb.Struct{Fields: map[string]*structpb.Value{"name": text("search")}}
	return &structpb.Struct{Fields: map[string]*structpb.Value{
		"status": text("mcp_ok"), "jsonrpc": text("2.0"), "method": text("tools/call"),
		"is_mcp_request": structpb.NewBoolValue(true), "id": structpb.NewNumberValue(1),
		"params": structpb.NewStructValue(params),
	}}
}

func addHeader(http *authv3.AttributeContext_HttpRequest, name, value string) {
	http.HeaderMap.Headers = append(http.HeaderMap.Headers, &corev3.HeaderValue{Key: name, RawValue: []byte(value)})
}
