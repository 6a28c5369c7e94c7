package extauthz_test

import (
	"strings"
	"testing"
)

// TestAMeshWithoutAuthorization: requests that never have a credential, nor what
// Envoy adds to each, are a list of headers in the mesh, which the log names.
func TestAMeshWithoutAuthorization(t *testing.T) {
	const warning = `"msg":"the mesh sends no Authorization header"`
	for _, row := range []struct {
		intent string
		times  int
		every  func(i int, d *testService) clientRequest
		want   int
	}{
		{"few of them", 99, func(int, *testService) clientRequest { return clientRequest{} }, 0},
		{"many", 100, func(int, *testService) clientRequest { return clientRequest{} }, 1},
		{"more", 450, func(int, *testService) clientRequest { return clientRequest{} }, 3}, // at 100, 200 and 400
		{"clients that did not log in yet", 300, func(int, *testService) clientRequest {
			return clientRequest{headers: [][2]string{{"x-request-id", "1"}}}
		}, 0},
		{"a list with Authorization", 300, func(i int, d *testService) clientRequest {
			if i%90 == 0 {
				return bearer(d.token())
			}
			return clientRequest{}
		}, 0},
		{"beside a mesh that sends everything", 300, func(i int, d *testService) clientRequest {
			if i%2 == 0 {
				q := bearer(d.token())
				q.headers = append(q.headers, [2]string{"x-request-id", "1"})
				return q
			}
			return clientRequest{}
		}, 1},
	} {
		d := startService(t)
		for i := range row.times {
			d.check(t, row.every(i, d).joined())
		}
		if got := strings.Count(d.log.String(), warning); got != row.want {
			t.Errorf("%s: %d warnings, want %d\n%s", row.intent, got, row.want, d.log.String()[:min(len(d.log.String()), 1000)])
		}
	}
}
