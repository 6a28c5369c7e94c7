package traffic

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"

	"github.com/doorward/doorward/internal/testenv"
)

// recorder records each Check and allows it.
type recorder struct {
	authv3.UnimplementedAuthorizationServer
	asked chan *authv3.CheckRequest
}

func (r *recorder) Check(_ context.Context, check *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	r.asked <- check
	return &authv3.CheckResponse{}, nil
}

// serve makes the recorder the ext_authz service at an address.
func (r *recorder) serve(t *testing.T) (address string) {
	t.Helper()
	listener, err := testenv.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	server, well := grpc.NewServer(), health.NewServer()
	well.SetServingStatus(authv3.Authorization_ServiceDesc.ServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
	authv3.RegisterAuthorizationServer(server, r)
	grpc_health_v1.RegisterHealthServer(server, well)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// TestTheRequestIsEnvoys: a Request has the fields and headers that a real Envoy with
// the shipped configuration sends, no others, in the same order; in both forms.
func TestTheRequestIsEnvoys(t *testing.T) {
	testenv.RequireEnvoy(t)
	for form, name := range map[Form]string{Raw: "raw", Mapped: "mapped"} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(shape(t, record(t, form)), shape(t, Request("token", form, 1))); diff != "" {
				t.Errorf("Envoy's (-), ours (+):\n%s", diff)
			}
		})
	}
}

// record returns the Check that a real Envoy makes for a request of an MCP client.
func record(t *testing.T, form Form) *authv3.CheckRequest {
	t.Helper()
	r := &recorder{asked: make(chan *authv3.CheckRequest, 1)}
	envoy, err := testenv.StartEnvoy(t.Context(), testenv.EnvoyOptions{Doorward: r.serve(t), Upstream: "127.0.0.1:1", Edit: func(b *testenv.Bootstrap) error {
		b.Authz.EncodeRawHeaders = form == Raw
		return testenv.WithLongTimeouts(b)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer envoy.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, envoy.URL()+Path, strings.NewReader(strings.Repeat("x", 183)))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = Host
	for _, header := range ClientHeaders("token") {
		request.Header.Set(header[0], header[1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close() // 503: there is no upstream
	return <-r.asked
}

// shape lists the path of every field that is set in a message, with the names of
// headers.
func shape(t *testing.T, message proto.Message) []string {
	t.Helper()
	var fields []string
	err := protorange.Options{Stable: true}.Range(message.ProtoReflect(), func(path protopath.Values) error {
		field := path.Path[1:].String()
		if strings.HasSuffix(field, "].key") {
			field += "=" + path.Index(-1).Value.String()
		}
		fields = append(fields, field)
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return fields
}
