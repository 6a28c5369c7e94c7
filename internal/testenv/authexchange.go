package testenv

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

const typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"

// exchange is RFC 8693, section 2.1, of an access token of this server. The new token is
// for the same subject, names the client as the actor (section 4.1), and ends no later
// than the old one.
func (s *AuthServer) exchange(
	form url.Values, client, resource string,
) (claims map[string]any, scopes []string, problem oauthError) {
	subjects := form["subject_token"]
	requested := form.Get("requested_token_type")
	switch {
	case len(subjects) != 1 || form.Get("subject_token_type") != typeAccessToken || form.Has("actor_token"):
		return nil, nil, badRequest("invalid_request", "exactly one access token is required, and no actor")
	case requested != "" && requested != typeAccessToken:
		return nil, nil, badRequest("invalid_request", "requested_token_type must be "+typeAccessToken)
	}
	old, err := s.Verify(subjects[0])
	if err != nil {
		return nil, nil, badRequest("invalid_request", "subject_token: "+err.Error())
	}
	if scopes, problem = s.scopes(form.Get("scope")); problem.present() {
		return nil, nil, problem
	}
	subject, _ := old["sub"].(string)
	claims = s.claims(subject, client, resource, scopes)
	actor := map[string]any{"sub": client}
	if earlier, acted := old["act"]; acted {
		actor["act"] = earlier
	}
	claims["act"] = actor
	if end, isNumber := old["exp"].(float64); isNumber {
		claims["exp"] = min(claims["exp"].(int64), int64(end))
	}
	return claims, scopes, oauthError{}
}

// Verify returns the claims of a token of this server that has not expired. It does not
// look at the audience, which is for the caller to compare.
func (s *AuthServer) Verify(compact string) (claims map[string]any, err error) {
	end := strings.LastIndexByte(compact, '.')
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return nil, errors.New("no compact JWS")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, errors.New("no base64url")
	}
	s.mu.Lock()
	signed := slices.ContainsFunc(s.keys, func(key *jwttest.Key) bool {
		return verifies(key, compact[:end], signature)
	})
	s.mu.Unlock()
	if !signed {
		return nil, errors.New("no key of this server signed it")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		return nil, errors.New("no JSON object")
	}
	if expiry, isNumber := claims["exp"].(float64); !isNumber || time.Now().Unix() >= int64(expiry) {
		return nil, errors.New("it has expired")
	}
	return claims, nil
}

// verifies checks ES256 (RFC 7518, section 3.4), the algorithm of every key of the server.
func verifies(key *jwttest.Key, input string, signature []byte) bool {
	public, isEC := key.Public().(*ecdsa.PublicKey)
	if !isEC || len(signature) != 64 {
		return false
	}
	digest := sha256.Sum256([]byte(input))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	return ecdsa.Verify(public, digest[:], r, s)
}
