package main

import (
	"io"
	"log"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/doorward/doorward/envoy/rig"
	"github.com/doorward/doorward/envoy/rig/mint"
)

// thinks is how long the authorization server takes for an answer. One that
// answers at once would hide who waits for it.
const thinks = 250 * time.Millisecond

// mood is how the authorization server meets a request.
type mood string

// The moods.
const (
	answers mood = "answered"
	refuses mood = "answered with 503"
	silent  mood = "never answered"
)

// fetch is one request that the authorization server saw.
type fetch struct {
	at  time.Duration // from the start of the disturbance
	met mood
}

// authority is as much of an authorization server as doorward ever sees: a key
// set. It notes when it was asked.
type authority struct {
	url    string
	server *http.Server
	ended  chan struct{} // closed when Serve returned

	mu      sync.Mutex
	mood    mood
	keys    []*mint.Key // published
	fetches []seen
}

// seen is a fetch by the clock.
type seen struct {
	at  time.Time
	met mood
}

// openAuthority serves keys on a free port of loopback, until close.
func openAuthority(keys ...*mint.Key) (*authority, error) {
	listener, err := rig.Listen("")
	if err != nil {
		return nil, err
	}
	a := &authority{url: "http://" + listener.Addr().String(), mood: answers, keys: keys, ended: make(chan struct{})}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /jwks.json", a.keySet)
	a.server = &http.Server{
		Handler:           routes,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // broken connections are what an outage makes
	}
	go func() {
		_ = a.server.Serve(listener) // it ends with close, and says so
		close(a.ended)
	}()
	return a, nil
}

func (a *authority) close() {
	_ = a.server.Close() // breaks what is open; there is nothing else to lose
	<-a.ended
}

func (a *authority) keySet(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	met, set := a.mood, mint.JWKS(a.keys...)
	a.fetches = append(a.fetches, seen{time.Now(), met})
	a.mu.Unlock()
	wait := time.NewTimer(thinks)
	defer wait.Stop()
	if met == silent {
		wait.Stop()
	}
	select {
	case <-wait.C:
	case <-r.Context().Done():
		return
	}
	if met == refuses {
		http.Error(w, "down for maintenance", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(set) // who leaves before the answer needs none
}

func (a *authority) become(m mood) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mood = m
}

func (a *authority) publish(keys ...*mint.Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = keys
}

// since are the fetches from a moment on, timed from another.
func (a *authority) since(from, zero time.Time) []fetch {
	a.mu.Lock()
	defer a.mu.Unlock()
	var fetches []fetch
	for _, s := range slices.Clone(a.fetches) {
		if !s.at.Before(from) {
			fetches = append(fetches, fetch{s.at.Sub(zero), s.met})
		}
	}
	return fetches
}
