package extauthz

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
)

// request is what a Check asks about, in our own words. Nothing after read
// looks at the protobuf.
type request struct {
	id        string // the client's x-request-id, else Envoy's stream id
	method    string
	scheme    string
	authority string
	path      string // the bytes before the first '?'
	query     query
	tokens    []string // the spellings of access_token in query
	headers   headers

	resource    string // context_extensions["resource"], where the mesh sets it
	hasResource bool

	sourceAddress     string // IP address of the direct peer, without port
	sourcePrincipal   string // its certificate's identity, as Envoy verified it
	sourceCertificate string // its certificate, URL-encoded PEM, where Envoy sends it
	attempt           string // the same for Envoy's second try at one Check, "" if unknown
}

// headers maps a lower-case name to its values, one per occurrence.
type headers map[string][]string

// joined is the header as one value. Envoy joins what a client repeats with a
// comma in `headers` and keeps it apart in `header_map`; joining both makes
// the two forms one.
func (h headers) joined(name string) string { return strings.Join(h[name], ",") }

// read takes a CheckRequest apart. It is false where there is no HTTP request
// in it. All of Envoy's optional messages may be nil.
func read(check *authv3.CheckRequest) (*request, bool) {
	attributes := check.GetAttributes()
	http := attributes.GetRequest().GetHttp()
	if http == nil {
		return nil, false
	}
	path, rawQuery, _ := strings.Cut(readPath(http), "?")
	named, hasNamed := attributes.GetContextExtensions()["resource"]
	in := &request{
		method:      http.GetMethod(),
		scheme:      http.GetScheme(),
		authority:   http.GetHost(),
		path:        path,
		query:       splitQuery(rawQuery),
		headers:     readHeaders(http),
		resource:    named,
		hasResource: hasNamed,

		sourceAddress:     readAddress(attributes.GetSource().GetAddress()),
		sourcePrincipal:   attributes.GetSource().GetPrincipal(),
		sourceCertificate: attributes.GetSource().GetCertificate(),
		attempt:           readAttempt(http.GetId(), attributes.GetSource().GetAddress()),
	}
	in.tokens = in.query.tokens()
	in.id = joinKey(in.headers.joined("x-request-id"), http.GetId())
	return in, true
}

// readPath prefers the raw bytes: where Envoy does not normalise, the other
// form shows a byte that is no UTF-8 as '!', which is a path of its own.
func readPath(http *authv3.AttributeContext_HttpRequest) string {
	for _, header := range http.GetHeaderMap().GetHeaders() {
		if header.GetKey() == ":path" && len(header.GetRawValue()) > 0 {
			return string(header.GetRawValue())
		}
	}
	return http.GetPath()
}

// readHeaders reads both forms in which Envoy sends headers: the map, and the
// list that encode_raw_headers asks for. Where both are filled, both count.
func readHeaders(http *authv3.AttributeContext_HttpRequest) headers {
	byName := http.GetHeaders()
	list := http.GetHeaderMap().GetHeaders()
	read := make(headers, len(byName)+len(list))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		read.add(name, byName[name])
	}
	for _, header := range list {
		read.add(header.GetKey(), headerValue(header))
	}
	return read
}

func (h headers) add(name, value string) {
	name = strings.ToLower(name)
	h[name] = append(h[name], value)
}

// headerValue prefers the raw bytes. Bytes that are no UTF-8 become '!', one
// for one, as Envoy writes them in the other form.
func headerValue(header *corev3.HeaderValue) string {
	raw := header.GetRawValue()
	if len(raw) == 0 {
		return header.GetValue()
	}
	return replaceInvalidUTF8(raw)
}

func readAddress(address *corev3.Address) string {
	if pipe := address.GetPipe(); pipe != nil {
		return pipe.GetPath()
	}
	return address.GetSocketAddress().GetAddress()
}

// readAttempt names a request by Envoy's own number for its stream and by the
// peer it came from: neither is the client's to choose.
func readAttempt(streamID string, peer *corev3.Address) string {
	socket := peer.GetSocketAddress()
	if streamID == "" || socket.GetAddress() == "" {
		return ""
	}
	return fmt.Sprintf("%s %s %d", streamID, socket.GetAddress(), socket.GetPortValue())
}

// joinKey is what joins our log line to Envoy's. The first form comes from the
// client, so only a short value of visible ASCII is taken.
func joinKey(requestID, streamID string) string {
	const longest = 128
	visible := func(r rune) bool { return r > 0x20 && r < 0x7f }
	if requestID == "" || len(requestID) > longest || strings.ContainsFunc(requestID, func(r rune) bool { return !visible(r) }) {
		return streamID
	}
	return requestID
}
