package tokensearch

import (
	"encoding/base64"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// headers are those of an ordinary request.
func headers(n int) []Part {
	values := []string{
		"application/json", "gzip, deflate, br", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "api.example.com",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "f3b9a0b8-2f6e-4c06-9d0c-4a6d1f9f5a51", "10.0.0.1", "https", "keep-alive",
	}
	all := []Part{{Kind: Path, Value: "/v1/weather/forecast.json"}, {Kind: Query, Value: "city=Z%C3%BCrich&days=3"}, {Kind: Authority, Value: "api.example.com"}}
	for i := range n {
		name := fmt.Sprintf("x-header-%d", i)
		all = append(all, Part{Kind: HeaderName, Value: name}, Part{Kind: HeaderValue, Name: name, Value: values[i%len(values)]})
	}
	return all
}

// document is JSON of about so many bytes, with texts, numbers, escapes and base64.
func document(size int) string {
	r := rand.New(rand.NewPCG(3, 4))
	var b strings.Builder
	b.WriteString(`{"items":[`)
	for b.Len() < size {
		blob := make([]byte, 48)
		for i := range blob {
			blob[i] = byte(r.Uint32())
		}
		fmt.Fprintf(&b, `{"id":%d,"price":%.2f,"text":"The quick brown fox says \"yes\".\nA line, and another one. See example.com/a.b","image":"%s"},`,
			r.IntN(1e6), r.Float64()*100, base64.StdEncoding.EncodeToString(blob))
	}
	return b.String()[:size]
}

// shapes are bodies that cost as much as a server can make them cost.
var shapes = map[string]func(size int) string{
	"dots":              repeat("."),
	"a and dots":        repeat("a."),
	"e and dots":        repeat("e."),
	"begins of objects": repeat("eyJ."),
	"one long object":   repeat("e" + strings.Repeat("yJh", 20)),
	"objects":           repeat(encode(`{"a":{}}`) + "."),
	"one token":         repeat(sample + " "),
	"one token, base64": repeat(base64.StdEncoding.EncodeToString([]byte(" " + sample + " "))[:len(sample)/3*4]),
	"dots, base64":      repeat(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(".", 300)))),
	"dots, shifted":     repeat("A" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(".e", 300)))),
	"nested":            nested,
	"spaces":            repeat("u    5    L    x    "),
	"spaces alone":      repeat(" "),
	"percent":           repeat("%2e"),
	"percent signs":     repeat("%"),
	"escapes":           repeat(`\u002e`),
	"both escapes":      repeat(`\u0025\u0032\u0065e`),
	"backslashes":       repeat(`\`),
	"members":           repeat(`payload:eyJ`),
	"members, open":     repeat(`payload:"eyJhdWQi(`),
	"members, base64":   repeat(base64.StdEncoding.EncodeToString([]byte(`"payload":"eyJhdWQi`))),
	"half an object":    repeat(encode(`{"iss":{`) + "."),
	"a deep object":     repeat(encode(`{"iss":`+strings.Repeat(`{"a":`, 200)) + "."),
	"random base64":     func(size int) string { return strings.Repeat(randomBase64, size/len(randomBase64)+1)[:size] },
	"random bytes":      func(size int) string { return strings.Repeat(randomBytes, size/len(randomBytes)+1)[:size] },
}

func repeat(text string) func(int) string {
	return func(size int) string { return strings.Repeat(text, size/len(text)+1)[:size] }
}

var randomBytes, randomBase64 = func() (string, string) {
	r, blob := rand.New(rand.NewPCG(5, 6)), make([]byte, 48<<10)
	for i := range blob {
		blob[i] = byte(r.Uint32())
	}
	return string(blob), base64.StdEncoding.EncodeToString(blob)
}()

// nested is base64 of base64, as deep as the size allows.
func nested(size int) string {
	text := strings.Repeat(sample+".", 20)
	for len(text) < size {
		text = base64.StdEncoding.EncodeToString([]byte(text))
	}
	return text[:size]
}

func search1(b *testing.B, parts iter.Seq[Part]) {
	b.Helper()
	b.ReportAllocs()
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		for candidate := range Find(parts) {
			_ = candidate
		}
	}
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	b.ReportMetric(float64(after.Utime.Nano()-before.Utime.Nano())/float64(b.N), "cpu-ns/op")
}

// BenchmarkFind is a search of an ordinary request, by the bytes of its body.
func BenchmarkFind(b *testing.B) {
	b.Run("empty", func(b *testing.B) { search1(b, slices.Values(headers(0)[:1])) })
	b.Run("20 headers", func(b *testing.B) { search1(b, slices.Values(headers(20))) })
	for _, size := range []int{64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%d KiB", size>>10), func(b *testing.B) {
			search1(b, slices.Values(append(headers(20), Part{Value: document(size)})))
		})
	}
}

// BenchmarkFindHostile is the same with bodies of 64 KiB and 1 MiB that are made to
// cost much.
func BenchmarkFindHostile(b *testing.B) {
	for name, shape := range shapes {
		for _, size := range []int{64 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%d KiB", name, size>>10), func(b *testing.B) { search1(b, in(shape(size))) })
		}
	}
}
