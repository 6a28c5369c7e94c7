package service

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener without a network.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return new(net.UnixAddr) }

// port serves a handler in a bubble until the test ends.
type port struct {
	pipes
	crowd *crowd
}

func newPort(t *testing.T, handler http.Handler) *port {
	t.Helper()
	p := &port{pipes: make(pipes)}
	p.crowd = newCrowd(p.pipes)
	server := newHTTPServer(handler, writeWithin, slog.New(slog.DiscardHandler))
	go func() { _ = server.Serve(p.crowd) }()
	t.Cleanup(func() {
		close(p.pipes)
		_ = server.Close()
	})
	return p
}

// connect sends a text, whole or in part.
func (p *port) connect(t *testing.T, text string) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	p.pipes <- server
	t.Cleanup(func() { _ = client.Close() })
	if _, err := io.WriteString(client, text); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return client
}

func (p *port) held() int {
	synctest.Wait()
	p.crowd.mu.Lock()
	defer p.crowd.mu.Unlock()
	return len(p.crowd.open)
}

const getMetrics = "GET /metrics HTTP/1.1\r\nHost: doorward\r\n\r\n"

// TestSlowClientsLose what they hold: the one that does not read, the one that
// does not send, and the one that does neither after an answer.
func TestSlowClientsLose(t *testing.T) {
	body := strings.Repeat("x", 1<<20)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
	for _, row := range []struct {
		intent, sent string
		reads        bool
		within       time.Duration
	}{
		{"reads nothing", getMetrics, false, writeWithin},
		{"sends half a header", "GET /metrics HTTP/1.1\r\nHost: d", false, 5 * time.Second},
		{"sends nothing", "", false, 5 * time.Second},
		{"sends half a body", "POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 10\r\n\r\nx", true, 10 * time.Second},
		{"is idle", getMetrics, true, time.Minute},
	} {
		t.Run(row.intent, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPort(t, handler)
				client := p.connect(t, row.sent)
				if row.reads {
					go func() { _, _ = io.Copy(io.Discard, client) }()
				}
				<-time.After(row.within - time.Second)
				if p.held() != 1 {
					t.Fatal("closed too early")
				}
				<-time.After(2 * time.Second)
				if p.held() != 0 {
					t.Error("a slow client holds its connection")
				}
			})
		})
	}
}

// TestANewConnectionTakesThePlaceOfTheOldest, so that a crowd that holds its
// connections keeps no probe out.
func TestANewConnectionTakesThePlaceOfTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPort(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		var crowd []net.Conn
		for range mostConnections {
			crowd = append(crowd, p.connect(t, "GET"))
		}
		probe := p.connect(t, getMetrics)
		answer, err := http.ReadResponse(bufio.NewReader(probe), nil)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("the probe: %v", err)
		}
		_ = answer.Body.Close()
		if p.held() != mostConnections {
			t.Errorf("%d connections", p.held())
		}
		for i, conn := range crowd[:2] {
			_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := conn.Read(make([]byte, 1))
			if open := errors.Is(err, os.ErrDeadlineExceeded); open != (i > 0) {
				t.Errorf("connection %d: %v", i, err)
			}
		}
	})
}

// TestTooLongAHeader is refused, whatever is in it.
func TestTooLongAHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPort(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("served") }))
		client, server := net.Pipe()
		p.pipes <- server
		defer client.Close()
		go func() {
			_, _ = io.WriteString(client, "GET / HTTP/1.1\r\nHost: d\r\nX: "+strings.Repeat("x", 32<<10)+"\r\n\r\n")
		}()
		answer, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil || answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%v, %v", answer, err)
		}
		<-time.After(time.Second) // the server waits that its answer arrives
	})
}

// TestMetricsAreRenderedOnceForMany that ask while a rendering is under way, and
// never from before a request.
func TestMetricsAreRenderedOnceForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		renderings, release := 0, make(chan struct{})
		p := newPage(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			renderings++
			number := renderings
			<-release
			_, _ = io.WriteString(w, strings.Repeat("x", number))
		}))
		answers := make(chan *rendering, 100)
		ask := func() { answers <- p.current() }
		go ask()
		synctest.Wait()
		for range 50 {
			go ask()
		}
		synctest.Wait()
		close(release)
		synctest.Wait()
		if first := <-answers; renderings != 2 || first.body.String() != "x" {
			t.Errorf("%d renderings, the first %q", renderings, first.body.String())
		}
		shared := <-answers
		for range 49 {
			if next := <-answers; next != shared || next.body.String() != "xx" {
				t.Errorf("another rendering: %q", next.body.String())
			}
		}
	})
}

// TestAPageIsServedAsItWasAccepted: packed for whom it may be, and a panic is a
// 500 for all who wait.
func TestAPageIsServedAsItWasAccepted(t *testing.T) {
	for accept, packed := range map[string]bool{
		"": false, "gzip": true, "br, GZIP ;q=0.5": true,
		"gzip;q=0": false, "gzip;q=0.0": false, "gzip;q=x": false, "deflate, x-gzip": false,
	} {
		if acceptsGzip([]string{accept}) != packed {
			t.Errorf("%q: packed is not %t", accept, packed)
		}
	}
	p := newPage(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "abc")
	}))
	answer := &rendering{header: http.Header{}}
	p.ServeHTTP(answer, &http.Request{Header: http.Header{"Accept-Encoding": {"gzip"}}})
	unpacked, err := gzip.NewReader(&answer.body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unpacked)
	if string(text) != "abc" || err != nil || answer.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%q, %v, %v", text, err, answer.header)
	}
	broken := newPage(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("x")
	}))
	waits := &rendering{done: make(chan struct{}), header: http.Header{}}
	broken.next = waits // as another client's
	close(waits.done)
	answer = &rendering{header: http.Header{}}
	if broken.ServeHTTP(answer, &http.Request{}); answer.code != http.StatusInternalServerError || answer.body.Len() > 0 {
		t.Errorf("%d %q", answer.code, answer.body.String())
	}
}
