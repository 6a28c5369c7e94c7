package token

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// published is an authorization server that counts the fetches of its keys.
type published struct {
	document atomic.Pointer[[]byte]
	fetches  atomic.Int32
}

func (p *published) RoundTrip(request *http.Request) (*http.Response, error) {
	p.fetches.Add(1)
	return &http.Response{
		StatusCode: http.StatusOK, Request: request,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(bytes.NewReader(*p.document.Load())),
	}, nil
}

func (p *published) publish(key *jwttest.Key) {
	document := jwttest.JWKS(key)
	p.document.Store(&document)
}

// An issuer that puts a new key under an old kid is healed by the first
// signature that fails; only failing signatures cause a fetch.
func TestFailingSignatureAsksForTheKeysAgain(t *testing.T) {
	old, renewed := jwttest.NewKey("ES256", "es"), jwttest.NewKey("ES256", "es")
	synctest.Test(t, func(t *testing.T) {
		server := &published{}
		server.publish(old)
		source := jwks.NewSource(
			jwks.Options{Issuer: usualID, JWKSURI: usualID + "/jwks"}, jwks.Environment{Transport: server})
		go source.Run(t.Context())
		synctest.Wait()
		issuer := &Issuer{ID: usualID, Algorithms: DefaultAlgorithms(), Keys: source}
		verify := func(token string) reason.Reason {
			_, refusal := at(testTime).Verify(t.Context(), token, func(string, string) (*Issuer, bool) { return issuer, false })
			synctest.Wait()
			if refusal == nil {
				return reason.Allowed
			}
			return refusal.Reason
		}
		expect := func(step string, got, want reason.Reason, fetches int32) {
			t.Helper()
			if got != want || server.fetches.Load() != fetches {
				t.Errorf("%s: %v after %d fetches, want %v after %d", step, got, server.fetches.Load(), want, fetches)
			}
		}

		expect("old key", verify(old.Sign(goodClaims())), reason.Allowed, 1)
		server.publish(renewed)
		expired := goodClaims()
		expired["exp"] = 1
		expect("expired", verify(renewed.Sign(expired)), reason.TokenExpired, 1)
		expect("first of the new key", verify(renewed.Sign(goodClaims())), reason.SignatureInvalid, 2)
		expect("second of the new key", verify(renewed.Sign(goodClaims())), reason.Allowed, 2)
		expect("old key again", verify(old.Sign(goodClaims())), reason.SignatureInvalid, 3)

		cut := func(token string) string { return token[:len(token)-6] } // 60 bytes instead of 64
		expect("wrong length", verify(cut(renewed.Sign(goodClaims()))), reason.SignatureInvalid, 4)
	})
}
