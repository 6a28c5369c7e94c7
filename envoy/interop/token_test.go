package interop

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// tokens is an answer of a token endpoint (RFC 6749, section 5).
type tokens struct {
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
	Error   string `json:"error"`
	Detail  string `json:"error_description"`
}

// ask makes a token request as a confidential client, or without credentials of
// one where client is "". form is name, value, name, value.
func ask(ctx context.Context, endpoint, client string, form ...string) (tokens, error) {
	values := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		values.Add(form[i], form[i+1])
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(values.Encode()))
	if err != nil {
		return tokens{}, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client != "" {
		request.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(client+"-secret"))
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return tokens{}, err
	}
	defer func() { _ = response.Body.Close() }()
	var answer tokens
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return answer, fmt.Errorf("the token endpoint said %s: %w", response.Status, err)
	}
	if answer.Access == "" {
		return answer, fmt.Errorf("the token endpoint said %s: %s %s", response.Status, answer.Error, answer.Detail)
	}
	return answer, nil
}

// part decodes one part of a JWT without looking at its signature.
func part(token string, i int) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if i >= len(parts) {
		return nil, fmt.Errorf("a token of %d characters is no JWT", len(token))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err != nil {
		return nil, err
	}
	var members map[string]any
	return members, json.Unmarshal(text, &members)
}

// describe says of a token what decides its way: typ and alg of its header, and
// its audience.
func describe(token string) (string, error) {
	header, err := part(token, 0)
	if err != nil {
		return "", err
	}
	claims, err := part(token, 1)
	if err != nil {
		return "", err
	}
	audience, err := json.Marshal(claims["aud"])
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("typ %v, alg %v, aud %s", header["typ"], header["alg"], audience), nil
}

// keyID is the kid of a token's header.
func keyID(token string) (string, error) {
	header, err := part(token, 0)
	if err != nil {
		return "", err
	}
	id, _ := header["kid"].(string)
	return id, nil
}

// stranger is a good token but for its key, which nobody has ever heard of.
func stranger(token string) (string, error) {
	claims, err := part(token, 1)
	if err != nil {
		return "", err
	}
	header, err := part(token, 0)
	if err != nil {
		return "", err
	}
	key := jwttest.NewKey("ES256", "nobody-knows-me")
	return key.SignAs(map[string]any{"alg": key.Alg, "kid": key.ID, "typ": header["typ"]}, claims), nil
}
