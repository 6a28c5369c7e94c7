package extauthz_test

import (
	"context"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/reason"
)

const method = "/" + extauthz.ServiceName + "/Check"

// rawCodec sends the bytes it is given and reads a CheckResponse.
type rawCodec struct{ encoding.CodecV2 }

func (c rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (c rawCodec) Name() string { return "proto" }

func (d *testService) send(t testing.TB, raw []byte) *authv3.CheckResponse {
	t.Helper()
	response := new(authv3.CheckResponse)
	err := d.conn.Invoke(context.Background(), method, raw, response, grpc.ForceCodecV2(rawCodec{encoding.GetCodecV2("proto")}))
	if err != nil {
		t.Fatalf("Check ended in a gRPC error: %v", err)
	}
	return response
}

// nested puts value into field 1, and that into field 1, and so on: attributes
// (1), request (4), http (2), path (6).
func nested(value []byte, fields ...protowire.Number) []byte {
	for i := len(fields) - 1; i >= 0; i-- {
		value = protowire.AppendBytes(protowire.AppendTag(nil, fields[i], protowire.BytesType), value)
	}
	return value
}

// TestBytesThatAreNoCheckRequest get 503 from our codec: grpc-go's own would
// end the call with an error, which Envoy takes for an allow under
// failure_mode_allow.
func TestBytesThatAreNoCheckRequest(t *testing.T) {
	d := startService(t)
	for intent, raw := range map[string][]byte{
		"no bytes":                   {},
		"garbage":                    []byte("\xff\xff\xff\xff"),
		"cut off":                    nested([]byte("/mcp"), 1, 4, 2, 6)[:5],
		"invalid UTF-8 in a string":  nested([]byte("/mcp\xff"), 1, 4, 2, 6),
		"over the receive limit":     nested([]byte("/"+strings.Repeat("a", receiveMax)), 1, 4, 2, 6),
		"far over the receive limit": nested([]byte("/"+strings.Repeat("a", 8<<20)), 1, 4, 2, 6),
		"another message":            nested([]byte("x"), 9),
	} {
		t.Run(intent, func(t *testing.T) {
			if got := readResponse(t, d.send(t, raw)); got.reason != "internal" || got.status != 503 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestAtTheReceiveLimit(t *testing.T) {
	d := startService(t)
	request := bearer(d.token()).joined()
	request.GetAttributes().GetRequest().GetHttp().Body = strings.Repeat("b", receiveMax-proto.Size(request)-8)
	raw, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > receiveMax || len(raw) < receiveMax-16 {
		t.Fatalf("the request has %d bytes", len(raw))
	}
	if got := readResponse(t, d.send(t, raw)); got.reason != "allowed" {
		t.Errorf("%d bytes: %+v", len(raw), got)
	}
}

// TestEmptyMessages: whatever Envoy leaves out, the answer is a refusal.
func TestEmptyMessages(t *testing.T) {
	d := startService(t)
	type (
		attributes = authv3.AttributeContext
		request    = authv3.AttributeContext_Request
		http       = authv3.AttributeContext_HttpRequest
	)
	for intent, row := range map[string]struct {
		check *authv3.CheckRequest
		want  string
	}{
		"nothing":           {&authv3.CheckRequest{}, "internal"},
		"no request":        {&authv3.CheckRequest{Attributes: &attributes{}}, "internal"},
		"no HTTP request":   {&authv3.CheckRequest{Attributes: &attributes{Request: &request{}}}, "internal"},
		"nothing in it":     {&authv3.CheckRequest{Attributes: &attributes{Request: &request{Http: &http{}}}}, "no_resource"},
		"an empty header":   {&authv3.CheckRequest{Attributes: &attributes{Request: &request{Http: &http{HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{}}}}}}}, "no_resource"},
		"no source address": {&authv3.CheckRequest{Attributes: &attributes{Source: &authv3.AttributeContext_Peer{}, Request: &request{Http: &http{}}}}, "no_resource"},
	} {
		t.Run(intent, func(t *testing.T) {
			if got := readResponse(t, d.check(t, row.check)); got.reason != row.want {
				t.Errorf("got %+v, want %s", got, row.want)
			}
		})
	}
	if got := readResponse(t, d.server.Check(context.Background(), nil)); got.reason != "internal" {
		t.Errorf("a nil CheckRequest: %+v", got)
	}
}

func TestBeforeTheFirstConfiguration(t *testing.T) {
	d := startService(t, func(p *plan) { p.unconfigured = true })
	if got := readResponse(t, d.check(t, bearer(d.token()).joined())); got.reason != "internal" || got.status != 503 {
		t.Errorf("got %+v", got)
	}
}

// TestLargeHeaders is what Envoy lets through at most, and more.
func TestLargeHeaders(t *testing.T) {
	d := startService(t)
	for intent, row := range map[string]struct {
		header [2]string
		want   reason.Reason
	}{
		"60 KiB of another header":     {[2]string{"x-large", strings.Repeat("a", 60<<10)}, reason.Allowed},
		"a token of 1 MiB less a bit":  {[2]string{"authorization", "Bearer " + strings.Repeat("a", receiveMax-4096)}, reason.TokenMalformed},
		"a thousand commas":            {[2]string{"authorization", "Bearer " + strings.Repeat("a,", 1000)}, reason.TokenMalformed},
		"a thousand credentials":       {[2]string{"authorization", strings.Repeat("Bearer a,", 1000)}, reason.InvalidRequest},
		"nothing but a very long word": {[2]string{"authorization", strings.Repeat("a", 60<<10)}, reason.NoCredentials},
	} {
		t.Run(intent, func(t *testing.T) {
			question := clientRequest{headers: [][2]string{row.header}}
			if row.want == reason.Allowed {
				question.headers = append(question.headers, [2]string{"authorization", "Bearer " + d.token()})
			}
			if got := readResponse(t, d.check(t, question.joined())); got.reason != row.want.String() {
				t.Errorf("got %s, want %s", got.reason, row.want)
			}
		})
	}
}

// TestDeadlines: a Check without a deadline ends by check_timeout, and one with
// a deadline is answered before it, not at it.
func TestDeadlines(t *testing.T) {
	slow := `deny contains {"code": "x", "message": "x"} if { some i in numbers.range(1, 3000000); some j in numbers.range(1, 3000000); i + j == -1 }`
	d := startService(t, append(useTempFolder(t, team(slow)), func(p *plan) { p.timeout = 300 * time.Millisecond })...)
	if got := readResponse(t, d.check(t, bearer(d.token()).joined())); got.reason != "policy_error" || got.status != 503 {
		t.Errorf("without a deadline: %+v", got)
	}
	patient := startService(t, append(useTempFolder(t, team(slow)), func(p *plan) { p.timeout = time.Minute })...)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	response, err := patient.client.Check(ctx, bearer(patient.token()).joined())
	if err != nil {
		t.Fatalf("the answer came too late: %v", err)
	}
	if got := readResponse(t, response); got.reason != "policy_error" {
		t.Errorf("with a deadline: %+v", got)
	}
	cancelled, cancelNow := context.WithCancel(context.Background())
	cancelNow()
	if got := readResponse(t, d.server.Check(cancelled, bearer(d.token()).joined())); got.reason == "allowed" || got.status != 503 {
		t.Errorf("cancelled: %+v", got)
	}
}

// TestAPanicIsARefusal breaks the service from inside.
func TestAPanicIsARefusal(t *testing.T) {
	d := startService(t)
	d.breakVerifier(t)
	if got := readResponse(t, d.check(t, bearer(d.token()).joined())); got.reason != "internal" || got.status != 503 {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(d.log.String(), "panicked") {
		t.Errorf("nobody hears of it: %s", d.log)
	}
}

// TestEveryRequestIsJudgedAnew is TK-2: an allowed request on a connection
// opens nothing for the next.
func TestEveryRequestIsJudgedAnew(t *testing.T) {
	d := startService(t)
	for _, verb := range []string{"POST", "GET", "DELETE"} {
		question := bearer(d.token())
		question.method = verb
		if got := readResponse(t, d.check(t, question.joined())); got.reason != "allowed" {
			t.Errorf("%s with a token: %+v", verb, got)
		}
		question.headers = [][2]string{{"mcp-session-id", "the same session"}}
		if got := readResponse(t, d.check(t, question.joined())); got.reason != "no_credentials" {
			t.Errorf("TK-10: %s without: %+v", verb, got)
		}
	}
}
