package testenv

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// AuthServerOptions are the choices of an [AuthServer].
type AuthServerOptions struct {
	Listen  string        // host:port; "" is a free port on 127.0.0.1
	Scopes  []string      // the scopes it grants; another one is invalid_scope
	Subject string        // who logs in; "" is "alice"
	Life    time.Duration // of an access token; 0 is 10 minutes
}

// AuthServer is a small OAuth 2.1 authorization server: metadata (RFC 8414),
// dynamic registration (RFC 7591), the code flow with PKCE (RFC 7636) and
// consent without a page, client credentials, token exchange (RFC 8693), resource
// indicators (RFC 8707), issuer identification (RFC 9207) and JWT access tokens
// (RFC 9068). It keeps everything in memory, logs nothing, and is for loopback only:
// every client gets a token.
type AuthServer struct {
	options AuthServerOptions
	server  *httpServer

	mu      sync.Mutex
	keys    []*jwttest.Key // published; the last one signs
	made    int            // keys ever made, for their ids
	fetches int
	clients map[string]client
	grants  map[string]grant // by authorization code
}

// StartAuthServer serves on loopback until Close.
func StartAuthServer(o AuthServerOptions) (*AuthServer, error) {
	if o.Subject == "" {
		o.Subject = "alice"
	}
	if o.Life == 0 {
		o.Life = 10 * time.Minute
	}
	s := &AuthServer{options: o, clients: map[string]client{}, grants: map[string]grant{}}
	s.Rotate()
	routes := http.NewServeMux()
	routes.HandleFunc("GET /.well-known/oauth-authorization-server", s.metadata)
	routes.HandleFunc("GET /jwks.json", s.jwks)
	routes.HandleFunc("POST /register", s.register)
	routes.HandleFunc("GET /authorize", s.authorize)
	routes.HandleFunc("POST /token", s.token)
	server, err := serve(o.Listen, routes)
	if err != nil {
		return nil, err
	}
	s.server = server
	return s, nil
}

// Issuer is the issuer identifier: the server's URL, without a slash at its end.
func (s *AuthServer) Issuer() string { return s.server.url() }

// JWKSURI is where the server publishes its keys.
func (s *AuthServer) JWKSURI() string { return s.Issuer() + "/jwks.json" }

// Close ends the server and its connections.
func (s *AuthServer) Close() error { return s.server.close() }

// Key is the key that signs now, for tokens that need another header.
func (s *AuthServer) Key() *jwttest.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[len(s.keys)-1]
}

// Rotate makes a new signing key, publishes it beside the older ones, and
// returns it.
func (s *AuthServer) Rotate() *jwttest.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	key := jwttest.NewKey("ES256", "key-"+strconv.Itoa(s.made))
	s.keys = append(s.keys, key)
	return key
}

// Withdraw takes every key but the signing one out of the published set.
func (s *AuthServer) Withdraw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = s.keys[len(s.keys)-1:]
}

// KeyFetches counts how often the key set was fetched.
func (s *AuthServer) KeyFetches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetches
}

// metadata is the document of RFC 8414, section 2.
func (s *AuthServer) metadata(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                         s.Issuer(),
		"authorization_endpoint":                         s.Issuer() + "/authorize",
		"token_endpoint":                                 s.Issuer() + "/token",
		"registration_endpoint":                          s.Issuer() + "/register",
		"jwks_uri":                                       s.JWKSURI(),
		"scopes_supported":                               s.options.Scopes,
		"response_types_supported":                       []string{"code"},
		"grant_types_supported":                          grants,
		"token_endpoint_auth_methods_supported":          []string{authNone, authBasic, authPost},
		"code_challenge_methods_supported":               []string{"S256"},
		"authorization_response_iss_parameter_supported": true,
	})
}

func (s *AuthServer) jwks(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	s.fetches++
	set := jwttest.JWKS(s.keys...)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(set) // who leaves before the answer needs none
}

// answer writes a JSON body that must not be cached.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who leaves before the answer needs none
}
