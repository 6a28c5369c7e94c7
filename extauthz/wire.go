package extauthz

import (
	"context"
	"fmt"
	"math"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that ours falls back to
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
)

// ServiceName is the gRPC service Envoy calls, and the name under which health
// is told.
const ServiceName = "envoy.service.auth.v3.Authorization"

// arrival is one Check as it came off the wire: a request, or why the bytes
// are none.
type arrival struct {
	check *authv3.CheckRequest // nil: fault says why
	fault string
}

// codec is grpc-go's own, except that bytes which are no CheckRequest become
// an arrival with a fault. The stock codec would answer them with a gRPC
// error, which Envoy turns into an allow under failure_mode_allow.
type codec struct {
	encoding.CodecV2
	receiveBytes int
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	in, ours := v.(*arrival)
	switch {
	case !ours:
		return c.CodecV2.Unmarshal(data, v)
	case data.Len() > c.receiveBytes:
		in.fault = fmt.Sprintf("the Check has %d bytes, receive_bytes allows %d", data.Len(), c.receiveBytes)
		return nil
	}
	check := new(authv3.CheckRequest)
	if c.CodecV2.Unmarshal(data, check) == nil {
		in.check = check
	} else {
		in.fault = "the bytes are no CheckRequest"
	}
	return nil
}

// Marshal answers with a bare refusal where an answer cannot be encoded: an
// error here would be a gRPC error to Envoy.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	out, err := c.CodecV2.Marshal(v)
	if _, ours := v.(*authv3.CheckResponse); ours && err != nil {
		return c.CodecV2.Marshal(bareRefusal())
	}
	return out, err
}

// ServerOptions are the settings a grpc.Server needs for this service.
// receiveBytes bounds one Check, in bytes; what is larger gets 503 from our
// codec. grpc-go's own limit would be a gRPC error, so it is lifted.
func ServerOptions(receiveBytes int) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodecV2(codec{encoding.GetCodecV2("proto"), receiveBytes}),
		grpc.MaxRecvMsgSize(math.MaxInt32),
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
	var in arrival
	if decode(&in) != nil {
		in = arrival{fault: "the Check could not be decoded"}
	}
	return s.answerTo(ctx, in), nil
}
