package exchange

import (
	"encoding/base64"
	"errors"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/strictjson"
)

// maxToken bounds a token in an answer, in bytes: it becomes one header.
const maxToken = 16 << 10

var errOurs = errors.New("the answer of the authorization server is a token for one of our resources")

// answer is what a server sent.
type answer struct {
	status      int
	contentType string
	body        []byte
}

// problem is why there is no token. The zero value is no problem.
type problem struct {
	refused   string // the server's error code
	words     string // any other failure: a sentence without its subject, which is the endpoint
	elsewhere bool   // the endpoint may have moved
}

func unusable(words string) problem { return problem{words: words} }

// read returns the token of an answer to a request that was sent at this time.
func (e Entry) read(a answer, p parameters, sent time.Time) (Token, problem) {
	if a.status >= 300 && a.status <= 399 {
		return Token{}, problem{words: "answered with a redirect, and none is followed: " +
			"write token_endpoint: the URL that it leads to", elsewhere: true}
	}
	media, _, err := mime.ParseMediaType(a.contentType)
	isJSON := err == nil && media == "application/json"
	if a.status != http.StatusOK {
		return Token{}, e.readError(a, isJSON, p)
	}
	if !isJSON {
		return Token{}, problem{words: "answered with what is no application/json: look for an error page, " +
			"a login, or a proxy in between", elsewhere: true}
	}
	document, err := strictjson.Scan(a.body, "access_token", "token_type", "issued_token_type", "expires_in")
	if err != nil {
		return Token{}, unusable("answered with JSON that is refused: " + err.Error())
	}
	if words := e.rejectTypes(document, p); words != "" {
		return Token{}, unusable(words)
	}
	access, _ := document.Get("access_token").Text()
	if words := rejectText(access, p.sent); words != "" {
		return Token{}, unusable(words)
	}
	expiry, words := e.readClaims(access, sent)
	if words != "" {
		return Token{}, unusable(words)
	}
	lifetime, words := readLifetime(document.Get("expires_in"))
	if words != "" {
		return Token{}, unusable(words)
	}
	return Token{Access: access, Expiry: endOf(sent, expiry, lifetime)}, problem{}
}

// readError reads RFC 6749, section 5.2. What says that the server cannot answer now
// is no refusal.
func (e Entry) readError(a answer, isJSON bool, p parameters) problem {
	failed := problem{words: "answered with status " + strconv.Itoa(a.status), elsewhere: true}
	busy := a.status == http.StatusTooManyRequests || a.status == http.StatusRequestTimeout
	if a.status < 400 || a.status > 499 || busy || !isJSON {
		return failed
	}
	document, err := strictjson.Scan(a.body, "error")
	code, isText := "", false
	if err == nil {
		code, isText = document.Get("error").Text()
	}
	switch {
	case err != nil || !isText:
		return failed
	case code == "temporarily_unavailable" || code == "server_error":
		failed.words += " and " + code
		return failed
	}
	return problem{refused: cleanCode(code, p.sent)}
}

// cleanCode keeps a code that may be logged: short, of the characters of registered
// codes and URIs, and nothing of what was sent, which a server may repeat.
func cleanCode(code string, sent []string) string {
	const most = 100
	odd := func(c rune) bool { return c == '+' || c == '~' || c == '=' || c != ':' && isNotToken(c) }
	repeats := func(secret string) bool { return strings.Contains(secret, code) || strings.Contains(code, secret) }
	if code == "" || len(code) > most || strings.ContainsFunc(code, odd) || slices.ContainsFunc(sent, repeats) {
		return "unreadable"
	}
	return code
}

// rejectTypes checks RFC 8693, section 2.2.1: issued_token_type is required there,
// and only an access token and a JWT are for APIs.
func (e Entry) rejectTypes(document strictjson.Document, p parameters) string {
	kind, isText := document.Get("token_type").Text()
	if !isText || !strings.EqualFold(kind, "Bearer") {
		return "answered with a token_type that is not Bearer"
	}
	issued := document.Get("issued_token_type")
	if p.form.Get("grant_type") != grantExchange && !issued.Present() {
		return ""
	}
	if name, _ := issued.Text(); name != typeAccessToken && name != typeJWT {
		return "answered with an issued_token_type that is neither access_token nor jwt"
	}
	return ""
}

// rejectText checks a token as text: RFC 6750, section 2.1, and none of those that
// were sent, under another signature either.
func rejectText(access string, sent []string) string {
	switch {
	case access == "":
		return "answered without access_token"
	case len(access) > maxToken:
		return "answered with an access_token of more than 16 KiB"
	case strings.ContainsFunc(access, isNotToken) || strings.Contains(strings.TrimRight(access, "="), "="):
		return "answered with an access_token that is no bearer token"
	case slices.ContainsFunc(sent, func(other string) bool { return unsigned(other) == unsigned(access) }):
		return "answered with a token that it was sent"
	}
	return ""
}

const tokenCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

func isNotToken(c rune) bool { return !strings.ContainsRune(tokenCharacters, c) }

// unsigned is a compact JWS without its signature, and any other text whole.
func unsigned(text string) string {
	if strings.Count(text, ".") == 2 {
		return text[:strings.LastIndexByte(text, '.')]
	}
	return text
}

// readLifetime reads expires_in; it is 0 where that is absent.
func readLifetime(member strictjson.Member) (time.Duration, string) {
	if !member.Present() {
		return 0, ""
	}
	seconds, err := strconv.ParseFloat(string(member), 64)
	if !member.Is('0') || err != nil && !math.IsInf(seconds, 1) || seconds < 1 {
		return 0, "answered with an expires_in that is no positive number of seconds"
	}
	return time.Duration(min(seconds, maxLifetime.Seconds()) * float64(time.Second)), ""
}

// endOf returns the earlier of both ends, and no later one than maxLifetime.
func endOf(sent, expiry time.Time, lifetime time.Duration) time.Time {
	switch {
	case lifetime == 0 && expiry.IsZero():
		return sent.Add(unknownLifetime)
	case lifetime == 0:
		lifetime = maxLifetime
	}
	end := sent.Add(lifetime)
	if !expiry.IsZero() && expiry.Before(end) {
		return expiry
	}
	return end
}

// readClaims checks the claims of an answer that is a JWT, without its signature: it
// came over TLS from the server that signed it. It returns exp. Of an opaque token
// nothing more can be checked.
func (e Entry) readClaims(access string, sent time.Time) (expiry time.Time, words string) {
	claims, isJWT := token.ReadUnverified(access)
	if !isJWT {
		if looksLikeJWT(access) {
			words = "answered with a JWT that can be read in two ways"
		}
		return time.Time{}, words
	}
	named := func(audience string) bool { return audience != "" && slices.Contains(claims.Audience, audience) }
	switch {
	case e.Resource+e.Audience != "" && !named(e.Resource) && !named(e.Audience):
		words = "answered with a token whose aud does not name the destination: " +
			"compare resource and audience with what the server issues"
	case claims.Expiry.IsZero():
		words = "answered with a JWT that has no exp"
	case !claims.Expiry.After(sent):
		words = "answered with a token that has expired: compare the clocks"
	}
	return claims.Expiry, words
}

// looksLikeJWT reports what a lenient reader may take for a JWS in the compact
// serialisation: three parts, and a header that begins as JSON does. Other tokens
// have dots too.
func looksLikeJWT(text string) bool {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return false
	}
	header := strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(parts[0])
	decoded, _ := base64.RawURLEncoding.DecodeString(header) // up to what it cannot decode
	return strings.HasPrefix(strings.TrimSpace(string(decoded)), "{")
}
