package extauthz

import (
	"context"
	"fmt"
	"math"
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

func (in incoming) decode(reference bool) (*attributes, bool) {
	switch {
	case in.said != nil:
		return in.said, true
	case reference:
		return generated(in.wire)
	default:
		return scan(in.wire)
	}
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

// ServerOptions are the settings a grpc.Server needs for this service.
// receiveBytes bounds one Check, in bytes; what is larger gets 503 from our
// codec. grpc-go's own limit would be a gRPC error, so it is lifted.
func ServerOptions(receiveBytes int) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(codec{encoding.GetCodecV2("proto"), receiveBytes}),
		grpc.MaxRecvMsgSize(math.MaxInt32),
		// A new goroutine begins with a small stack and copies it twice on the
		// way down a Check; one that answers many has it already. Worth a tenth
		// of a hot Check.
		grpc.NumStreamWorkers(64),
		// Envoy keeps one connection per worker for ever; ending them now and
		// then is what brings traffic to new replicas.
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge:      5 * time.Minute,
			MaxConnectionAgeGrace: 30 * time.Second,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime:             5 * time.Second,
			PermitWithoutStream: true,
		}),
	}
}

// Register makes s answer Check on g, which must have been made with
// [ServerOptions].
func (s *Server) Register(g grpc.ServiceRegistrar) {
	g.RegisterService(&grpc.ServiceDesc{
		ServiceName: ServiceName,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Check", Handler: s.handler}},
		Metadata:    "envoy/service/auth/v3/external_auth.proto",
	}, s)
}

// handler has the form that grpc-go asks for, but never an error.
func (s *Server) handler(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // grpc-go puts ctx second
	in := new(incoming)
	if decode(in) != nil {
		in.fault = "the Check could not be received"
	}
	return noOutcome(s.answerTo(ctx, *in)), nil
}
