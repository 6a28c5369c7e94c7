package mcp

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

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

// BenchmarkWalk is the bare walk that BenchmarkRead is held against: every token,
// with the decoder's own search for duplicate names and without it.
func BenchmarkWalk(b *testing.B) {
	for name, body := range bodies() {
		for _, duplicates := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/duplicates allowed %v", name, duplicates), func(b *testing.B) {
				var d jsontext.Decoder
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					d.Reset(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(duplicates))
					for {
						if _, err := d.ReadToken(); err != nil {
							break
						}
					}
				}
			})
		}
	}
}
