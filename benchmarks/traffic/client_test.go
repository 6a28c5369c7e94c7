package traffic

import (
	"context"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
)

// TestReasons: the reason of an answer follows from its bytes.
func TestReasons(t *testing.T) {
	metadata, err := structpb.NewStruct(map[string]any{"reason": "token_expired"})
	if err != nil {
		t.Fatal(err)
	}
	c := Client{known: map[string]string{}}
	for _, row := range []struct {
		intent string
		answer *authv3.CheckResponse
		want   string
	}{
		{"doorward gives its reason", &authv3.CheckResponse{Status: &rpcstatus.Status{Code: 16}, DynamicMetadata: metadata}, "token_expired"},
		{"another service allows", &authv3.CheckResponse{Status: &rpcstatus.Status{}}, Allowed},
		{"Envoy takes no status for an allow", &authv3.CheckResponse{}, Allowed},
		{"another service denies", &authv3.CheckResponse{Status: &rpcstatus.Status{Code: 7}}, Denied},
	} {
		encoded, err := proto.Marshal(row.answer)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time it is remembered
			if got := c.reason(encoded); got != row.want {
				t.Errorf("%s: %q", row.intent, got)
			}
		}
	}
	if got := c.reason([]byte{0xff}); got != NoAnswer {
		t.Errorf("bytes that are no answer: %q", got)
	}
}

// TestOverTheWire: the bytes arrive as the message that was encoded, and a
// service that answers with an error has not answered.
func TestOverTheWire(t *testing.T) {
	r := &recorder{asked: make(chan *authv3.CheckRequest, 16)}
	client, err := Dial(t.Context(), r.serve(t))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range Connections {
		<-r.asked // Dial asks on each
	}
	if got := client.Cycle([][]byte{Encode("a", Raw, 1), Encode("b", Raw, 2)})(t.Context(), 3); got != Allowed {
		t.Errorf("answered: %s", got)
	}
	if diff := cmp.Diff(Request("b", Raw, 2), <-r.asked, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if got := client.Check(t.Context(), 0, []byte{0xff}); got != NoAnswer {
		t.Errorf("a gRPC error: %s", got)
	}
}

// TestSaturate sends each request once, however many are under way.
func TestSaturate(t *testing.T) {
	seen := make(chan int, 100)
	allowed, _ := Saturate(t.Context(), func(_ context.Context, n int) string {
		seen <- n
		if n%10 == 0 {
			return Denied
		}
		return Allowed
	}, 50, 7)
	close(seen)
	sum := 0
	for n := range seen {
		sum += n
	}
	if allowed != 45 || sum != 49*50/2 {
		t.Errorf("%d allowed, the numbers add up to %d", allowed, sum)
	}
}
