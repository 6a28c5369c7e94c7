package benchmarks_test

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/benchmarks/traffic"
)

// hostileBytes is about what Envoy lets a client write, in path, query and
// headers together (max_request_headers_kb).
const hostileBytes = 58 << 10

// shape is a request that costs as much as a client can make it cost.
type shape func(*authv3.AttributeContext_HttpRequest)

func atPath(path string) shape {
	return func(http *authv3.AttributeContext_HttpRequest) {
		http.Path = path
		replace(http, ":path", path)
	}
}

func replace(http *authv3.AttributeContext_HttpRequest, name, value string) {
	for _, header := range http.GetHeaderMap().GetHeaders() {
		if header.GetKey() == name {
			header.RawValue = []byte(value)
		}
	}
}

func listed(headers ...[2]string) shape {
	return func(http *authv3.AttributeContext_HttpRequest) {
		for _, header := range headers {
			http.HeaderMap.Headers = append(http.HeaderMap.Headers, &corev3.HeaderValue{Key: header[0], RawValue: []byte(header[1])})
		}
	}
}

func mapped(headers ...[2]string) shape {
	return func(http *authv3.AttributeContext_HttpRequest) {
		http.Headers = map[string]string{}
		for _, header := range http.GetHeaderMap().GetHeaders() {
			http.Headers[header.GetKey()] = string(header.GetRawValue())
		}
		http.HeaderMap = nil
		for _, header := range headers {
			http.Headers[header[0]] = header[1]
		}
	}
}

func authorization(value string) shape {
	return func(http *authv3.AttributeContext_HttpRequest) { replace(http, "authorization", value) }
}

// fill repeats a piece up to hostileBytes.
func fill(piece string) string { return strings.Repeat(piece, hostileBytes/len(piece)) }

// numbered are as many different headers as fit.
func numbered(name string) [][2]string {
	var headers [][2]string
	for n := 0; n < hostileBytes; n += len(name) + 10 {
		headers = append(headers, [2]string{fmt.Sprintf("%s%04d", name, len(headers))})
	}
	return headers
}

// spellings are different ways to write access_token.
func spellings() string {
	var query strings.Builder
	for i := 0; query.Len() < hostileBytes; i++ {
		for bit, c := range "access_token" {
			if c = c &^ (rune(i>>bit&1) << 5); c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
				query.WriteRune(c)
			} else {
				query.WriteByte('_')
			}
		}
		query.WriteByte('&')
	}
	return query.String()
}

