package interop

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/doorward/doorward/internal/exchange"
	"github.com/doorward/doorward/internal/testenv"
)

// springServer is a Spring Authorization Server process. It makes a new key at each start.
type springServer struct {
	jar, address string
	process      *testenv.Process
	service      *service
	user         tokens           // of a login
	keys         *httptest.Server // of the client that exchanges
	private      []byte           // its key
}

// springSuite prepares the steps with Spring Authorization Server; nothing runs yet.
func springSuite(o options) (*suite, error) {
	h := &suite{flag: suiteSpring, name: nameSpring}
	jar := filepath.Join(o.tools, "interop-spring", "target", "authorization-server.jar")
	if _, err := exec.LookPath("java"); err != nil {
		h.missing = "it needs Java 17"
	} else if _, err := os.Stat(jar); err != nil {
		h.missing = "it is not installed; `envoy/interop/install spring` does that, with Maven"
	}
	if h.missing != "" {
		return h, nil
	}
	service, address, err := newService(o, h.flag, "  profile: standard\n")
	if err != nil {
		return nil, err
	}
	service.issuer = "http://" + address
	s := &springServer{jar: jar, address: address, service: service}
	h.service, h.steps, h.head, h.words, h.about = service, s.steps(), upstreamHead, wayOut, upstreamAbout
	if s.keys, s.private, err = keyServer(); err != nil {
		return nil, err
	}
	entry := fmt.Sprintf("resource: %q, scope: [\"mcp:read\"], client_id: exchanger, private_key_file: client.secret", destination)
	if err := service.leaves(entry, s.private); err != nil {
		return nil, err
	}
	h.end = func() error {
		s.keys.Close()
		return s.process.Stop()
	}
	return h, nil
}

// steps are what is tried with Spring, in this order: first as it is out of the box, then with a customizer.
func (s *springServer) steps() []step {
	return []step{
		{name: "starts, out of the box", wanted: "up", vital: true, do: s.starts()},
		{name: "doorward, which lists its clients, discovers it", wanted: "1 key, 0 skipped", vital: true, do: s.listed},
		{feature: clientListed, name: "token of a listed machine: aud is the client", wanted: "200 allowed", do: s.machine("svc", "mcp:read")},
		{feature: clientListed, name: "token of a user of a listed client", wanted: "200 allowed", do: s.login},
		{feature: idTokenRefused, name: "ID token of that user", wanted: "401 type_not_allowed", do: s.identityToken},
		{feature: otherRefused, name: "token of a client that is not listed", wanted: "401 audience_mismatch", do: s.machine("other", "mcp:read")},
		{feature: scopeDemanded, name: "token without the scope", wanted: "403 insufficient_scope", do: s.machine("svc", "mcp:write")},
		{feature: otherRefused, name: "doorward lists no clients: the machine's token", wanted: "401 audience_mismatch", do: s.unlisted},
		{name: "starts again, with a customizer that sets aud", wanted: "up", vital: true, do: s.restarts},
		{feature: audResource, name: "token of a machine: aud is the resource", wanted: "200 allowed", do: s.machine("svc", "mcp:read")},
		{feature: audResource, name: "token of a user", wanted: "200 allowed", do: s.login},
		{name: "that user's token exchanged for an API", wanted: "aud https://api.example.com, act exchanger; another target: invalid_target", do: s.exchanges},
		{name: "the API, through Envoy on both sides", wanted: fmt.Sprintf(bothSides, "act exchanger"), do: s.goesOut},
		{feature: idTokenRefused, name: "ID token of that user: aud is the client", wanted: "401 type_not_allowed", do: s.identityToken},
		{name: "what reached the MCP server", wanted: "0 with a token, 0 without a name", do: s.service.leaks},
	}
}

// starts runs the server with these further properties, and waits until it answers.
func (s *springServer) starts(properties ...string) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) {
		_, port, _ := strings.Cut(s.address, ":")
		args := append([]string{
			"-Xmx128m", "-Dmcp.keys=" + s.keys.URL, "-Dserver.port=" + port, "-Dspring.security.oauth2.authorizationserver.issuer=" + s.service.issuer,
		}, properties...)
		var err error
		s.process, err = testenv.Start(ctx, testenv.Command{
			Program: "java", Args: append(args, "-jar", s.jar), Dir: s.service.folder,
		})
		if err != nil {
			return outcome{}, err
		}
		return outcome{got: "up", note: s.service.issuer}, s.process.Until(ctx, func(ctx context.Context) error {
			return s.service.answers(ctx, s.service.issuer+"/.well-known/oauth-authorization-server")
		})
	}
}

func (s *springServer) listed(ctx context.Context) (outcome, error) {
	s.service.resourceLines = "  clients: [app, svc]\n  scopes: [mcp:read]\n"
	return s.service.discovers(ctx)
}

func (s *springServer) unlisted(ctx context.Context) (outcome, error) {
	if err := s.service.reconfigured(ctx, "  scopes: [mcp:read]\n"); err != nil {
		return outcome{}, err
	}
	return s.machine("svc", "mcp:read")(ctx)
}

// restarts gives both a new start: doorward would find the new key by itself, later.
func (s *springServer) restarts(ctx context.Context) (outcome, error) {
	old := s.process
	s.process = nil
	if err := old.Stop(); err != nil {
		return outcome{}, err
	}
	o, err := s.starts("-Dmcp.audience=" + s.service.resource)(ctx)
	if err != nil {
		return o, err
	}
	return o, s.service.reconfigured(ctx, s.service.resourceLines)
}

// machine sends the token of a client's own.
func (s *springServer) machine(client, scope string) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) {
		answer, err := ask(ctx, s.service.issuer+"/oauth2/token", client, "grant_type", "client_credentials", "scope", scope)
		if err != nil {
			return outcome{}, err
		}
		return s.service.sendDescribed(ctx, answer.Access)
	}
}

// exchanges the token of the last login. Spring finds the client's key at its jwk-set-uri.
func (s *springServer) exchanges(ctx context.Context) (outcome, error) {
	entry := exchange.Entry{
		Issuer: s.service.issuer, Resource: destination, Scope: []string{"mcp:read"},
		ClientID: "exchanger", PrivateKey: s.private,
	}
	other := entry
	other.Resource = "https://other.example.com"
	return s.service.exchanged(ctx, upstream{entry: entry, subject: s.user.Access, method: "private_key_jwt", refused: other})
}

func (s *springServer) goesOut(ctx context.Context) (outcome, error) {
	return s.service.goesOut(ctx, s.user.Access)
}

func (s *springServer) identityToken(ctx context.Context) (outcome, error) {
	return s.service.sendDescribed(ctx, s.user.ID)
}

// login sends the access token of a user.
func (s *springServer) login(ctx context.Context) (o outcome, err error) {
	s.user, err = login{
		authorize: s.service.issuer + "/oauth2/authorize", token: s.service.issuer + "/oauth2/token",
		client: "app", scope: "openid mcp:read", resource: s.service.resource,
	}.run(ctx)
	if err != nil {
		return o, err
	}
	return s.service.sendDescribed(ctx, s.user.Access)
}
