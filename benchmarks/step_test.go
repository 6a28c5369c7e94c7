package benchmarks_test

import (
	"context"
	"strconv"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/policy"
)

// BenchmarkStep is the parts of a Check by themselves, as far as they can be
// asked for: decode and encode are what a server with the generated messages
// would do around it.
func BenchmarkStep(b *testing.B) {
	w := newWorld(b, "ES256", distinct, forget)
	state, ctx := w.server.State(), context.Background()
	response := w.server.Check(ctx, w.checks[0])
	trusted := func(iss, _ string) (*token.Issuer, bool) { return state.Issuers[iss], false }
	claims, refusal := state.Verifier.Verify(ctx, w.tokens[0], trusted)
	if refusal != nil {
		b.Fatal(refusal)
	}
	resource := state.Resources.Find(traffic.Host, traffic.Path)
	input, judge := w.input(claims), state.Policy.For(resource.Name)
	fresh := 0
	for _, step := range []struct {
		name string
		do   func(n int) bool
	}{
		{"decode/generated", func(int) bool { return proto.Unmarshal(w.wires[0], new(authv3.CheckRequest)) == nil }},
		{"find", func(int) bool { return state.Resources.Find(traffic.Host, traffic.Path) == resource }},
		{"verify/cold", func(n int) bool {
			_, refusal := state.Verifier.Verify(ctx, w.tokens[n%distinct], trusted)
			return refusal == nil
		}},
		{"verify/hot", func(int) bool {
			stands, refusal := state.Verifier.Revalidate(claims, state.Issuers[claims.Issuer], false)
			return stands && refusal == nil
		}},
		{"decide/cold", func(int) bool {
			fresh++
			asked, request := input, *input.Request.(*policy.RequestValues)
			request.Method = "POST" + strconv.Itoa(fresh) // the team's rule reads it, and no decision before had it
			asked.Request = &request
			decision, found, err := judge.Decide(ctx, asked)
			return err == nil && decision.Outcome == policy.Allowed && found == policy.Evaluated
		}},
		{"decide/hot", func(n int) bool {
			decision, found, err := judge.Decide(ctx, input)
			return err == nil && decision.Outcome == policy.Allowed && (found == policy.Remembered || n == 0)
		}},
		{"encode/generated", func(int) bool {
			_, err := proto.Marshal(response)
			return err == nil
		}},
	} {
		b.Run(step.name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if !step.do(n) {
					b.Fatal("the step failed")
				}
				n++
			}
		})
	}
}

// input is what the policy sees of a request with these claims.
func (w *world) input(claims *token.Claims) policy.Input {
	headers := map[string][]string{}
	for _, header := range traffic.ClientHeaders("") {
		headers[header[0]] = []string{header[1]}
	}
	resource := w.server.State().Resources.Find(traffic.Host, traffic.Path)
	return policy.Input{
		Fixed:    policy.Fixed{State: 1, Resource: resource.Asked, Issuer: claims.IssuerID},
		Request:  &policy.RequestValues{Method: "POST", Scheme: "https", Host: traffic.Host, Path: traffic.Path, Headers: headers},
		Resource: policy.Resource{Name: resource.Name, URI: resource.URI, Scopes: resource.Scopes},
		Claims:   claims.All,
		Token: policy.Token{
			Issuer: claims.Issuer, Client: claims.Client, Scopes: claims.Scopes, Profile: "standard", BoundBy: "aud", Marked: claims.Marked, Recent: true,
		},
	}
}
