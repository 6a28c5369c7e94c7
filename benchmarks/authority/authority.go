// Package authority is the authorization server of the benchmarks. It publishes,
// withholds or changes a key set, and signs tokens with these keys or with others.
package authority

import (
	"io"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// AnswersSlowly is the time to each answer, so that a request that waits for a
// fetch is visible in the latencies.
const AnswersSlowly = 250 * time.Millisecond

// Behaviour is how the authorization server answers a request.
type Behaviour string

// The behaviours.
const (
	Answers Behaviour = "answered"
	Refuses Behaviour = "answered with 503"
	Silent  Behaviour = "never answered"
)

// Fetch is one request that the authorization server received.
type Fetch struct {
	At  time.Duration // from the moment that is zero to Since
	Met Behaviour
}

// Server is the part of an authorization server that doorward uses: a key set. It
// records each fetch.
type Server struct {
	URL    string // the issuer
	server *http.Server
	ended  chan struct{} // closed when Serve returned

	mu      sync.Mutex
	behaves Behaviour
	keys    []*jwttest.Key // published
	fetches []seen
}

// seen is a fetch by the clock.
type seen struct {
	at  time.Time
	met Behaviour
}

// Open serves keys on a free port of loopback, until Close.
func Open(keys ...*jwttest.Key) (*Server, error) {
	listener, err := testenv.Listen("")
	if err != nil {
		return nil, err
	}
	a := &Server{URL: "http://" + listener.Addr().String(), behaves: Answers, keys: keys, ended: make(chan struct{})}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /jwks.json", a.keySet)
	a.server = &http.Server{
		Handler:           routes,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // an outage breaks connections
	}
	go func() {
		_ = a.server.Serve(listener) // http.ErrServerClosed, after Close
		close(a.ended)
	}()
	return a, nil
}

// JWKSURL is where the key set is.
func (a *Server) JWKSURL() string { return a.URL + "/jwks.json" }

// Close stops the server and closes its connections.
func (a *Server) Close() {
	_ = a.server.Close() // its only connections are those of the benchmark
	<-a.ended
}

func (a *Server) keySet(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	met, set := a.behaves, jwttest.JWKS(a.keys...)
	a.fetches = append(a.fetches, seen{time.Now(), met})
	a.mu.Unlock()
	wait := time.NewTimer(AnswersSlowly)
	defer wait.Stop()
	if met == Silent {
		wait.Stop()
	}
	select {
	case <-wait.C:
	case <-r.Context().Done():
		return
	}
	if met == Refuses {
		http.Error(w, "down for maintenance", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(set) // the client may have closed the connection
}

// SetBehaviour changes how the next requests are answered.
func (a *Server) SetBehaviour(m Behaviour) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.behaves = m
}

// Publish changes the key set.
func (a *Server) Publish(keys ...*jwttest.Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = keys
}

// Since returns the fetches from a moment on, with times relative to zero.
func (a *Server) Since(from, zero time.Time) []Fetch {
	a.mu.Lock()
	defer a.mu.Unlock()
	var fetches []Fetch
	for _, s := range a.fetches {
		if !s.at.Before(from) {
			fetches = append(fetches, Fetch{s.at.Sub(zero), s.met})
		}
	}
	return fetches
}
