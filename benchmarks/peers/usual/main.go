// Command usual is an ext_authz service as it is usually built in Go: the stock
// gRPC server and the generated messages, the request as JSON for the policy,
// and OPA with a prepared query, which verifies the token with its built-in
// function. It applies the rules that doorward applies to the benchmark's
// resource; what doorward does beside them (challenges, metadata, key refresh,
// metrics, log) it leaves out.
//
// The comparison is fair: the query is compiled once; OPA's cache of parsed keys,
// which OPA's server uses, is on; and Envoy sends it the headers as a map of strings,
// which is the default and the cheapest form for a policy.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
)

//go:embed policy.rego
var policy string

// service evaluates the policy.
type service struct {
	authv3.UnimplementedAuthorizationServer
	query rego.PreparedEvalQuery
	cache cache.InterQueryValueCache
}

// decision is the result of the policy.
type decision struct {
	Allowed         bool              `json:"allowed"`
	Headers         map[string]string `json:"headers"`
	HeadersToRemove []string          `json:"headers_to_remove"`
}

// newService compiles the policy. data is its `data` document.
func newService(ctx context.Context, data map[string]any) (*service, error) {
	query, err := rego.New(
		rego.Query("data.authz.decision"),
		rego.Module("policy.rego", policy),
		rego.Store(inmem.NewFromObject(data)),
	).PrepareForEval(ctx)
	if err != nil {
		return nil, err
	}
	return &service{query: query, cache: cache.NewInterQueryValueCache(ctx, nil)}, nil
}

// Check returns an error if the evaluation fails: Envoy denies then, unless
// failure_mode_allow is set.
func (s *service) Check(ctx context.Context, check *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	encoded, err := protojson.Marshal(check)
	if err != nil {
		return nil, err
	}
	var input map[string]any
	if err := json.Unmarshal(encoded, &input); err != nil {
		return nil, err
	}
	results, err := s.query.Eval(ctx, rego.EvalInput(input), rego.EvalInterQueryBuiltinValueCache(s.cache))
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, fmt.Errorf("the policy has %d results", len(results))
	}
	encoded, err = json.Marshal(results[0].Expressions[0].Value)
	if err != nil {
		return nil, err
	}
	var d decision
	if err := json.Unmarshal(encoded, &d); err != nil {
		return nil, err
	}
	return d.response(), nil
}

func (d decision) response() *authv3.CheckResponse {
	if !d.Allowed {
		return &authv3.CheckResponse{
			Status: &rpcstatus.Status{Code: int32(codes.PermissionDenied)},
			HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
				Status: &typev3.HttpStatus{Code: typev3.StatusCode_Forbidden},
			}},
		}
	}
	ok := &authv3.OkHttpResponse{HeadersToRemove: d.HeadersToRemove}
	for name, value := range d.Headers {
		ok.Headers = append(ok.Headers, &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, Value: value}})
	}
	return &authv3.CheckResponse{
		Status:       &rpcstatus.Status{Code: int32(codes.OK)},
		HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: ok},
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:9191", "`address` of the gRPC listener")
	jwks := flag.String("jwks", "", "`file` with the issuer's JWK Set")
	issuer := flag.String("issuer", "", "the iss that a token must have")
	audience := flag.String("audience", "", "the aud that a token must have")
	flag.Parse()
	keys, err := os.ReadFile(*jwks)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	s, err := newService(ctx, map[string]any{"jwks": string(keys), "issuer": *issuer, "audience": *audience})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, s)
	log.Fatal(server.Serve(listener))
}
