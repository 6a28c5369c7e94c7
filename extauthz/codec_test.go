package extauthz

import (
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
)

// TestAnAnswerThatCannotBeEncoded becomes a bare refusal: the error would be a
// gRPC error to Envoy.
func TestAnAnswerThatCannotBeEncoded(t *testing.T) {
	var got authv3.CheckResponse
	v := &verdict{reason: reason.NoResource, resource: &resource.Resource{Spec: resource.Spec{Name: "\xff"}}}
	if err := proto.Unmarshal(v.answer(&request{}), &got); err != nil {
		t.Fatal(err)
	}
	if got.GetStatus().GetCode() == 0 || got.GetDeniedResponse().GetStatus().GetCode() != 503 {
		t.Errorf("got %v", &got)
	}
}

// TestTheCodecKeepsNothingOfGRPC: grpc-go uses its buffer for the next call as
// soon as Unmarshal has returned, while a Check may remember what it read.
func TestTheCodecKeepsNothingOfGRPC(t *testing.T) {
	c := codec{encoding.GetCodecV2("proto"), 1 << 20}
	for intent, received := range map[string]mem.BufferSlice{
		"one buffer":  {mem.SliceBuffer("what was sent")},
		"two buffers": {mem.SliceBuffer("what was"), mem.SliceBuffer(" sent")},
	} {
		var in arrival
		if err := c.Unmarshal(received, &in); err != nil {
			t.Fatal(err)
		}
		for _, buffer := range received {
			clear(buffer.ReadOnlyData())
		}
		if string(in.wire) != "what was sent" {
			t.Errorf("%s: it was overwritten: %q", intent, in.wire)
		}
	}
}
