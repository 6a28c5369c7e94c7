package extauthz

import (
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/encoding"
	"google.golang.org/protobuf/proto"
)

// TestAnAnswerThatCannotBeEncoded becomes a bare refusal: the error would be a
// gRPC error to Envoy.
func TestAnAnswerThatCannotBeEncoded(t *testing.T) {
	c := codec{encoding.GetCodecV2("proto"), 1 << 20}
	raw, err := c.Marshal(deny(0, 401, [][2]string{{"x", "\xff"}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	var got authv3.CheckResponse
	if err := proto.Unmarshal(raw.Materialize(), &got); err != nil {
		t.Fatal(err)
	}
	if got.GetStatus().GetCode() == 0 || got.GetDeniedResponse().GetStatus().GetCode() != 503 {
		t.Errorf("got %v", &got)
	}
}
