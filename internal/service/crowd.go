package service

import (
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// mostConnections is how many connections a port for people and machines that
	// are not Envoy has at once. Probes and scrapes need a handful.
	mostConnections = 128

	// writeWithin bounds an answer on listen.http from the end of its request's
	// header to the client's last byte of it. profileWithin is for listen.debug,
	// where the client chooses how long a profile takes.
	writeWithin   = 10 * time.Second
	profileWithin = 2 * time.Minute
)

// newHTTPServer bounds what one connection can hold: in time, whether its client
// sends or reads slowly or not at all, and in bytes. A [crowd] bounds how many.
func newHTTPServer(handler http.Handler, write time.Duration, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      write,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// crowd is a listener with at most mostConnections open. A new connection takes
// the place of the oldest, so that clients which hold theirs keep no probe out.
type crowd struct {
	net.Listener

	mu   sync.Mutex
	open []*member // the oldest first
}

type member struct {
	net.Conn
	crowd *crowd
}

func newCrowd(listener net.Listener) *crowd { return &crowd{Listener: listener} }

// Accept implements net.Listener.
func (c *crowd) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	next, oldest := c.enter(conn)
	if oldest != nil {
		_ = oldest.Conn.Close() // its server sees that, and closes it again
	}
	return next, nil
}

// enter also returns the member that has to leave, or nil.
func (c *crowd) enter(conn net.Conn) (next, oldest *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) >= mostConnections {
		oldest = c.open[0]
		c.open = slices.Delete(c.open, 0, 1)
	}
	next = &member{Conn: conn, crowd: c}
	c.open = append(c.open, next)
	return next, oldest
}

// Close implements net.Conn.
func (m *member) Close() error {
	m.crowd.leave(m)
	return m.Conn.Close()
}

// leave changes nothing where m has left already.
func (c *crowd) leave(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = slices.DeleteFunc(c.open, func(other *member) bool { return other == m })
}
