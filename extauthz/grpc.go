package extauthz

import (
	"context"

	"google.golang.org/grpc"

	"github.com/doorward/doorward/internal/checkgrpc"
	"github.com/doorward/doorward/internal/checkwire"
)

// ServiceName is the gRPC service that Envoy calls, and the name for its health
// service.
const ServiceName = checkgrpc.ServiceName

// DefaultReceiveBytes is the largest Check that [NewGRPCServer] accepts by default.
const DefaultReceiveBytes = checkgrpc.DefaultReceiveBytes

// incoming is one Check before it is decoded: as it came over gRPC, or the attributes of
// a Go caller.
type incoming struct {
	checkgrpc.Incoming
	attributes *checkwire.Attributes
	steps      *steps // nil: the steps are not recorded
}

func (in incoming) decode() (*checkwire.Attributes, bool) {
	if in.attributes != nil {
		return in.attributes, true
	}
	return checkwire.Scan(in.Wire)
}

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
	answer := func(ctx context.Context, in checkgrpc.Incoming) []byte {
		return checks.answerTo(ctx, incoming{Incoming: in})
	}
	return checkgrpc.NewServer(answer, receiveBytes, options...)
}
