package envoy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/readers"
)

// upstream is an HTTP/1.1 server that writes down what it reads, byte for byte,
// before anything could refuse or tidy it. A path below /mcp/events is
// answered by an event at once, and a second one after release is closed.
type upstream struct {
	address string
	release chan struct{}
	headers string // more lines of each answer; set before the first request

	mu   sync.Mutex
	seen []arrived
}

// arrived is one request; header names are in lower case.
type arrived struct {
	method, target string
	headers        [][2]string
}

// values are those of every header that a CGI-like server would take for name.
func (a arrived) values(name string) []string {
	var values []string
	for _, header := range a.headers {
		if readers.Lighttpd(header[0]) == readers.Lighttpd(name) {
			values = append(values, header[1])
		}
	}
	return values
}

func (a arrived) value(name string) string { return strings.Join(a.values(name), "\n") }

func startUpstream(t *testing.T) *upstream {
	t.Helper()
	listener, err := testenv.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{address: listener.Addr().String(), release: make(chan struct{})}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go u.serve(conn)
		}
	}()
	return u
}

func (u *upstream) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReader(conn)
	for {
		got, err := readHead(reader)
		if err != nil {
			return
		}
		u.mu.Lock()
		u.seen = append(u.seen, got)
		u.mu.Unlock()
		if err := got.skipBody(reader); err != nil {
			return
		}
		if err := u.answer(conn, got); err != nil {
			return
		}
	}
}

func readHead(reader *bufio.Reader) (arrived, error) {
	var got arrived
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return got, err
		}
		line = strings.TrimRight(line, "\r\n")
		switch {
		case line == "":
			return got, nil
		case got.target == "":
			method, rest, _ := strings.Cut(line, " ")
			got.method, got.target = method, strings.TrimSuffix(rest, " HTTP/1.1")
		default:
			name, value, _ := strings.Cut(line, ":")
			got.headers = append(got.headers, [2]string{strings.ToLower(name), strings.TrimSpace(value)})
		}
	}
}

func (a arrived) skipBody(reader *bufio.Reader) error {
	if a.value("transfer-encoding") == "chunked" {
		if _, err := io.Copy(io.Discard, httputil.NewChunkedReader(reader)); err != nil {
			return err
		}
		line, err := reader.ReadString('\n')
		if err == nil && strings.TrimSpace(line) != "" {
			err = errors.New("the request has trailers")
		}
		return err
	}
	length, err := strconv.ParseInt(or(a.value("content-length"), "0"), 10, 64)
	if err != nil {
		return err
	}
	_, err = io.CopyN(io.Discard, reader, length)
	return err
}

func (u *upstream) answer(conn net.Conn, to arrived) error {
	if !strings.HasPrefix(to.target, "/mcp/events") {
		_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nmcp-session-id: s-1\r\n"+u.headers+"content-length: 3\r\n\r\n")
		if to.method != "HEAD" {
			_, more := io.WriteString(conn, "ok\n")
			err = errors.Join(err, more)
		}
		return err
	}
	const first, second = "data: first\n\n", "data: second\n\n"
	_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"+chunk(first))
	<-u.release
	_, more := io.WriteString(conn, chunk(second)+chunk(""))
	return errors.Join(err, more)
}

func chunk(text string) string {
	return strconv.FormatInt(int64(len(text)), 16) + "\r\n" + text + "\r\n"
}

// take gives what arrived since the last take.
func (u *upstream) take() []arrived {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.seen
	u.seen = nil
	return taken
}
