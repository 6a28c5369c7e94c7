package egress_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
)

// sent is one request of a server, as Envoy describes it.
type sent struct {
	at                      string // the listener; "": that of weather
	method, authority, path string
	headers                 [][2]string
	body                    string
	principal               string
	destination             *string
}

// to is a GET.
func to(authority string, headers ...string) sent {
	s := sent{authority: authority, path: "/v1/x"}
	for i := 0; i < len(headers); i += 2 {
		s.headers = append(s.headers, [2]string{headers[i], headers[i+1]})
	}
	return s
}

// form is a POST of a form.
func form(authority, path, body string) sent {
	return sent{method: "POST", authority: authority, path: path, body: body, headers: [][2]string{
		{"content-type", "application/x-www-form-urlencoded"},
	}}
}

func (s sent) with(name, value string) sent {
	s.headers = append(slices.Clone(s.headers), [2]string{name, value})
	return s
}

func (s sent) named(host string) sent { s.destination = &host; return s }

// all are the headers with those that Envoy adds.
func (s sent) all() [][2]string {
	all := [][2]string{{":authority", s.authority}, {":path", s.path}, {":method", s.verb()}}
	all = append(all, s.headers...)
	if s.body != "" {
		all = append(all, [2]string{"x-envoy-auth-partial-body", "false"})
	}
	return all
}

func (s sent) verb() string {
	if s.method == "" {
		return "GET"
	}
	return s.method
}

// joined has headers as Envoy sends them by default, apart as under encode_raw_headers.
func (s sent) joined() *authv3.CheckRequest {
	headers := map[string]string{}
	for _, header := range s.all() {
		if before, repeated := headers[header[0]]; repeated {
			header[1] = before + "," + header[1]
		}
		headers[header[0]] = header[1]
	}
	request := s.request()
	request.Attributes.Request.Http.Headers = headers
	return request
}

func (s sent) apart() *authv3.CheckRequest {
	headers := &corev3.HeaderMap{}
	for _, header := range s.all() {
		headers.Headers = append(headers.Headers, &corev3.HeaderValue{Key: header[0], RawValue: []byte(header[1])})
	}
	request := s.request()
	request.Attributes.Request.Http.HeaderMap = headers
	return request
}

func (s sent) request() *authv3.CheckRequest {
	request := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: &authv3.AttributeContext_Peer{
			Principal: s.principal,
			Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
				SocketAddress: &corev3.SocketAddress{Address: "10.1.2.3"},
			}},
		},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Id: "4711", Method: s.verb(), Scheme: "https", Host: s.authority, Path: s.path, RawBody: []byte(s.body),
		}},
	}}
	if s.destination != nil {
		request.Attributes.ContextExtensions = map[string]string{"destination": *s.destination}
	}
	return request
}

// check asks over gRPC. That it ends in a gRPC error fails any test.
func (w *world) check(t testing.TB, at string, request *authv3.CheckRequest) *authv3.CheckResponse {
	t.Helper()
	if at == "" {
		at = socket
	}
	response, err := w.clients[at].Check(context.Background(), request)
	if err != nil {
		t.Fatalf("a Check ended in a gRPC error: %v", err)
	}
	return response
}

// ask asks in both forms of headers, which get one answer.
func (w *world) ask(t testing.TB, s sent) answer {
	t.Helper()
	first, second := read(t, w.check(t, s.at, s.joined())), read(t, w.check(t, s.at, s.apart()))
	if fmt.Sprint(first) != fmt.Sprint(second) {
		t.Errorf("headers: %+v\nheader_map: %+v", first, second)
	}
	return second
}

// answer is an answer in the words of a test.
type answer struct {
	reason string
	status int
	body   string
	set    map[string]string // headers of the request, or of the denial
	remove []string          // headers
	query  []string          // parameters that are removed
}

func (a answer) removes(name string) bool { return slices.Contains(a.remove, name) }

func read(t testing.TB, response *authv3.CheckResponse) answer {
	t.Helper()
	a := answer{reason: response.GetDynamicMetadata().GetFields()["reason"].GetStringValue(), set: map[string]string{}}
	headers := response.GetOkResponse().GetHeaders()
	switch kind := response.GetHttpResponse().(type) {
	case *authv3.CheckResponse_OkResponse:
		a.status, a.remove, a.query = 200, kind.OkResponse.GetHeadersToRemove(), kind.OkResponse.GetQueryParametersToRemove()
		if response.GetStatus() == nil || response.GetStatus().GetCode() != 0 {
			t.Errorf("an ok_response under status %v", response.GetStatus())
		}
	case *authv3.CheckResponse_DeniedResponse:
		a.status, a.body = int(kind.DeniedResponse.GetStatus().GetCode()), kind.DeniedResponse.GetBody()
		headers = kind.DeniedResponse.GetHeaders()
		if response.GetStatus().GetCode() == 0 || a.status < 400 {
			t.Errorf("a refusal with status %v, %d: Envoy would let the request through", response.GetStatus(), a.status)
		}
	default:
		t.Errorf("the answer is a %T", kind)
	}
	for _, option := range headers {
		name := option.GetHeader().GetKey()
		if _, twice := a.set[name]; twice || slices.Contains(a.remove, name) {
			t.Errorf("%s is set and removed, or set twice: Envoy removes after it sets", name)
		}
		a.set[name] = option.GetHeader().GetValue()
	}
	if sorted := slices.Sorted(slices.Values(a.remove)); len(slices.Compact(sorted)) != len(a.remove) {
		t.Errorf("removed twice: %v", a.remove)
	}
	slices.Sort(a.remove)
	return a
}

// isBare reports that nothing of ours is left on a request that passes.
func (a answer) isBare() bool {
	return !slices.ContainsFunc([]string{
		"x-mcp-auth-issuer", "x-mcp-auth-subject", "x-mcp-auth-client", "x-mcp-auth-scope", "x-mcp-auth-expires",
		"x-mcp-auth-handle", "x-mcp-auth-assertion", "x-envoy-auth-partial-body",
	}, func(name string) bool { return !a.removes(name) })
}

// want checks an answer's reason and status, and what holds of every allow.
func (w *world) want(t testing.TB, intent string, s sent, reason string, status int) answer {
	t.Helper()
	got := w.ask(t, s)
	if got.reason != reason || got.status != status {
		lines := strings.Split(strings.TrimSpace(w.log.String()), "\n")
		t.Errorf("%s: %s, %d; want %s, %d\n%s", intent, got.reason, got.status, reason, status, lines[len(lines)-1])
	}
	if got.status == 200 && !got.isBare() {
		t.Errorf("%s: an allow removes only %v", intent, got.remove)
	}
	return got
}
