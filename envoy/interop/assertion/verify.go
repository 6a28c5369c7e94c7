package main

import (
	"context"
	"net/http"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/lestrrat-go/jwx/v2/jwt"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type userKey struct{}

func withAssertion(next http.Handler, keys jwk.Set) http.Handler { // keys: jwk.NewCachedSet, or a file
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := r.Header.Get("x-mcp-auth-assertion")
		user, err := jwt.ParseString(text, jwt.WithKeySet(keys),
			jwt.WithIssuer("https://doorward.example.com"), jwt.WithAudience("https://weather.internal"))
		message, typeErr := jws.ParseString(text)
		if err != nil || typeErr != nil || message.Signatures()[0].ProtectedHeaders().Type() != "mcp-auth+jwt" {
			http.Error(w, "no valid assertion", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
	})
}

func handlerOf(server *mcp.Server, keys jwk.Set) http.Handler {
	options := &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true}
	return withAssertion(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, options), keys)
}
