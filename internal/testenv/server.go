package testenv

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// httpServer is one of the in-process parts, serving on loopback.
type httpServer struct {
	address string
	server  *http.Server
	ended   chan struct{} // closed when Serve returned; then failure holds
	failure error
}

// serve listens, and serves until close.
func serve(address string, handler http.Handler) (*httpServer, error) {
	listener, err := Listen(address)
	if err != nil {
		return nil, err
	}
	return serveOn(listener, handler), nil
}

func serveOn(listener net.Listener, handler http.Handler) *httpServer {
	s := &httpServer{
		address: listener.Addr().String(),
		server: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:          log.New(io.Discard, "", 0), // broken connections are what tests make
		},
		ended: make(chan struct{}),
	}
	go func() {
		s.failure = s.server.Serve(listener)
		close(s.ended)
	}()
	return s
}

func (s *httpServer) url() string { return "http://" + s.address }

// close breaks what is open, event streams too, and waits for the listener.
func (s *httpServer) close() error {
	err := s.server.Close()
	<-s.ended
	if !errors.Is(s.failure, http.ErrServerClosed) {
		err = errors.Join(err, s.failure)
	}
	return err
}
