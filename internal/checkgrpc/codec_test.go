package checkgrpc

import (
	"testing"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// TestTheCodecKeepsNothingOfGRPC: grpc-go uses its buffer for the next call as
// soon as Unmarshal has returned, while a Check may remember what it read.
func TestTheCodecKeepsNothingOfGRPC(t *testing.T) {
	c := codec{encoding.GetCodecV2("proto"), 1 << 20}
	for intent, received := range map[string]mem.BufferSlice{
		"one buffer":  {mem.SliceBuffer("what was sent")},
		"two buffers": {mem.SliceBuffer("what was"), mem.SliceBuffer(" sent")},
	} {
		var in Incoming
		if err := c.Unmarshal(received, &in); err != nil {
			t.Fatal(err)
		}
		for _, buffer := range received {
			clear(buffer.ReadOnlyData())
		}
		if string(in.Wire) != "what was sent" {
			t.Errorf("%s: it was overwritten: %q", intent, in.Wire)
		}
	}
}

// TestReceiveBytes is the border of receive_bytes: a Check of as many bytes is
// taken, one more is not.
func TestReceiveBytes(t *testing.T) {
	const most = 64
	c := codec{encoding.GetCodecV2("proto"), most}
	for size, taken := range map[int]bool{0: true, most - 1: true, most: true, most + 1: false, 2 * most: false} {
		for intent, received := range map[string]mem.BufferSlice{
			"in one buffer":  {mem.SliceBuffer(make([]byte, size))},
			"in two buffers": {mem.SliceBuffer(make([]byte, size/2)), mem.SliceBuffer(make([]byte, size-size/2))},
		} {
			var in Incoming
			if err := c.Unmarshal(received, &in); err != nil {
				t.Fatal(err)
			}
			if (in.Fault == "") != taken || len(in.Wire) != size && taken || len(in.Wire) > 0 && !taken {
				t.Errorf("%d bytes %s: %d bytes taken, %q", size, intent, len(in.Wire), in.Fault)
			}
		}
	}
}
