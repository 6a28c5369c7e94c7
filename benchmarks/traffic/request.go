// Package traffic sends Checks as Envoy does, at a rate or as fast as they are
// answered, to any ext_authz service, and summarises answers and latencies.
package traffic

import (
	"fmt"
	"strconv"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Host and Path are those of every request.
const (
	Host = "mcp.example.com"
	Path = "/mcp"
)

// ClientHeaders returns the headers of an MCP client, in the order in which Envoy
// sends them, with the token unless it is "".
func ClientHeaders(token string) [][2]string {
	headers := [][2]string{
		{"user-agent", "node"},
		{"content-length", "183"},
		{"accept", "application/json, text/event-stream"},
		{"accept-encoding", "gzip, deflate"},
		{"accept-language", "*"},
	}
	if token != "" {
		headers = append(headers, [2]string{"authorization", "Bearer " + token})
	}
	return append(
		headers,
		[2]string{"content-type", "application/json"},
		[2]string{"mcp-protocol-version", "2025-11-25"},
		[2]string{"mcp-session-id", "5f0c2a52-7d0b-4a5e-9f6a-0c3c7a8f1f11"},
		[2]string{"sec-fetch-mode", "cors"},
	)
}

// Form is the form of the headers in a Check.
type Form int

// The forms: a list of raw bytes, as envoy/envoy.yaml sets it (encode_raw_headers),
// or a map of strings, which is Envoy's default.
const (
	Raw Form = iota
	Mapped
)

// Request returns the Check for the n-th request of an MCP client, with a token
// unless it is "". Envoy's ids, the time and the client's port differ from request to
// request, as they do with Envoy.
func Request(token string, form Form, n int) *authv3.CheckRequest {
	headers := [][2]string{{":authority", Host}, {":path", Path}, {":method", "POST"}, {":scheme", "http"}}
	headers = append(headers, ClientHeaders(token)...)
	headers = append(
		headers,
		[2]string{"x-forwarded-for", "10.0.0.7"},
		[2]string{"x-forwarded-proto", "http"},
		[2]string{"x-envoy-external-address", "10.0.0.7"},
		[2]string{"x-request-id", fmt.Sprintf("7ca60a5c-0f2a-4c4c-8bf4-%012x", n)},
	)
	http := &authv3.AttributeContext_HttpRequest{
		Id:     strconv.Itoa(1_691_726_473_245_361_772 + n),
		Method: "POST", Path: Path, Host: Host, Scheme: "http", Protocol: "HTTP/1.1",
	}
	form.put(headers, http)
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source:      peer("10.0.0.7", 32768+n%16384),
		Destination: peer("10.0.0.1", 10000),
		Request: &authv3.AttributeContext_Request{
			Time: timestamppb.New(time.Unix(1_795_618_359, 0).Add(time.Duration(n) * 123 * time.Microsecond)),
			Http: http,
		},
		MetadataContext:      &corev3.Metadata{},
		RouteMetadataContext: &corev3.Metadata{},
	}}
}

func (form Form) put(headers [][2]string, http *authv3.AttributeContext_HttpRequest) {
	if form == Mapped {
		http.Headers = map[string]string{}
		for _, header := range headers {
			http.Headers[header[0]] = header[1]
		}
		return
	}
	http.HeaderMap = &corev3.HeaderMap{}
	for _, header := range headers {
		value := &corev3.HeaderValue{Key: header[0], RawValue: []byte(header[1])}
		http.HeaderMap.Headers = append(http.HeaderMap.Headers, value)
	}
}

func peer(address string, port int) *authv3.AttributeContext_Peer {
	return &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{
			Address:       address,
			PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)}, //nolint:gosec // below 65536
		},
	}}}
}

// Encode returns [Request] as bytes. Encoding before a measurement keeps the sender
// cheap, which runs on the same cores as the service.
func Encode(token string, form Form, n int) []byte {
	encoded, err := proto.Marshal(Request(token, form, n))
	if err != nil {
		panic("traffic: " + err.Error()) // every Request can be encoded
	}
	return encoded
}
