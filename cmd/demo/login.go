package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/doorward/doorward/internal/testenv"
)

// login logs the official MCP client in, which starts with the URL of the resource
// alone, and then describes each step from the requests that it sent.
func (w *walk) login(ctx context.Context) {
	w.page.println("The official MCP client knows one URL, " + w.parts.resource + ", and has no token")
	who, failure := w.visit(ctx)
	for _, step := range []struct {
		name   string
		wanted func(exchange) bool
		show   func(context.Context, *report, exchange)
	}{
		{"Without a token, the answer says where to get one", w.isResource, w.showChallenge},
		{"The resource's metadata document names the authorization server", w.isMetadata, w.showMetadata},
		{
			"The authorization server says how to log in", w.isAuth("/.well-known/oauth-authorization-server"),
			w.showAuthServer,
		},
		{"Login: PKCE, and the resource is named", w.isAuth("/token"), w.showToken},
		{
			"With the token, a tool call succeeds", w.isCall,
			func(ctx context.Context, r *report, e exchange) { w.showCall(ctx, r, e, who) },
		},
	} {
		if ctx.Err() != nil {
			return
		}
		r := report{name: step.name}
		if e, found := w.recorder.find(step.wanted); found {
			r.verdict = strconv.Itoa(e.status)
			step.show(ctx, &r, e)
		} else {
			r.fault(errors.Join(errors.New("the client never got this far"), failure))
		}
		w.report(r)
	}
}

// visit connects, which logs in, and asks whoami.
func (w *walk) visit(ctx context.Context) (who testenv.Identity, err error) {
	ctx, cancel := context.WithTimeout(ctx, answered)
	defer cancel()
	client := w.recorder.client()
	oauth, err := testenv.Login(client)
	if err != nil {
		return who, err
	}
	session, err := testenv.Connect(ctx, testenv.ClientOptions{Endpoint: w.parts.resource, OAuth: oauth, HTTP: client})
	if err != nil {
		return who, err
	}
	err = testenv.Call(ctx, session, "whoami", nil, &who)
	return who, errors.Join(err, session.Close())
}

func (w *walk) isResource(e exchange) bool { return e.url.String() == w.parts.resource }
func (w *walk) isMetadata(e exchange) bool { return e.url.String() == w.parts.metadataURL() }

func (w *walk) isAuth(path string) func(exchange) bool {
	return func(e exchange) bool { return e.url.Scheme+"://"+e.url.Host+e.url.Path == w.parts.auth.Issuer()+path }
}

func (w *walk) isCall(e exchange) bool {
	return w.isResource(e) && strings.Contains(string(e.call), `"tools/call"`)
}

func (w *walk) showChallenge(ctx context.Context, r *report, e exchange) {
	r.row("sent", e.method+" "+e.url.String()+", its first request")
	r.row("came back", status(e.status))
	r.row("", challengeLines(e)...)
	r.expect("status", status(e.status), status(401))
	r.expect("challenge", e.challenge(), w.parts.challenge(`scope="mcp:read"`))
	w.operator(ctx, r, e, "no_credentials")
	r.row("why", "This challenge (RFC 6750, RFC 9728) is all a client needs to begin.")
}

func (w *walk) showMetadata(ctx context.Context, r *report, e exchange) {
	r.row("sent", e.method+" "+e.url.String())
	r.row("came back", status(e.status))
	var document struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
	}
	r.fault(json.Unmarshal(e.body, &document))
	r.row("", members(e.body)...)
	r.expect("status", status(e.status), status(200))
	r.expect("resource", document.Resource, w.parts.resource)
	r.expect("authorization servers", strings.Join(document.Servers, " "), w.parts.auth.Issuer())
	w.operator(ctx, r, e, "metadata")
	r.row("why", "Doorward answers this itself (RFC 9728); the MCP server needs no code for it.")
}

func (w *walk) showAuthServer(_ context.Context, r *report, e exchange) {
	var document struct {
		Issuer string   `json:"issuer"`
		PKCE   []string `json:"code_challenge_methods_supported"`
	}
	r.fault(json.Unmarshal(e.body, &document))
	r.row("sent", e.method+" "+e.url.String())
	r.row("came back", status(e.status))
	r.row("", members(e.body, "issuer", "registration_endpoint", "authorization_endpoint", "token_endpoint",
		"code_challenge_methods_supported")...)
	r.expect("status", status(e.status), status(200))
	r.expect("issuer", document.Issuer, w.parts.auth.Issuer())
	r.expect("PKCE methods", strings.Join(document.PKCE, " "), "S256")
	r.row("why", "RFC 8414. From here on client and authorization server talk; doorward is not asked.")
}

func (w *walk) showToken(_ context.Context, r *report, e exchange) {
	if registered, found := w.recorder.find(w.isAuth("/register")); found {
		r.row("sent", fmt.Sprintf("POST /register -> %s, a client_id of its own", status(registered.status)))
	}
	browser, found := w.recorder.find(w.isAuth("/authorize"))
	if !found {
		r.fault(errors.New("the browser never opened the authorization endpoint"))
		return
	}
	agreed := browser.url.Query()
	r.row("", fmt.Sprintf("GET /authorize, in a browser -> %s, alice agrees", status(browser.status)),
		"  with code_challenge_method="+agreed.Get("code_challenge_method")+", scope="+agreed.Get("scope")+",",
		"  resource="+agreed.Get("resource"))
	r.row("", fmt.Sprintf("POST /token with code, code_verifier and the same resource -> %s", status(e.status)))
	r.row("came back", "a token; decoded, without its signature:")
	r.expect("PKCE method", agreed.Get("code_challenge_method"), "S256")
	r.expect("resource at /authorize", agreed.Get("resource"), w.parts.resource)
	r.expect("resource at /token", e.form.Get("resource"), w.parts.resource)
	r.expect("status", status(e.status), status(200))

	var answer struct {
		Token string `json:"access_token"`
	}
	r.fault(json.Unmarshal(e.body, &answer))
	decoded, err := decode(answer.Token)
	if err != nil {
		r.fault(err)
		return
	}
	r.row("", decoded.lines()...)
	r.expect("aud", decoded.claim("aud"), w.parts.resource)
	r.expect("scope", decoded.claim("scope"), "mcp:read")
	r.row("why", "Because the client named the resource (RFC 8707), aud says what the token is for.")
}

func (w *walk) showCall(ctx context.Context, r *report, e exchange, who testenv.Identity) {
	r.row("sent", e.method+" "+e.url.String()+", tools/call whoami", "Authorization: Bearer <the token>")
	r.row("came back", status(e.status)+", and whoami returns what the MCP server received:",
		"  x-mcp-auth-issuer:  "+who.Issuer, "  x-mcp-auth-subject: "+who.Subject,
		"  x-mcp-auth-client:  "+who.Client, "  x-mcp-auth-scope:   "+who.Scope)
	r.expect("status", status(e.status), status(200))
	r.expect("issuer", who.Issuer, w.parts.auth.Issuer())
	r.expect("subject", who.Subject, "alice")
	r.expect("scope", who.Scope, "mcp:read")
	if sent := w.recorder.sent(); len(sent) > 0 {
		decoded, err := decode(sent[len(sent)-1])
		r.fault(err)
		r.expect("client", who.Client, decoded.claim("client_id"))
	}
	w.operator(ctx, r, e, "allowed")

	w.upstream(r)
	r.row("why", "The identity goes on in plain headers that no client can forge; the token does not.")
}
