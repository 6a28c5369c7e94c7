// Package httpauth protects a Go MCP server without an Envoy in front: a
// net/http middleware that asks the same [extauthz.Server] that answers Envoy.
//
//	checks, err := extauthz.New(extauthz.Options{Log: log})
//	...
//	err = checks.Swap(state)
//	...
//	server := &http.Server{Addr: ":8080", Handler: httpauth.Handler(checks, mcpHandler)}
//
// A request gets the verdict that Envoy would get for it: a refusal with its
// status, challenge and body; the metadata document (RFC 9728) of a resource;
// or, where it is allowed, the wrapped handler, which finds the verified
// identity in x-mcp-auth-* headers and no token. TLS, timeouts and limits on
// sizes stay with the http.Server.
//
// Where the resource or a rule needs the operation of a POST, up to 1 MiB of its body
// is read before the verdict, and the wrapped handler reads the body from its
// beginning. A longer body is refused.
package httpauth

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/doorward/doorward/extauthz"
)

// Handler answers for next every request that server refuses, and passes the
// others on. next must serve every path: which of them are protected resources
// is server's to know.
func Handler(server *extauthz.Server, next http.Handler) http.Handler {
	var requests atomic.Uint64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strconv.FormatUint(requests.Add(1), 10)
		check := describe(r, id)
		path := check.GetAttributes().GetRequest().GetHttp().GetPath()
		if r.Method == http.MethodPost && server.ReadsOperation(r.Host, path) {
			describeBody(r, check)
		}
		answer := server.Check(r.Context(), check)
		allowed := answer.GetOkResponse()
		if allowed == nil || answer.GetStatus().GetCode() != 0 {
			refuse(w, answer.GetDeniedResponse())
			return
		}
		next.ServeHTTP(respond(w, allowed), forward(r, allowed))
	})
}

// respond returns a writer that adds the headers which the answer has for the
// response, when the handler begins to write it.
func respond(w http.ResponseWriter, allowed *authv3.OkHttpResponse) http.ResponseWriter {
	if len(allowed.GetResponseHeadersToAdd()) == 0 {
		return w
	}
	return &response{ResponseWriter: w, added: allowed.GetResponseHeadersToAdd()}
}

// response is an http.ResponseWriter whose header is completed once.
type response struct {
	http.ResponseWriter
	added []*corev3.HeaderValueOption
}

func (r *response) complete() {
	for _, option := range r.added {
		name, value := option.GetHeader().GetKey(), option.GetHeader().GetValue()
		if option.GetAppendAction() == corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			r.Header().Set(name, value)
		} else {
			r.Header().Add(name, value)
		}
	}
	r.added = nil
}

// WriteHeader implements http.ResponseWriter.
func (r *response) WriteHeader(status int) {
	if status >= http.StatusOK { // one that ends the response; it may be called for others before
		r.complete()
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *response) Write(body []byte) (int, error) {
	r.complete()
	return r.ResponseWriter.Write(body)
}

// Flush implements http.Flusher: events of an MCP server are written one by one.
func (r *response) Flush() {
	r.complete()
	_ = http.NewResponseController(r.ResponseWriter).Flush() // a writer that cannot flush sends when it can
}

// Unwrap is for http.ResponseController.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// describe is the request as Envoy would describe it. The id distinguishes the
// requests of one connection.
func describe(r *http.Request, id string) *authv3.CheckRequest {
	path, scheme := r.RequestURI, "http"
	if !strings.HasPrefix(path, "/") {
		path = r.URL.RequestURI()
	}
	if r.TLS != nil {
		scheme = "https"
	}
	headers := []*corev3.HeaderValue{
		{Key: ":method", RawValue: []byte(r.Method)},
		{Key: ":authority", RawValue: []byte(r.Host)},
		{Key: ":path", RawValue: []byte(path)},
		{Key: ":scheme", RawValue: []byte(scheme)},
	}
	for name, values := range r.Header {
		if strings.EqualFold(name, partialBody) {
			continue // it is for describeBody to say
		}
		for _, value := range values {
			headers = append(headers, &corev3.HeaderValue{Key: strings.ToLower(name), RawValue: []byte(value)})
		}
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: describePeer(r),
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Id: id, Method: r.Method, Scheme: scheme, Host: r.Host, Path: path,
			HeaderMap: &corev3.HeaderMap{Headers: headers},
		}},
	}}
}

// describePeer is the connection's other end, with the certificate that it
// showed in TLS (RFC 8705).
func describePeer(r *http.Request) *authv3.AttributeContext_Peer {
	peer := new(authv3.AttributeContext_Peer)
	host, port, err := net.SplitHostPort(r.RemoteAddr)
	number, invalid := strconv.ParseUint(port, 10, 16)
	if err == nil && invalid == nil {
		peer.Address = &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(number)},
		}}}
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return peer
	}
	certificate := r.TLS.PeerCertificates[0]
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
	peer.Certificate = strings.ReplaceAll(url.QueryEscape(string(encoded)), "+", "%20")
	if len(r.TLS.VerifiedChains) > 0 && len(certificate.URIs) > 0 {
		peer.Principal = certificate.URIs[0].String()
	}
	return peer
}

// refuse writes a denial. An answer without one is a failure of ours.
func refuse(w http.ResponseWriter, denied *authv3.DeniedHttpResponse) {
	status := int(denied.GetStatus().GetCode())
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	for _, option := range denied.GetHeaders() {
		w.Header().Add(option.GetHeader().GetKey(), option.GetHeader().GetValue())
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(denied.GetBody())) //nolint:gosec // JSON of ours; the client may be gone
}

// forward is the request for the wrapped handler: what the answer removes is
// gone, what it sets is set. Trailers are dropped, since they arrive after the
// verdict.
func forward(r *http.Request, allowed *authv3.OkHttpResponse) *http.Request {
	request := r.Clone(r.Context())
	request.Trailer = nil
	for _, name := range allowed.GetHeadersToRemove() {
		remove(request.Header, name)
	}
	for _, option := range allowed.GetHeaders() {
		name, value := option.GetHeader().GetKey(), option.GetHeader().GetValue()
		remove(request.Header, name)
		request.Header.Set(name, value)
	}
	if names := allowed.GetQueryParametersToRemove(); len(names) > 0 {
		request.URL.RawQuery = withoutParameters(request.URL.RawQuery, names)
		request.RequestURI = request.URL.RequestURI()
	}
	return request
}

// remove deletes a header whatever its case: net/http keeps names that it does
// not take for canonical as they came.
func remove(header http.Header, name string) {
	for spelling := range header {
		if strings.EqualFold(spelling, name) {
			delete(header, spelling)
		}
	}
}

// withoutParameters removes parameters by the very spelling of their names.
func withoutParameters(query string, names []string) string {
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if !slices.Contains(names, name) {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&")
}
