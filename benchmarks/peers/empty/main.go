// Command empty is a minimal ext_authz service in Go: the stock gRPC server with its
// default options, the generated messages, and one answer for every request. Its
// cost is that of the call itself. A service that decides can be cheaper only if it
// does without these libraries.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"runtime"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// service allows everything. Its answer has the headers of doorward's answer, so
// that both write the same amount.
type service struct {
	authv3.UnimplementedAuthorizationServer
}

func (service) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return &authv3.CheckResponse{
		Status: &rpcstatus.Status{Code: int32(codes.OK)},
		HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{
			Headers: []*corev3.HeaderValueOption{
				header("x-mcp-auth-issuer", "https://as.example.com"),
				header("x-mcp-auth-subject", "alice"),
				header("x-mcp-auth-client", "app"),
				header("x-mcp-auth-scope", "mcp:read mcp:write"),
			},
			HeadersToRemove: []string{"authorization"},
		}},
	}, nil
}

func header(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, Value: value}}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:9191", "`address` of the gRPC listener")
	floor := flag.Int("heap-floor", 0, "`bytes` that the heap counts as live at least, as doorward has it")
	flag.Parse()
	defer runtime.KeepAlive(make([]byte, *floor))
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, service{})
	log.Println(server.Serve(listener))
}
