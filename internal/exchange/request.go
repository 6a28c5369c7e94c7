package exchange

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/doorward/doorward/internal/outbound"
)

// The names of RFC 8693, section 3, and of the grants.
const (
	typeAccessToken = "urn:ietf:params:oauth:token-type:access_token" //nolint:gosec // no credential
	typeJWT         = "urn:ietf:params:oauth:token-type:jwt"
	grantExchange   = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// parameters are those of one request.
type parameters struct {
	form   url.Values
	header http.Header
	// sent are the secrets of the request: no text of an answer may repeat them, and
	// none of them is an answer.
	sent []string
}

// add leaves out what is empty.
func (p *parameters) add(name, value string) {
	if value != "" {
		p.form.Set(name, value)
	}
}

// addTarget adds what both grants have.
func (p *parameters) addTarget(e Entry) {
	p.add("resource", e.Resource)
	p.add("audience", e.Audience)
	p.add("scope", strings.Join(e.Scope, " "))
}

func newParameters(grant string) parameters {
	return parameters{form: url.Values{"grant_type": {grant}}, header: http.Header{}}
}

var errAssertion = errors.New("no assertion could be signed for the authorization server")

// exchange is RFC 8693, section 2.1.
func (e Entry) exchange(subject Subject) (parameters, error) {
	p := newParameters(grantExchange)
	p.sent = []string{subject.Token}
	token, kind := subject.Token, typeAccessToken
	if e.Subject == SubjectAssertion {
		if subject.Assertion == nil {
			return p, errAssertion
		}
		assertion, err := subject.Assertion(e.server())
		if err != nil || assertion == "" || assertion == subject.Token {
			return p, errAssertion
		}
		token, kind = assertion, typeJWT
		p.sent = append(p.sent, assertion)
	}
	p.add("subject_token", token)
	p.add("subject_token_type", kind)
	p.add("requested_token_type", orElse(e.RequestedTokenType, typeAccessToken))
	if actor := e.actorToken(); actor != "" {
		p.add("actor_token", actor)
		p.add("actor_token_type", orElse(e.ActorTokenType, typeJWT))
		p.sent = append(p.sent, actor)
	}
	p.addTarget(e)
	return p, nil
}

// clientCredentials is RFC 6749, section 4.4.2.
func (e Entry) clientCredentials() parameters {
	p := newParameters("client_credentials")
	p.addTarget(e)
	return p
}

func orElse(value, other string) string {
	if value == "" {
		return other
	}
	return value
}

// send sends one request and reads its answer.
func (s *Source) send(ctx context.Context, e *endpoint, p parameters) (Token, error) {
	if err := s.entry.authenticate(&p, e.post, s.environment.Now()); err != nil {
		return Token{}, err
	}
	failed := func(words string) error { return errors.New(placeOf(e.url) + " " + words) }
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, strings.NewReader(p.form.Encode()))
	if err != nil {
		return Token{}, failed("cannot be asked")
	}
	req.Header = p.header
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "doorward")
	sent := s.environment.Now()
	res, err := e.client.RoundTrip(req)
	if err != nil {
		s.finder.doubt()
		_, words := e.client.Explain(err)
		return Token{}, failed(words)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		_, words := e.client.Explain(err)
		return Token{}, failed(words)
	}
	a := answer{status: res.StatusCode, contentType: res.Header.Get("Content-Type"), body: body}
	token, problem := s.entry.read(a, p, sent)
	switch {
	case problem.refused != "":
		return Token{}, &Refused{problem.refused}
	case problem.words != "":
		if problem.elsewhere {
			s.finder.doubt()
		}
		return Token{}, failed(problem.words)
	}
	return token, nil
}

func placeOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "the token endpoint"
	}
	return outbound.Place(u)
}
