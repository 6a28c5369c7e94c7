package testenv

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"time"
)

// token is the token endpoint (RFC 6749, section 3.2).
func (s *AuthServer) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		fail(w, badRequest("invalid_request", "the body is no form"))
		return
	}
	claims, scopes, problem := s.decide(r)
	if problem.present() {
		fail(w, problem)
		return
	}
	body := map[string]any{
		"access_token": s.Issue(claims),
		"token_type":   "Bearer",
		"expires_in":   int(s.options.Life.Seconds()),
		"scope":        strings.Join(scopes, " "),
	}
	if r.PostForm.Get("grant_type") == grantExchange {
		body["issued_token_type"] = typeAccessToken
		delete(body, "expires_in") // the token may end earlier, with the subject's
	}
	answer(w, http.StatusOK, body)
}

// decide decides on a token request and returns what the token will hold.
func (s *AuthServer) decide(r *http.Request) (claims map[string]any, scopes []string, problem oauthError) {
	form := r.PostForm
	known, problem := s.authenticate(r)
	if problem.present() {
		return nil, nil, problem
	}
	kind := form.Get("grant_type")
	if !slices.Contains(grants, kind) {
		return nil, nil, badRequest("unsupported_grant_type", "grant_type must be one of "+strings.Join(grants, ", "))
	}
	if !slices.Contains(known.GrantTypes, kind) || kind != grantCode && known.Secret == "" {
		return nil, nil, badRequest("unauthorized_client", "the client is not registered for this grant")
	}
	resource, problem := target(form["resource"])
	if problem.present() {
		return nil, nil, problem
	}
	if kind == grantExchange {
		return s.exchange(form, known.ID, resource)
	}
	subject := known.ID // RFC 9068, section 2.2: the client itself, without a resource owner
	if kind == grantCode {
		agreed, problem := s.redeem(form.Get("code"), known.ID, form.Get("redirect_uri"), form.Get("code_verifier"))
		if problem.present() {
			return nil, nil, problem
		}
		if resource != agreed.resource {
			return nil, nil, badRequest("invalid_target", "the resource owner agreed to another resource")
		}
		subject, scopes = s.options.Subject, agreed.scopes
	} else if scopes, problem = s.scopes(form.Get("scope")); problem.present() {
		return nil, nil, problem
	}
	return s.claims(subject, known.ID, resource, scopes), scopes, oauthError{}
}

// Claims are those of a good token for resource, as /token would issue it to
// the server's subject through the client "demo". The map is the caller's own:
// change it and [AuthServer.Issue] it for a token that is expired, for another
// audience, or anything else.
func (s *AuthServer) Claims(resource string, scopes ...string) map[string]any {
	return s.claims(s.options.Subject, "demo", resource, scopes)
}

// claims are those of RFC 9068, section 2.2. The audience is the resource byte
// for byte.
func (s *AuthServer) claims(subject, client, resource string, scopes []string) map[string]any {
	now := time.Now()
	claims := map[string]any{
		"iss":       s.Issuer(),
		"sub":       subject,
		"client_id": client,
		"aud":       resource,
		"iat":       now.Unix(),
		"exp":       now.Add(s.options.Life).Unix(),
		"jti":       rand.Text(),
	}
	if len(scopes) > 0 {
		claims["scope"] = strings.Join(scopes, " ")
	}
	return claims
}

// Issue signs any claims with the key that signs now: a JWT of type at+jwt.
func (s *AuthServer) Issue(claims map[string]any) string { return s.Key().Sign(claims) }

// Token is a good token for resource; short for Issue of Claims.
func (s *AuthServer) Token(resource string, scopes ...string) string {
	return s.Issue(s.Claims(resource, scopes...))
}
