package testenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// Callback is the redirect URI of the client. No server listens there: the
// browser below stops where a real one would be sent to it.
const Callback = "http://127.0.0.1/callback"

// ClientOptions are the choices of [Connect].
type ClientOptions struct {
	Endpoint string            // URL of the MCP server, as users type it
	OAuth    auth.OAuthHandler // logs in when challenged, as [Login]; nil sends no token
	HTTP     *http.Client      // for requests to the MCP server; nil is the default client
}

// Connect opens a session with the official MCP client. The caller closes it.
func Connect(ctx context.Context, o ClientOptions) (*mcp.ClientSession, error) {
	client := mcp.NewClient(&mcp.Implementation{Name: "doorward-testenv", Version: "1"}, nil)
	return client.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint:     o.Endpoint,
		HTTPClient:   o.HTTP,
		MaxRetries:   -1, // what fails should fail at once
		OAuthHandler: o.OAuth,
	}, nil)
}

// Call runs a tool and decodes its structured answer into out, a pointer.
func Call(ctx context.Context, session *mcp.ClientSession, tool string, arguments map[string]any, out any) error {
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return fmt.Errorf("calling %s: %w", tool, err)
	}
	if result.IsError {
		return fmt.Errorf("tool %s failed", tool)
	}
	content, err := json.Marshal(result.StructuredContent)
	if err != nil {
		return fmt.Errorf("answer of %s: %w", tool, err)
	}
	return json.Unmarshal(content, out)
}

// Login is the SDK's own OAuth client: it discovers the authorization server
// from the challenge, registers itself, and logs in through [Browse]. client
// carries its requests, so that the caller can watch them; nil is the default
// client.
func Login(client *http.Client) (auth.OAuthHandler, error) {
	if client == nil {
		client = http.DefaultClient
	}
	return auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		RedirectURL: Callback,
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{
				ClientName:              "doorward-testenv",
				RedirectURIs:            []string{Callback},
				GrantTypes:              []string{grantCode},
				TokenEndpointAuthMethod: authNone,
			},
		},
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult,
			error,
		) {
			return Browse(ctx, client.Transport, args.URL)
		},
		Client: client,
	})
}

// Browse is a browser without a person: it opens the authorization URL,
// follows redirects with its cookies as far as [Callback], and reads the code
// there. An error of the authorization server is an error here.
func Browse(
	ctx context.Context, transport http.RoundTripper, authorizationURL string,
) (*auth.AuthorizationResult, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	var callback *url.URL
	browser := &http.Client{
		Transport: transport, Jar: jar,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			switch {
			case strings.HasPrefix(r.URL.String(), Callback+"?"):
				callback = r.URL
				return http.ErrUseLastResponse
			case len(via) > 10:
				return errors.New("more than 10 redirects")
			}
			return nil
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizationURL, nil)
	if err != nil {
		return nil, err
	}
	response, err := browser.Do(request)
	if err != nil {
		return nil, fmt.Errorf("opening the authorization URL: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if callback == nil {
		return nil, fmt.Errorf("the authorization server did not send the browser back: %s", response.Status)
	}
	query := callback.Query()
	if code := query.Get("error"); code != "" {
		return nil, fmt.Errorf("the authorization server refused: %s", code)
	}
	return &auth.AuthorizationResult{Code: query.Get("code"), State: query.Get("state"), Iss: query.Get("iss")}, nil
}
