package mcp

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// bodies are those whose cost is measured, by their sizes and shapes.
func bodies() map[string][]byte {
	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{%s}}}`
	text := func(size int) string {
		return fmt.Sprintf(`"text":%q`, strings.Repeat("The quick brown fox. ", size/21))
	}
	members := func(count int) string {
		var b strings.Builder
		for i := range count {
			fmt.Fprintf(&b, `,"name%05d":%d`, i, i%10)
		}
		return b.String()[1:]
	}
	nested := strings.Repeat(`{"a":1,"b":[true,null],"c":"d"},`, 400)
	return map[string][]byte{
		"plain 200 B":         fmt.Appendf(nil, call, `"query":"what is new","limit":10,"filter":{"since":"2026-01-01"}`),
		"text 1 KiB":          fmt.Appendf(nil, call, text(1<<10)),
		"members 1 KiB":       fmt.Appendf(nil, call, members(64)),
		"text 64 KiB":         fmt.Appendf(nil, call, text(64<<10)),
		"members 500":         fmt.Appendf(nil, call, members(500)),
		"members 4000":        fmt.Appendf(nil, call, members(4000)),
		"objects 400":         fmt.Appendf(nil, call, `"list":[`+nested[:len(nested)-1]+`]`),
		"escaped names 2,000": fmt.Appendf(nil, call, strings.ReplaceAll(members(2000), `"name`, `"n\u0061me`)),
	}
}

func requestOf(body []byte) Request {
	contentType := []string{"application/json"}
	return Request{Method: http.MethodPost, Body: body, Headers: func(name string) []string {
		if name == "content-type" {
			return contentType
		}
		return nil
	}}
}

func BenchmarkRead(b *testing.B) {
	for name, body := range bodies() {
		b.Run(name, func(b *testing.B) {
			request := requestOf(body)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if r := Read(request, Trust{}); r.Fault != NoFault {
					b.Fatal(r.Detail)
				}
			}
		})
	}
}

// BenchmarkReadInWalks reports what Read costs in bare walks of the same bytes:
// every token by jsontext, with its own search for duplicate names (the default)
// and without it. The fastest of many rounds count, in turns, so that other load on
// the machine matters little.
func BenchmarkReadInWalks(b *testing.B) {
	for name, body := range bodies() {
		b.Run(name, func(b *testing.B) {
			request, repeat := requestOf(body), max(1, 100_000/len(body))
			read := func() { Read(request, Trust{}) }
			best := [3]time.Duration{math.MaxInt64, math.MaxInt64, math.MaxInt64}
			for b.Loop() {
				for i, do := range []func(){read, walk(body, false), walk(body, true)} {
					began := time.Now()
					for range repeat {
						do()
					}
					best[i] = min(best[i], time.Since(began))
				}
			}
			b.ReportMetric(float64(best[0])/float64(best[1]), "walks")
			b.ReportMetric(float64(best[0])/float64(best[2]), "walks-without-names")
			b.ReportMetric(float64(best[0].Nanoseconds())/float64(repeat), "best-ns")
		})
	}
}

func walk(body []byte, duplicates bool) func() {
	var d jsontext.Decoder
	return func() {
		d.Reset(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(duplicates))
		for {
			if _, err := d.ReadToken(); err != nil {
				return
			}
		}
	}
}
