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

// ServiceName is the gRPC service Envoy calls, and the name under which health
// is told.
const ServiceName = "envoy.service.auth.v3.Authorization"

// incoming is one Check as it came: its bytes, which are ours and never change,
// what a caller in Go said in their place, or why there is neither.
type incoming struct {
	wire  []byte
	said  *attributes
	fault string
	steps *steps // nil: nobody watches
}

func (in incoming) decode() (*attributes, bool) {
	if in.said != nil {
		return in.said, true
	}
	return scan(in.wire)
}

// noOutcome is an answer as it goes onto the wire.
type noOutcome []byte

// codec hands the bytes of a Check through, and is grpc-go's own for everything
// else. The stock codec would answer bytes which are no CheckRequest with a
// gRPC error, which Envoy turns into an allow under failure_mode_allow.
type codec struct {
	encoding.CodecV2
	receiveBytes int
}

// Unmarshal copies: grpc-go takes its buffer back when this returns, and what
// a Check reads may be remembered. Keeping the buffer until the answer is
// written was measured to save two parts in a hundred of a hot Check, and would
// make every string that is remembered a copy that somebody may forget.
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
	if out, ours := v.(noOutcome); ours {
		return mem.BufferSlice{mem.SliceBuffer(out)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// DefaultReceiveBytes is the largest Check that [NewGRPCServer] accepts where it is
// not told otherwise.
const DefaultReceiveBytes = 16 << 20

// NewGRPCServer makes a gRPC server that answers ext_authz Checks with checks:
//
//	server := extauthz.NewGRPCServer(checks, 0)
//	err := server.Serve(listener)
//
// A Check of more than receiveBytes is refused with 503; 0 stands for
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

// handler has the form that grpc-go asks for, but never an error.
func (s *Server) handler(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // grpc-go puts ctx second
	in := new(incoming)
	if decode(in) != nil {
		in.fault = "the Check could not be received"
	}
	return noOutcome(s.answerTo(ctx, *in)), nil
}
