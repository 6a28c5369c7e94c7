package httpauth

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
)

func TestDescribe(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "http://mcp.example.com/mcp/%2F?a=1", http.NoBody)
	r.RemoteAddr = "[2001:db8::1]:4711"
	r.Header["X_odd"] = []string{"1", "2"}
	got := describe(r, "7").GetAttributes()
	request := got.GetRequest().GetHttp()
	if request.GetPath() != "/mcp/%2F?a=1" && request.GetPath() != "http://mcp.example.com/mcp/%2F?a=1" {
		t.Errorf("path %q", request.GetPath())
	}
	if request.GetHost() != "mcp.example.com" || request.GetScheme() != "http" || request.GetId() != "7" {
		t.Errorf("%v", request)
	}
	var odd []string
	for _, header := range request.GetHeaderMap().GetHeaders() {
		if header.GetKey() == "x_odd" {
			odd = append(odd, string(header.GetRawValue()))
		}
	}
	if !slices.Equal(odd, []string{"1", "2"}) {
		t.Errorf("a repeated header: %q", odd)
	}
	socket := got.GetSource().GetAddress().GetSocketAddress()
	if socket.GetAddress() != "2001:db8::1" || socket.GetPortValue() != 4711 {
		t.Errorf("peer %v", socket)
	}
}

// TestAbsoluteForm: a proxy's form of the request target (RFC 9112, section
// 3.2.2) is the same path.
func TestAbsoluteForm(t *testing.T) {
	target, err := url.Parse("http://mcp.example.com/mcp?x=1")
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Method: http.MethodGet, Host: "mcp.example.com", RequestURI: target.String(), URL: target}
	if got := describe(r, "1").GetAttributes().GetRequest().GetHttp().GetPath(); got != "/mcp?x=1" {
		t.Errorf("path %q", got)
	}
}

func TestDescribeCertificate(t *testing.T) {
	spiffe, err := url.Parse("spiffe://td/client")
	if err != nil {
		t.Fatal(err)
	}
	certificate := &x509.Certificate{Raw: []byte("der + bytes/"), URIs: []*url.URL{spiffe}}
	r := httptest.NewRequest(http.MethodGet, "https://mcp.example.com/mcp", http.NoBody)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}}
	source := describe(r, "1").GetAttributes().GetSource()
	decoded, err := url.PathUnescape(source.GetCertificate())
	if err != nil {
		t.Fatal(err)
	}
	if block, _ := pem.Decode([]byte(decoded)); block == nil || string(block.Bytes) != "der + bytes/" {
		t.Errorf("certificate %q", source.GetCertificate())
	}
	if source.GetPrincipal() != "" {
		t.Error("a certificate that was not verified has a principal")
	}
	r.TLS.VerifiedChains = [][]*x509.Certificate{{certificate}}
	if got := describe(r, "1").GetAttributes().GetSource().GetPrincipal(); got != "spiffe://td/client" {
		t.Errorf("principal %q", got)
	}
}

// TestForward: names are removed in any case, what is set replaces what came,
// and trailers do not get past the verdict.
func TestForward(t *testing.T) {
	r := httptest.NewRequest(
		http.MethodPost,
		"http://mcp.example.com/mcp?a=1&access_token=x&b=2&access%5Ftoken=y",
		http.NoBody,
	)
	lowerCase := strings.ToLower("Authorization") // as another middleware may have written it
	r.Header[lowerCase] = []string{"Bearer t"}
	r.Header["X_mcp_auth_subject"] = []string{"root"}
	r.Header["X-Mcp-Auth-Subject"] = []string{"root", "root"}
	r.Trailer = http.Header{"X-Mcp-Auth-Subject": nil}
	got := forward(r, &authv3.OkHttpResponse{
		HeadersToRemove:         []string{"authorization", "x_mcp_auth_subject"},
		QueryParametersToRemove: []string{"access_token", "access%5Ftoken"},
		Headers: []*corev3.HeaderValueOption{{
			Header: &corev3.HeaderValue{Key: "x-mcp-auth-subject", Value: "alice"},
		}},
	})
	if len(got.Header) != 1 || !slices.Equal(got.Header["X-Mcp-Auth-Subject"], []string{"alice"}) {
		t.Errorf("headers %v", got.Header)
	}
	if got.URL.RawQuery != "a=1&b=2" || !strings.HasSuffix(got.RequestURI, "/mcp?a=1&b=2") {
		t.Errorf("query %q, target %q", got.URL.RawQuery, got.RequestURI)
	}
	if got.Trailer != nil {
		t.Errorf("trailers %v", got.Trailer)
	}
	if r.Header[lowerCase] == nil {
		t.Error("the original request was changed")
	}
}

// TestRefuseWithoutAnswer: no denial is not a success.
func TestRefuseWithoutAnswer(t *testing.T) {
	recorder := httptest.NewRecorder()
	refuse(recorder, nil)
	if recorder.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", recorder.Code)
	}
}

// TestRespond: what the answer has for the response stands there once, whatever
// the handler writes and whenever it begins to.
func TestRespond(t *testing.T) {
	allowed := &authv3.OkHttpResponse{ResponseHeadersToAdd: []*corev3.HeaderValueOption{
		{Header: &corev3.HeaderValue{Key: "access-control-allow-origin", Value: "https://page"}, AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD},
		{Header: &corev3.HeaderValue{Key: "vary", Value: "origin"}},
	}}
	for intent, write := range map[string]func(http.ResponseWriter){
		"a body":                 func(w http.ResponseWriter) { _, _ = w.Write([]byte("x")) },
		"a status, then a body":  func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK); _, _ = w.Write([]byte("x")) },
		"an event":               func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"events after one other": func(w http.ResponseWriter) { w.(http.Flusher).Flush(); w.(http.Flusher).Flush() },
	} {
		recorder := httptest.NewRecorder()
		w := respond(recorder, allowed)
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Vary", "accept")
		write(w)
		header := recorder.Result().Header
		if !slices.Equal(header["Access-Control-Allow-Origin"], []string{"https://page"}) || !slices.Equal(header["Vary"], []string{"accept", "origin"}) {
			t.Errorf("%s: %v", intent, header)
		}
	}
	if w := httptest.NewRecorder(); respond(w, &authv3.OkHttpResponse{}) != w {
		t.Error("a writer without a need")
	}
}
