package checkgrpc

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

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
	in, ours := v.(*Incoming)
	switch {
	case !ours:
		return c.CodecV2.Unmarshal(data, v)
	case data.Len() > c.receiveBytes:
		in.Fault = fmt.Sprintf("the Check has %d bytes, receive_bytes allows %d", data.Len(), c.receiveBytes)
	default:
		in.Wire = data.Materialize()
	}
	return nil
}

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if out, ours := v.(encodedResponse); ours {
		return mem.BufferSlice{mem.SliceBuffer(out)}, nil
	}
	return c.CodecV2.Marshal(v)
}
