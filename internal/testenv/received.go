package testenv

import (
	"net/http"
	"sync"
)

// ReceivedRequest is one request as it arrived at a server.
type ReceivedRequest struct {
	Method string
	Host   string
	URL    string      // path and query, byte for byte
	Header http.Header // a copy; without Host, which Go keeps apart
}

// seenRequests keeps each request of a server, so that a test can see what arrived.
type seenRequests struct {
	mu   sync.Mutex
	seen []ReceivedRequest
}

// Requests are those that arrived since the start, or since the last Forget.
func (s *seenRequests) Requests() []ReceivedRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]ReceivedRequest(nil), s.seen...)
}

// Forget empties the list of requests.
func (s *seenRequests) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = nil
}

func (s *seenRequests) remember(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, ReceivedRequest{r.Method, r.Host, r.RequestURI, r.Header.Clone()})
		s.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}
