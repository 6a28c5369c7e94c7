package mcp

import (
	"net/http"
	"testing"
)

func header(pairs ...string) func(string) []string {
	h := map[string][]string{}
	for i := 0; i < len(pairs); i += 2 {
		h[pairs[i]] = append(h[pairs[i]], pairs[i+1])
	}
	return func(name string) []string { return h[name] }
}

func TestQuick(t *testing.T) {
	r := Read(Request{
		Method:  http.MethodPost,
		Headers: header("content-type", "application/json"),
		Body:    []byte(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ech\u006f","arguments":{"a":[{"name":1}]}}}`),
	}, Trust{})
	t.Logf("%+v %s", r, r.ID)
	if r.Operations[0].Name != "echo" {
		t.Fatal()
	}
}
