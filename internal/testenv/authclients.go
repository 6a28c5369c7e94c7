package testenv

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
)

// Grant types (RFC 6749, sections 4.1.3 and 4.4.2; RFC 8693, section 2.1) and ways in which a client
// proves itself (RFC 7591, section 2).
const (
	grantCode     = "authorization_code"
	grantClient   = "client_credentials"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"

	authNone  = "none"
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
)

// grants are the grant types of the server.
var grants = []string{grantCode, grantClient, grantExchange}

// client is one registered client. A public one has no secret.
type client struct {
	ID           string   `json:"client_id"`
	Secret       string   `json:"client_secret,omitempty"`
	Name         string   `json:"client_name,omitempty"`
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	GrantTypes   []string `json:"grant_types,omitempty"`
	AuthMethod   string   `json:"token_endpoint_auth_method,omitempty"`
}

// oauthError is an error answer (RFC 6749, section 5.2); the zero value is none.
type oauthError struct {
	status      int
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func badRequest(code, description string) oauthError {
	return oauthError{http.StatusBadRequest, code, description}
}

func (e oauthError) present() bool { return e.Code != "" }

// AddClient registers a confidential client that may log users in and use client
// credentials, as an administrator would.
func (s *AuthServer) AddClient(id, secret string) { s.add(id, secret, grantCode, grantClient) }

// AddExchanger registers a confidential client that may exchange tokens (RFC 8693), and
// nothing else. No client becomes one by registering itself.
func (s *AuthServer) AddExchanger(id, secret string) { s.add(id, secret, grantExchange) }

func (s *AuthServer) add(id, secret string, grants ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[id] = client{ID: id, Secret: secret, GrantTypes: grants, AuthMethod: authBasic}
}

// register is dynamic client registration (RFC 7591, section 3). Who asks for
// no secret gets none.
func (s *AuthServer) register(w http.ResponseWriter, r *http.Request) {
	var asked client
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&asked); err != nil {
		fail(w, badRequest("invalid_client_metadata", "the body is no JSON object"))
		return
	}
	if len(asked.GrantTypes) == 0 {
		asked.GrantTypes = []string{grantCode}
	}
	if slices.Contains(asked.GrantTypes, grantExchange) {
		fail(w, badRequest("invalid_client_metadata", "no client can register itself for this grant"))
		return
	}
	if asked.AuthMethod == "" {
		asked.AuthMethod = authBasic
	}
	if slices.Contains(asked.GrantTypes, grantCode) && !soundRedirects(asked.RedirectURIs) {
		fail(w, badRequest("invalid_redirect_uri", "redirect_uris must be absolute URIs without a fragment"))
		return
	}
	asked.ID, asked.Secret = rand.Text(), ""
	if asked.AuthMethod != authNone {
		asked.Secret = rand.Text()
	}
	s.mu.Lock()
	s.clients[asked.ID] = asked
	s.mu.Unlock()
	answer(w, http.StatusCreated, asked)
}

// soundRedirects: RFC 6749, section 3.1.2.
func soundRedirects(uris []string) bool {
	return len(uris) > 0 && !slices.ContainsFunc(uris, func(uri string) bool { return !absolute(uri) })
}

// absolute reports whether uri is an absolute URI without a fragment.
func absolute(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.Scheme != "" && u.Host != "" && u.Fragment == ""
}

// authenticate finds the client of a token request (RFC 6749, section 2.3), by
// Basic or by form parameters, whichever it used.
func (s *AuthServer) authenticate(r *http.Request) (client, oauthError) {
	id, secret, basic := r.BasicAuth()
	if basic {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	s.mu.Lock()
	known, found := s.clients[id]
	s.mu.Unlock()
	if !found || subtle.ConstantTimeCompare([]byte(known.Secret), []byte(secret)) != 1 {
		return client{}, oauthError{http.StatusUnauthorized, "invalid_client", "no such client, or not its secret"}
	}
	return known, oauthError{}
}

func fail(w http.ResponseWriter, e oauthError) {
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
	}
	answer(w, e.status, e)
}
