// Package explain runs one request through the steps of a Check, and reports
// what each of them found and what the client would receive:
//
//	request, err := explain.NewRequest("GET", "https://mcp.example.com/mcp", nil)
//	...
//	request.SetToken(token)
//	report, err := explain.Run(ctx, revision, request, time.Now)
//	...
//	err = report.WriteText(os.Stdout)
//
// It opens no port, logs nothing and stores no keys.
package explain

import (
	"errors"
	"net/netip"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/mcp"
)

// Request is the request to explain, as a client would send it.
type Request struct {
	method, scheme, host string
	path                 string   // with the query
	names                []string // of the headers, as they were written
	headers              map[string]string
	token                string           // "" for none
	source               string           // IP address that the request comes from; "" for none
	keySet               []byte           // that verifies unsigned claims; nil where token is a real one
	sign                 func(typ string) // makes token of unsigned claims; nil as keySet
	operation            mcp.Operation    // what body asks for
	body                 []byte           // nil for none
}

// NewRequest reads method, URL and headers. Its errors name the flag that is
// wrong.
func NewRequest(method, url string, headers []string) (*Request, error) {
	q := &Request{method: method, headers: map[string]string{}}
	scheme, rest, absolute := strings.Cut(url, "://")
	q.scheme = strings.ToLower(scheme)
	if !absolute || q.scheme != "https" && q.scheme != "http" {
		return nil, errors.New("--url is no absolute URL: write https://host/path, as the client would")
	}
	// Not net/url, which refuses or corrects paths that the rules for paths must see.
	rest, _, _ = strings.Cut(rest, "#") // no client sends the fragment
	q.host, q.path = rest, "/"
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		q.host, q.path = rest[:end], rest[end:]
	}
	if q.path[0] == '?' {
		q.path = "/" + q.path
	}
	if q.host == "" || strings.Contains(q.host, "@") {
		return nil, errors.New("--url has no host, or user information before it: write https://host/path")
	}
	for _, header := range headers {
		if err := q.add(header); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// add adds one header. Envoy joins repeated ones with a comma.
func (q *Request) add(header string) error {
	name, value, found := strings.Cut(header, ":")
	name, value = strings.ToLower(name), strings.TrimSpace(value)
	switch {
	case !found || name == "" || strings.ContainsAny(name, " \t\r\n"):
		return errors.New("--header is no header: write 'Name: value'")
	case name == "authorization":
		return errors.New("--header Authorization would leave the token in the history of the shell: " +
			"use --token-file, - for standard input")
	case name == "host":
		return errors.New("--header Host: write the host into --url")
	}
	if before, repeated := q.headers[name]; repeated {
		value = before + "," + value
	} else {
		q.names = append(q.names, name)
	}
	q.headers[name] = value
	return nil
}

// SetSource sets the IP address that the request comes from, without a port;
// "" leaves it unknown.
func (q *Request) SetSource(address string) error {
	if address == "" {
		return nil
	}
	parsed, err := netip.ParseAddr(address)
	if err != nil || parsed.Zone() != "" {
		return errors.New("--source-address is no IP address: write 203.0.113.7, or 2001:db8::7")
	}
	q.source = address
	return nil
}

// showClient sets the header in which Envoy names the client, where the
// configuration trusts it and --header does not set it.
func (q *Request) showClient() {
	const header = "x-envoy-external-address"
	if _, present := q.headers[header]; q.source != "" && !present {
		q.headers[header] = q.source
	}
}

// SetToken adds a token under the scheme that a client would use: a request with
// a DPoP proof has a DPoP token (RFC 9449, section 7.1).
func (q *Request) SetToken(compact string) {
	scheme := token.SchemeBearer
	if _, proof := q.headers["dpop"]; proof {
		scheme = token.SchemeDPoP
	}
	q.token = compact
	q.headers["authorization"] = scheme + " " + compact
}

// check is the request as Envoy would send it.
func (q *Request) check() *authv3.CheckRequest {
	headers := map[string]string{":method": q.method, ":scheme": q.scheme, ":authority": q.host, ":path": q.path}
	for name, value := range q.headers {
		headers[name] = value
	}
	http := &authv3.AttributeContext_HttpRequest{
		Id: "explain", Method: q.method, Scheme: q.scheme, Host: q.host, Path: q.path, Headers: headers,
		RawBody: q.body,
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: q.peer(), Request: &authv3.AttributeContext_Request{Http: http},
	}}
}

// peer is nil without an address.
func (q *Request) peer() *authv3.AttributeContext_Peer {
	if q.source == "" {
		return nil
	}
	return &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{Address: q.source},
	}}}
}