func shapes() map[string]shape {
	return map[string]shape{
		"path of short segments":             atPath("/mcp/" + fill("a/")),
		"path of capitals":                   atPath("/mcp/" + fill("A")),
		"path of escapes":                    atPath("/mcp/" + fill("%20")),
		"path that is not safe":              atPath("/mcp/" + fill(";")),
		"path of a document":                 atPath("/.well-known/oauth-protected-resource/" + fill("a/")),
		"query of &":                         atPath("/mcp?" + fill("&")),
		"query of &a":                        atPath("/mcp?" + fill("&a")),
		"query of escapes":                   atPath("/mcp?" + fill("%61&")),
		"query of semicolons":                atPath("/mcp?" + fill(";")),
		"query of nearly tokens":             atPath("/mcp?" + fill("access_toke&")),
		"query of one token":                 atPath("/mcp?" + fill("access_token&")),
		"query of many spellings of a token": atPath("/mcp?" + spellings()),
		"query of tokens behind semicolons":  atPath("/mcp?" + fill("a;access_toke=")),
		"headers, short":                     listed(slices.Repeat([][2]string{{"a", ""}}, hostileBytes/5)...),
		"headers without a name":             listed(slices.Repeat([][2]string{{"", ""}}, hostileBytes/2)...),
		"headers of which few have a name":   listed(append(slices.Repeat([][2]string{{"a", ""}}, 30), slices.Repeat([][2]string{{"", ""}}, hostileBytes/4)...)...),
		"headers in capitals":                listed(slices.Repeat([][2]string{{"A", "b"}}, hostileBytes/8)...),
		"headers that pass for ours":         listed(numbered("x-mcp-auth-")...),
		"headers nearly ours":                listed(numbered("x_mcp.aut~")...),
		"headers of a join key":              listed(slices.Repeat([][2]string{{"x-request-id", ""}}, hostileBytes/16)...),
		"headers of credentials":             listed(slices.Repeat([][2]string{{"authorization", ""}}, hostileBytes/17)...),
		"headers of proofs":                  listed(slices.Repeat([][2]string{{"dpop", ""}}, hostileBytes/8)...),
		"headers in the map":                 mapped(numbered("a")...),
		"headers in the map, in capitals":    mapped(numbered("A")...),
		"one long header":                    listed([2]string{"x-a", fill("\xff")}),
		"one long name of a header":          listed([2]string{fill("x_"), ""}),
		"authorization of commas":            authorization("Bearer " + fill(",")),
		"authorization of credentials":       authorization("Bearer a" + fill(",b c ")),
		"authorization of spaces":            authorization("Bearer " + fill(" ")),
		"authorization of dots":              authorization("Bearer " + fill(".")),
		"authorization of letters":           authorization("Bearer " + fill("a")),
		"authorization of short parts":       authorization("Bearer " + strings.Repeat("a.", 8<<10)),
	}
}

// hostile are Checks of each shape: for a resource with a good token, for it
// without one, and for none; and those of [world.hostileJSON].
func (w *world) hostile(t testing.TB) map[string][]byte {
	t.Helper()
	wires := map[string][]byte{}
	for name, change := range shapes() {
		for who, ask := range map[string]struct{ token, host string }{
			"with a token":    {w.tokens[0], traffic.Host},
			"without a token": {"", traffic.Host},
			"for no resource": {w.tokens[0], "nobody.example.com"},
		} {
			check := traffic.Request(ask.token, traffic.Raw, 1)
			http := check.GetAttributes().GetRequest().GetHttp()
			http.Host = ask.host
			change(http)
			wires[name+", "+who] = encode(t, check)
		}
	}
	for name, check := range w.hostileJSON(t) {
		wires[name] = encode(t, check)
	}
	return wires
}

func encode(t testing.TB, check *authv3.CheckRequest) []byte {
	t.Helper()
	wire, err := proto.Marshal(check)
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

// TestMemoryOfHostileShapes: a Check of any content allocates at most eight times its
// bytes, including those that gRPC allocates, and a small constant.
// It uses no more before a signature is verified: neither for paths and headers nor
// for the JSON of a token or a DPoP proof.
func TestMemoryOfHostileShapes(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates for itself; make test runs this without it")
	}
	const times, little = 8, 16 << 10
	w := newHostileWorld(t)
	for name, wire := range w.hostile(t) {
		if got, most := w.allocated(wire), uint64(times*len(wire)+little); got > most {
			t.Errorf("%s: %d bytes allocated for a Check of %d, %.1f times as many", name, got, len(wire), float64(got)/float64(len(wire)))
		}
	}
}

// allocated is what a Check allocates, in bytes, the least of some tries: what
// runs beside it is counted too.
func (w *world) allocated(wire []byte) uint64 {
	least := ^uint64(0)
	for range 4 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w.server.Answer(context.Background(), slices.Clone(wire))
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// BenchmarkHostile shows what each shape costs; x-bytes is what is allocated for
// a byte of the Check.
func BenchmarkHostile(b *testing.B) {
	w := newHostileWorld(b)
	wires := w.hostile(b)
	for _, name := range slices.Sorted(maps.Keys(wires)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.answer(wires[name])
			}
			b.ReportMetric(float64(w.allocated(wires[name]))/float64(len(wires[name])), "x-bytes")
		})
	}
}
