package testenv

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// codeLife is how long an authorization code may wait (RFC 6749, section 4.1.2).
const codeLife = time.Minute

// grant is what a resource owner agreed to.
type grant struct {
	client    string
	redirect  string
	challenge string // PKCE, S256
	resource  string
	scopes    []string
	expiry    time.Time
}

// authorize is the authorization endpoint (RFC 6749, section 4.1.1) of a
// resource owner who always agrees.
func (s *AuthServer) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	s.mu.Lock()
	known, found := s.clients[query.Get("client_id")]
	s.mu.Unlock()
	redirect := query.Get("redirect_uri")
	if !found || !slices.Contains(known.RedirectURIs, redirect) {
		// Never redirected to: RFC 6749, section 4.1.2.1.
		fail(w, badRequest("invalid_request", "no such client, or not its redirect_uri"))
		return
	}
	back := url.Values{"iss": {s.Issuer()}} // RFC 9207, on errors too
	if state := query.Get("state"); state != "" {
		back.Set("state", state)
	}
	g, problem := s.consent(query)
	if problem.present() {
		back.Set("error", problem.Code)
		back.Set("error_description", problem.Description)
	} else {
		back.Set("code", s.keep(g))
	}
	to, _ := url.Parse(redirect) // sound since its registration
	for name, values := range to.Query() {
		back[name] = values
	}
	to.RawQuery = back.Encode()
	http.Redirect(w, r, to.String(), http.StatusFound)
}

// consent reads what the client asks for.
func (s *AuthServer) consent(query url.Values) (grant, oauthError) {
	g := grant{
		client:    query.Get("client_id"),
		redirect:  query.Get("redirect_uri"),
		challenge: query.Get("code_challenge"),
		expiry:    time.Now().Add(codeLife),
	}
	if query.Get("response_type") != "code" {
		return g, badRequest("unsupported_response_type", "response_type must be code")
	}
	if g.challenge == "" || query.Get("code_challenge_method") != "S256" {
		return g, badRequest("invalid_request", "PKCE with S256 is required")
	}
	var problem oauthError
	if g.resource, problem = target(query["resource"]); problem.present() {
		return g, problem
	}
	g.scopes, problem = s.scopes(query.Get("scope"))
	return g, problem
}

func (s *AuthServer) keep(g grant) (code string) {
	code = rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants[code] = g
	return code
}

// redeem takes the grant of a code, which then is used up, and checks that it was
// issued to this client, with this redirect URI and verifier.
func (s *AuthServer) redeem(code, client, redirect, verifier string) (grant, oauthError) {
	s.mu.Lock()
	g, found := s.grants[code]
	delete(s.grants, code)
	s.mu.Unlock()
	digest := sha256.Sum256([]byte(verifier))
	switch {
	case !found || time.Now().After(g.expiry):
		return grant{}, badRequest("invalid_grant", "no such code, or used or expired")
	case g.client != client || g.redirect != redirect:
		return grant{}, badRequest("invalid_grant", "the code was issued to another client or redirect_uri")
	case base64.RawURLEncoding.EncodeToString(digest[:]) != g.challenge:
		return grant{}, badRequest("invalid_grant", "the code_verifier does not fit")
	}
	return g, oauthError{}
}

// target is the one resource of a request (RFC 8707, section 2). None at all
// is refused, since its token would be good for nothing or for everything.
func target(resources []string) (string, oauthError) {
	if len(resources) != 1 || !absolute(resources[0]) {
		return "", badRequest("invalid_target", "exactly one resource is required: an absolute URI without a fragment")
	}
	return resources[0], oauthError{}
}

func (s *AuthServer) scopes(asked string) ([]string, oauthError) {
	scopes := strings.Fields(asked)
	for _, scope := range scopes {
		if !slices.Contains(s.options.Scopes, scope) {
			return nil, badRequest("invalid_scope", "a scope is not one of scopes_supported")
		}
	}
	return scopes, oauthError{}
}
