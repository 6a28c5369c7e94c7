package extauthz

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that ours falls back to
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
)

// ServiceName is the gRPC service that Envoy calls, and the name for its health
// service.
const ServiceName = "envoy.service.auth.v3.Authorization"

// incoming is one Check before it is decoded: its bytes, which never change; or
// the attributes of a Go caller; or why there is neither.
type incoming struct {
	wire       []byte
	attributes *attributes
	fault      string
	steps      *steps // nil: the steps are not recorded
}

func (in incoming) decode() (*attributes, bool) {
	if in.attributes != nil {
		return in.attributes, true
	}
	return scan(in.wire)
}

// encodedResponse is the bytes of a CheckResponse.
type encodedResponse []byte

// codec hands the bytes of a Check through, and is grpc-go's own for everything
// else. The stock codec would answer bytes which are no CheckRequest with a
// gRPC error, which Envoy turns into an allow under failure_mode_allow.
type codec struct {
	encoding.CodecV2
	receiveBytes int
}

// Unmarshal copies: grpc-go reuses its buffer when this returns, and strings of
// a Check may be cached. Keeping the buffer until the answer is written saves 2 %
// of a hot Check, and would need a copy of every string that is cached.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	in, ours := v.(*incoming)
	switch {
	case !ours:
		return c.CodecV2.Unmarshal(data, v)
	case data.Len() > c.receiveBytes:
		in.fault = fmt.Sprintf("the Check has %d bytes, receive_bytes allows %d", data.Len(), c.receiveBytes)
	default:
		in.wire = data.Materialize()
	}
	return nil
}

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if out, ours := v.(encodedResponse); ours {
		return mem.BufferSlice{mem.SliceBuffer(out)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// DefaultReceiveBytes is the largest Check that [NewGRPCServer] accepts by default.
const DefaultReceiveBytes = 16 << 20

// NewGRPCServer makes a gRPC server that answers ext_authz Checks with checks:
//
//	server := extauthz.NewGRPCServer(checks, 0)
//	err := server.Serve(listener)
//
// A Check of more than receiveBytes is refused with 503; 0 means
// [DefaultReceiveBytes]. The options are the caller's, such as grpc.Creds; the
// codec and the message limits are set after them, and interceptors do not see
// Checks: with the stock ones a Check could end in a gRPC error, which Envoy takes
// for an allow under failure_mode_allow. For the same reason checks cannot be
// registered with a server that was made elsewhere. Other services, such as
// health under [ServiceName], may be registered with the server that is returned.
func NewGRPCServer(checks *Server, receiveBytes int, options ...grpc.ServerOption) *grpc.Server {
	if receiveBytes <= 0 {
		receiveBytes = DefaultReceiveBytes
	}
	usual := []grpc.ServerOption{
		// A new goroutine begins with a small stack and copies it twice on the
		// way down a Check; one that answers many has it already. Worth a tenth
		// of a hot Check.
		grpc.NumStreamWorkers(64),
		// Envoy keeps one connection per worker; ending them now and then is
		// what brings traffic to new replicas.
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge:      5 * time.Minute,
			MaxConnectionAgeGrace: 30 * time.Second,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime:             5 * time.Second,
			PermitWithoutStream: true,
		}),
	}
	required := []grpc.ServerOption{
		grpc.ForceServerCodecV2(codec{encoding.GetCodecV2("proto"), receiveBytes}),
		// The codec refuses what is too large: the limit of grpc-go is a gRPC error.
		grpc.MaxRecvMsgSize(math.MaxInt32),
		grpc.MaxSendMsgSize(math.MaxInt32),
	}
	server := grpc.NewServer(slices.Concat(usual, options, required)...)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: ServiceName,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Check", Handler: checks.handler}},
		Metadata:    "envoy/service/auth/v3/external_auth.proto",
	}, checks)
	return server
}

// handler implements grpc.MethodDesc.Handler. It never returns an error.
//
//nolint:revive // grpc-go puts ctx second
func (s *Server) handler(
	_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor,
) (any, error) {
	in := new(incoming)
	if decode(in) != nil {
		in.fault = "the Check could not be received"
	}
	return encodedResponse(s.answerTo(ctx, *in)), nil
}
