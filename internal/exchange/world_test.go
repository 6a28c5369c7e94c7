package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

const (
	serverID    = "https://as.example.com"
	tokenURL    = serverID + "/token"
	apiID       = "https://api.example.com"
	ourID       = "https://mcp.example.com/mcp"
	secretValue = "a s3cr3t+%&"
	callingName = "weather"
)

var serverKey = jwttest.NewKey("ES256", "as")

// server is an authorization server below http.RoundTripper.
type server struct {
	mu       sync.Mutex
	metadata map[string]any
	answers  func(form url.Values) (status int, contentType, body string)
	latency  time.Duration
	down     bool
	requests []*http.Request // to the token endpoint
	forms    []url.Values
	lookups  int // of metadata
}

func newServer() *server {
	s := &server{metadata: map[string]any{"issuer": serverID, "token_endpoint": tokenURL}}
	s.answerWell()
	return s
}

func (s *server) answerWell() {
	s.change(func(s *server) {
		s.answers = func(url.Values) (int, string, string) { return 200, "application/json", answerWith(nil) }
	})
}

func (s *server) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	latency := s.latency
	s.mu.Unlock()
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, syscall.ECONNREFUSED
	}
	status, contentType, body := 404, "text/html", "<html>"
	switch {
	case req.Method == http.MethodPost:
		text, err := io.ReadAll(req.Body)
		form, formErr := url.ParseQuery(string(text))
		if err := errors.Join(err, formErr); err != nil {
			return nil, err
		}
		s.requests, s.forms = append(s.requests, req), append(s.forms, form)
		status, contentType, body = s.answers(form)
	case req.URL.Path == "/.well-known/oauth-authorization-server" && s.metadata != nil:
		s.lookups++
		status, contentType, body = 200, "application/json", jsonOf(s.metadata)
	default:
		s.lookups++
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {contentType}}, Request: req,
		Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

func (s *server) change(f func(*server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// answer makes the server answer with this status and body, in JSON.
func (s *server) answer(status int, body string) {
	s.change(func(s *server) {
		s.answers = func(url.Values) (int, string, string) { return status, "application/json", body }
	})
}

func (s *server) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

func (s *server) last() (*http.Request, url.Values) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) == 0 {
		return &http.Request{}, nil
	}
	return s.requests[len(s.requests)-1], s.forms[len(s.forms)-1]
}

func jsonOf(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// issued is a token for the API, as the server issues it; nil takes a claim away.
func issued(claims map[string]any) string {
	all := map[string]any{
		"iss": serverID, "sub": "ann", "aud": apiID, "exp": time.Now().Add(10 * time.Minute).Unix(),
		"act": map[string]any{"sub": "doorward"},
	}
	return serverKey.Sign(change(all, claims))
}

func change(members, by map[string]any) map[string]any {
	for name, value := range by {
		members[name] = value
		if value == nil {
			delete(members, name)
		}
	}
	return members
}

// answerWith is a good answer but for these members; nil takes one away.
func answerWith(members map[string]any) string {
	return jsonOf(change(map[string]any{
		"access_token": issued(nil), "issued_token_type": typeAccessToken, "token_type": "Bearer", "expires_in": 600,
	}, members))
}

func entry() Entry {
	return Entry{
		Issuer: serverID, Resource: apiID, Scope: []string{"read", "write"},
		ClientID: "door ward", ClientSecret: []byte(secretValue + "\n"),
	}
}

// ours has the audience of a resource of ours in it.
func ours(compact string) bool {
	parts := strings.Split(compact, ".")
	return len(parts) == 3 && strings.Contains(decode(parts[1]), ourID)
}

// world is a source with its server.
type world struct {
	*Source
	t       *testing.T
	server  *server
	mu      sync.Mutex
	results map[Result]int
}

func newWorld(t *testing.T, e Entry) *world {
	w := &world{t: t, server: newServer(), results: map[Result]int{}}
	w.Source = NewSource(e, Environment{
		IsOurs: ours, Transport: w.server,
		Observe: func(issuer string, result Result) {
			if issuer != e.Issuer {
				t.Errorf("observed for %q", issuer)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.results[result]++
		},
	})
	return w
}

// user is a subject with a token of its own.
func user(name string) Subject {
	expiry := time.Now().Add(time.Hour)
	return Subject{
		Token:    serverKey.Sign(map[string]any{"iss": serverID, "sub": name, "aud": ourID, "exp": expiry.Unix()}),
		Resource: callingName, Issuer: serverID, Expiry: expiry,
	}
}

func (w *world) exchange(s Subject) (Token, error) { return w.Exchange(w.t.Context(), s) }

func (w *world) mustExchange(s Subject) Token {
	w.t.Helper()
	token, err := w.exchange(s)
	if err != nil || token.Access == "" {
		w.t.Fatalf("%v, %v", token, err)
	}
	return token
}

// wantIdle checks that nothing is under way.
func (w *world) wantIdle() {
	w.t.Helper()
	w.Source.mu.Lock()
	defer w.Source.mu.Unlock()
	if len(w.flights) != 0 || len(w.queue.slots) != 0 || w.queue.waiting.Load() != 0 {
		w.t.Errorf("%d flights, %d slots, %d wait", len(w.flights), len(w.queue.slots), w.queue.waiting.Load())
	}
}

// wantAsked is how many requests reached the server so far.
func (w *world) wantAsked(want int) {
	w.t.Helper()
	if got := w.server.asked(); got != want {
		w.t.Errorf("%d requests, want %d", got, want)
	}
}

// wantError checks a failure: of this kind, with these words, and with no secret.
func (w *world) wantError(intent string, got Token, err error, code, words string) {
	w.t.Helper()
	var refused *Refused
	isRefused := errors.As(err, &refused)
	switch {
	case err == nil || got != Token{}:
		w.t.Errorf("%s: %v and error %v", intent, got, err)
	case isRefused != (code != ""), isRefused && refused.Code != code, !strings.Contains(err.Error(), words):
		w.t.Errorf("%s: %#v: %v; want code %q, words %q", intent, err, err, code, words)
	case strings.Contains(err.Error(), "s3cr3t"), strings.Contains(err.Error(), "eyJ"):
		w.t.Errorf("%s: the error shows what is secret: %v", intent, err)
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
