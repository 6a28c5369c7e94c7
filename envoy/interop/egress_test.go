package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/exchange"
	"github.com/doorward/doorward/internal/signing"
)

// destination is the API that an MCP server calls for a user: the aud of its tokens.
const destination = "https://api.example.com"

// upstreamHead is of the tables of exchanges in INTEROP.md.
var upstreamHead = []string{"Client authentication", "What the API gets", "Another target"}

// upstreamAbout is above those tables.
const upstreamAbout = "The token of a user, which is for the MCP server, exchanged by doorward (RFC 8693) for one that is for an API."

// upstream is one exchange as an egress listener does it.
type upstream struct {
	entry   exchange.Entry // of a server on loopback
	subject string         // the user's token
	method  string         // of client authentication
	// refused is another entry, whose target the server refuses.
	refused exchange.Entry
}

// exchanged exchanges a token twice, and once for a target that the server refuses.
func (s *service) exchanged(ctx context.Context, u upstream) (outcome, error) {
	claims, err := part(u.subject, 1)
	if err != nil {
		return outcome{}, err
	}
	results := map[exchange.Result]int{}
	environment := exchange.Environment{
		Store: exchange.NewStore(0), IsOurs: s.isOurs,
		Observe: func(_ string, result exchange.Result) { results[result]++ },
	}
	expiry, _ := claims["exp"].(float64)
	subject := exchange.Subject{
		Token: u.subject, Resource: "interop", Issuer: s.issuer, Expiry: time.Unix(int64(expiry), 0), MayAct: claims["may_act"],
	}
	var got exchange.Token
	for range 2 {
		if got, err = exchangeOnce(ctx, u.entry, environment, subject); err != nil {
			return outcome{}, err
		}
	}
	_, err = exchangeOnce(ctx, u.refused, environment, subject)
	var refused *exchange.Refused
	if !errors.As(err, &refused) {
		return outcome{}, fmt.Errorf("another target: %w", err)
	}
	if results[exchange.ResultOK] != 1 || results[exchange.ResultRemembered] != 1 {
		return outcome{}, fmt.Errorf("two calls for one token: %v", results)
	}
	answer, err := part(got.Access, 1)
	if err != nil {
		return outcome{}, err
	}
	if answer["sub"] != claims["sub"] {
		return outcome{}, fmt.Errorf("sub is %v, and was %v", answer["sub"], claims["sub"])
	}
	about := aboutUpstream(answer)
	return outcome{
		got:   about + "; another target: " + refused.Code,
		cells: []string{u.method, about, "`" + refused.Code + "`"},
	}, nil
}

// aboutUpstream is what the API sees of a token: for whom it is, and who acts.
func aboutUpstream(claims map[string]any) string {
	audience := strings.Trim(fmt.Sprint(claims["aud"]), "[]")
	if actor, isObject := claims["act"].(map[string]any); isObject {
		return fmt.Sprintf("aud %s, act %v", audience, actor["sub"])
	}
	return "aud " + audience + ", no act"
}

func exchangeOnce(
	ctx context.Context, entry exchange.Entry, environment exchange.Environment, subject exchange.Subject,
) (exchange.Token, error) {
	entry.InsecureHTTPHosts = []string{"loopback"}
	if wrong := entry.Check().Errors(); len(wrong) > 0 {
		return exchange.Token{}, wrong
	}
	source := exchange.NewSource(entry, environment)
	defer source.Close()
	return source.Exchange(ctx, subject)
}

// isOurs reports a token with the resource in aud.
func (s *service) isOurs(compact string) bool {
	claims, err := part(compact, 1)
	if err != nil {
		return false
	}
	all, isList := claims["aud"].([]any)
	if !isList {
		all = []any{claims["aud"]}
	}
	return slices.Contains(all, any(s.resource))
}

// privateKey is a new one in PEM.
func privateKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// keyServer publishes the key of a client that authenticates by private_key_jwt.
func keyServer() (server *httptest.Server, private []byte, err error) {
	if private, err = privateKey(); err != nil {
		return nil, nil, err
	}
	own, err := signing.Read(private)
	if err != nil {
		return nil, nil, err
	}
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"keys":[%s]}`, own.JWK())
	})), private, nil
}
