package extauthz

import (
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
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
