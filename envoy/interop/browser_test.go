package interop

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// callback is where an authorization server sends the code; nothing listens there.
const callback = "http://127.0.0.1:9/callback"

// login is a user's at the pages of an authorization server, with PKCE (RFC 7636).
type login struct {
	authorize, token string // endpoints
	client, scope    string
	public           bool   // the client has no secret
	resource         string // RFC 8707
}

// run logs alice in and asks for tokens with the code.
func (l login) run(ctx context.Context) (tokens, error) {
	const verifier = "a-verifier-of-at-least-43-characters-for-PKCE-S256"
	digest := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {l.client}, "redirect_uri": {callback}, "scope": {l.scope}, "state": {"s"},
		"nonce": {"n"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(digest[:])}, "code_challenge_method": {"S256"},
		"resource": {l.resource},
	}
	answer, err := signIn(ctx, l.authorize+"?"+query.Encode())
	if err != nil {
		return tokens{}, err
	}
	form := []string{
		"grant_type", "authorization_code", "code", answer.Get("code"), "redirect_uri", callback, "code_verifier", verifier,
		"resource", l.resource,
	}
	if l.public {
		return ask(ctx, l.token, "", append(form, "client_id", l.client)...)
	}
	return ask(ctx, l.token, l.client, form...)
}

// signIn follows an authorization request as a browser does: it fills in each form, until the callback has the code.
// It returns the parameters of the callback.
func signIn(ctx context.Context, address string) (url.Values, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var form url.Values
	for range 10 {
		page, next, err := visit(ctx, browser, address, form)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(next.String(), callback) {
			if next.Query().Get("code") == "" {
				return nil, fmt.Errorf("the authorization request led to %s", next)
			}
			return next.Query(), nil
		}
		if form = nil; page != "" {
			if form, next, err = fill(page, next); err != nil {
				return nil, err
			}
		}
		address = next.String()
	}
	return nil, errors.New("the authorization request led to ten pages, and not to the callback")
}

// visit gets a page, or posts a form. A redirect has no page, and next is where it leads; otherwise next is the page's.
func visit(ctx context.Context, browser *http.Client, address string, form url.Values) (page string, next *url.URL, err error) {
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return "", nil, err
	}
	request.Header.Set("Accept", "text/html")
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	request.Close = true
	response, err := browser.Do(request)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if next, err = response.Location(); err == nil {
		return "", next, nil
	}
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s %.300s", method, request.URL.Path, response.Status, text)
	}
	return string(text), request.URL, err
}

var (
	formTag   = regexp.MustCompile(`(?s)<form[^>]*>.*?</form>`)
	inputTag  = regexp.MustCompile(`(?s)<(?:input|button)[^>]*>`)
	attribute = regexp.MustCompile(`([a-z]+)="([^"]*)"`)
)

// fill fills in the first form of a page: alice's name and password, and what the form brings itself.
func fill(page string, from *url.URL) (url.Values, *url.URL, error) {
	text := formTag.FindString(page)
	if text == "" {
		return nil, nil, fmt.Errorf("%s has no form: %.300s", from.Path, page)
	}
	action, err := from.Parse(attributes(text[:strings.Index(text, ">")])["action"])
	form := url.Values{}
	for _, tag := range inputTag.FindAllString(text, -1) {
		switch a := attributes(tag); a["name"] {
		case "", "cancel":
		case "username", "login":
			form.Set(a["name"], "alice")
		case "password":
			form.Set("password", password)
		default:
			form.Set(a["name"], a["value"])
		}
	}
	return form, action, err
}

func attributes(tag string) map[string]string {
	found := make(map[string]string)
	for _, match := range attribute.FindAllStringSubmatch(tag, -1) {
		found[match[1]] = html.UnescapeString(match[2])
	}
	return found
}
