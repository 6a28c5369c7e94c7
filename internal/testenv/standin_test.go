package testenv

import (
	"context"
	"net/http"
	"sync"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/structpb"
)

// standIn takes doorward's place: it answers as a test configures it, and records
// the requests.
type standIn struct {
	authv3.UnimplementedAuthorizationServer
	address string
	health  *health.Server

	mu    sync.Mutex
	say   *authv3.CheckResponse // nil: fail with a gRPC error
	asked []*authv3.AttributeContext
}

// startStandIn serves at address; "" is any.
func startStandIn(t *testing.T, address string) *standIn {
	t.Helper()
	listener, err := Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	s := &standIn{address: listener.Addr().String(), health: health.NewServer(), say: allow()}
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, s)
	grpc_health_v1.RegisterHealthServer(server, s.health)
	s.health.SetServingStatus(authv3.Authorization_ServiceDesc.ServiceName, grpc_health_v1.HealthCheckResponse_SERVING)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return s
}

func (s *standIn) Check(_ context.Context, r *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.GetAttributes())
	if s.say == nil {
		return nil, grpc.ErrServerStopped
	}
	return s.say, nil
}

// answering sets the answer for what follows, and forgets what was asked.
func (s *standIn) answering(say *authv3.CheckResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.say, s.asked = say, nil
}

func (s *standIn) requests() []*authv3.AttributeContext {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*authv3.AttributeContext(nil), s.asked...)
}

// allow strips and sets what doorward's own answer does, a team's header too.
func allow() *authv3.CheckResponse {
	return &authv3.CheckResponse{
		Status: &rpcstatus.Status{Code: int32(codes.OK)},
		HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{
			Headers:                 []*corev3.HeaderValueOption{header("x-mcp-auth-subject", "alice"), header("x-team", "weather")},
			HeadersToRemove:         []string{"authorization", "dpop", "x-mcp-auth-client", "x-mcp-auth-forged.!~"},
			QueryParametersToRemove: []string{"access_token"},
		}},
		DynamicMetadata: metadata("allowed"),
	}
}

// deny is a 401 as doorward sends it.
func deny() *authv3.CheckResponse {
	return &authv3.CheckResponse{
		Status: &rpcstatus.Status{Code: int32(codes.Unauthenticated)},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status:  &typev3.HttpStatus{Code: http.StatusUnauthorized},
			Headers: []*corev3.HeaderValueOption{header("www-authenticate", `Bearer resource_metadata="x"`)},
			Body:    `{"error":"invalid_token"}`,
		}},
		DynamicMetadata: metadata("token_expired"),
	}
}

func metadata(reason string) *structpb.Struct {
	values := map[string]*structpb.Value{}
	for name, value := range map[string]string{
		"reason": reason, "resource": "weather", "issuer": "https://as", "client_id": "app", "token_id": "t-1",
	} {
		values[name] = structpb.NewStringValue(value)
	}
	return &structpb.Struct{Fields: values}
}

func header(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, Value: value}}
}
