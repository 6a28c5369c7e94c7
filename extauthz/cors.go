package extauthz

import (
	"net/http"
	"strings"
)

// CORS is answered here for a resource with CORS set, for meshes whose own filter
// runs after the Check or is missing (Fetch Standard, section 3.2). Credentials
// mode is never allowed: an access token is in a header of the page's request.
const (
	allowOrigin    = "access-control-allow-origin"
	exposeHeaders  = "access-control-expose-headers"
	requestMethod  = "access-control-request-method"
	requestHeaders = "access-control-request-headers"

	// exposed are the headers of an answer that an MCP client in a page reads: the
	// challenge that starts its login, its session, the next nonce of DPoP.
	exposed = "www-authenticate, mcp-session-id, dpop-nonce"
	// allowedHeaders are those of a request of an MCP client.
	allowedHeaders = "authorization, content-type, accept, last-event-id, " +
		"mcp-protocol-version, mcp-session-id, mcp-method, mcp-name"

	// parameterPrefix begins the names of headers that mirror the parameters of a
	// tool (SEP-2243), which no list can name.
	parameterPrefix = "mcp-param-"
)

// isPreflight reports a CORS-preflight request (Fetch Standard, section 3.2.2).
// Its origin was allowed before.
func (r *request) isPreflight() bool {
	_, present, more := r.headers.Only(requestMethod)
	return r.corsOrigin != "" && r.method == http.MethodOptions && present && !more
}

// preflightHeaders are those of the answer to a preflight.
func (r *request) preflightHeaders(takesDPoP bool) [][2]string {
	names := allowedHeaders
	if takesDPoP {
		names += ", dpop"
	}
	requested, _, _ := r.headers.Only(requestHeaders)
	for name := range strings.SplitSeq(strings.ToLower(requested), ",") {
		if name = strings.TrimSpace(name); isParameterHeader(name) {
			names += ", " + name
		}
	}
	return [][2]string{
		{allowOrigin, r.corsOrigin},
		{"access-control-allow-methods", "GET, POST, DELETE"},
		{"access-control-allow-headers", names},
		{"access-control-max-age", "600"},
		{"vary", "origin, " + requestHeaders},
	}
}

// maxParameterHeader bounds a name that is repeated in an answer, in bytes.
const maxParameterHeader = 128

func isParameterHeader(name string) bool {
	rest, ok := strings.CutPrefix(name, parameterPrefix)
	return ok && rest != "" && len(name) <= maxParameterHeader &&
		strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// corsHeaders are those of an answer to a page that may read it: of ours, and of the
// server's, over those that the server writes itself, so that no browser sees two.
func (r *request) corsHeaders() [][2]string {
	if r.corsOrigin == "" {
		return nil
	}
	return [][2]string{{allowOrigin, r.corsOrigin}, {exposeHeaders, exposed}, {"vary", "origin"}}
}
