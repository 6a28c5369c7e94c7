package envoy_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptrace"
	"testing"

	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// TestEventsAreNotHeldBack: the first event of a stream reaches the client
// while the stream is open, and nothing is lost. That no timeout cuts it later
// is TestHardening.
func TestEventsAreNotHeldBack(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	behind := startUpstream(t)
	h := startEnvironment(t, behind.address)
	h.activate(t, standard(key).state(t))
	request, err := http.NewRequestWithContext(withPatience(t), http.MethodGet, h.envoy.URL()+"/mcp/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "mcp.example.com"
	request.Header.Set("Authorization", "Bearer "+key.Sign(claims()))
	response, err := new(http.Transport).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if got := response.Header.Get("Content-Type"); got != "text/event-stream" || response.StatusCode != 200 {
		t.Fatalf("%s, %s", response.Status, got)
	}
	reader := bufio.NewReader(response.Body)
	for _, want := range []string{"data: first\n", "\n"} {
		if line, err := reader.ReadString('\n'); err != nil || line != want {
			t.Fatalf("%q, %v; want %q", line, err, want)
		}
	}
	close(behind.release) // only now does the server send more
	rest, err := io.ReadAll(reader)
	if err != nil || string(rest) != "data: second\n\n" {
		t.Errorf("%q, %v", rest, err)
	}
}

// TestEveryRequestOfAConnectionIsJudged is TK-2 and TK-10: a token opens the
// door for its own request alone, and a session id for none.
func TestEveryRequestOfAConnectionIsJudged(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	behind := startUpstream(t)
	h := startEnvironment(t, behind.address)
	h.activate(t, standard(key).state(t))
	connections := &http.Transport{MaxConnsPerHost: 1}
	defer connections.CloseIdleConnections()
	used := map[string]bool{}
	watch := httptrace.WithClientTrace(withPatience(t), &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) { used[got.Conn.LocalAddr().String()] = true },
	})
	for _, method := range []string{"POST", "GET", "DELETE"} {
		for _, row := range []struct {
			authorization string
			status        int
		}{{"Bearer " + key.Sign(claims()), 200}, {"", 401}} {
			request, err := http.NewRequestWithContext(watch, method, h.envoy.URL()+"/mcp", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = "mcp.example.com"
			request.Header.Set("Mcp-Session-Id", "s-1")
			if row.authorization != "" {
				request.Header.Set("Authorization", row.authorization)
			}
			response, err := connections.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if response.StatusCode != row.status {
				t.Errorf("%s with %.10q: %s, want %d", method, row.authorization, response.Status, row.status)
			}
		}
	}
	if n := len(behind.take()); n != 3 || len(used) != 1 {
		t.Errorf("%d requests arrived instead of 3, over %d connections instead of 1", n, len(used))
	}
}
