package interop

import (
	"context"
	_ "embed"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/doorward/doorward/internal/testenv"
)

//go:embed as.mjs
var oidcProgram []byte

// oidcServer is an oidc-provider process. It keeps its address over restarts.
type oidcServer struct {
	address string
	folder  string
	process *testenv.Process
	first   privateJWK // RS256
	second  privateJWK // ES256: a rotation may change the algorithm
	removed string     // a token signed by the first key, good until that is removed
	current string     // a good token
	user    tokens     // of a login

	byCertificate string // host:port of an oidc-provider whose client has a certificate
	service       *service
}

// oidcSuite prepares the steps with oidc-provider; nothing runs yet.
func oidcSuite(o options) (*suite, error) {
	h := &suite{flag: suiteOIDC, name: nameOIDC}
	modules := filepath.Join(o.tools, "interop-node", "node_modules")
	if _, err := exec.LookPath("node"); err != nil {
		h.missing = "it needs Node 20 or newer"
	} else if _, err := os.Stat(filepath.Join(modules, "oidc-provider")); err != nil {
		h.missing = "it is not installed; `envoy/interop/install oidc` does that"
	}
	if h.missing != "" {
		return h, nil
	}
	service, address, err := newService(o, h.flag, "  profile: rfc9068\n")
	if err != nil {
		return nil, err
	}
	service.issuer = "http://" + address
	s := &oidcServer{address: address, folder: service.folder, service: service}
	if err := s.prepare(modules); err != nil {
		return nil, err
	}
	if err := s.leaves(); err != nil {
		return nil, err
	}
	h.service, h.steps = service, s.steps()
	h.about, h.head = certificateAbout, []string{"Client authentication", "What the API gets", "With another certificate"}
	h.end = func() error { return s.process.Stop() }
	return h, nil
}

// prepare makes the keys, and a folder in which Node finds its modules.
func (s *oidcServer) prepare(modules string) (err error) {
	if s.first, err = newRSA("first"); err != nil {
		return err
	}
	if s.second, err = newEC("second"); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.folder, "as.mjs"), oidcProgram, 0o600); err != nil {
		return err
	}
	return os.Symlink(modules, filepath.Join(s.folder, "node_modules"))
}

// up starts the server with these keys, of which the first one signs.
func (s *oidcServer) up(ctx context.Context, keys ...privateJWK) error {
	file := filepath.Join(s.folder, "private-jwks.json")
	if err := writeJWKS(file, keys...); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		return err
	}
	s.process, err = testenv.Start(ctx, testenv.Command{Program: "node", Args: []string{"as.mjs", port, file}, Dir: s.folder})
	if err != nil {
		return err
	}
	return s.process.Until(ctx, func(ctx context.Context) error {
		return s.service.answers(ctx, s.service.issuer+"/.well-known/oauth-authorization-server")
	})
}

func (s *oidcServer) down() error {
	old := s.process
	s.process = nil
	return old.Stop()
}

func (s *oidcServer) restart(ctx context.Context, keys ...privateJWK) error {
	if err := s.down(); err != nil {
		return err
	}
	return s.up(ctx, keys...)
}

// token asks for one; an empty resource or scope is not sent.
func (s *oidcServer) token(ctx context.Context, client, resource, scope string) (string, error) {
	form := []string{"grant_type", "client_credentials"}
	if resource != "" {
		form = append(form, "resource", resource)
	}
	if scope != "" {
		form = append(form, "scope", scope)
	}
	answer, err := ask(ctx, s.service.issuer+"/token", client, form...)
	return answer.Access, err
}

// good is a token that must pass.
func (s *oidcServer) good(ctx context.Context) (string, error) {
	return s.token(ctx, "svc", s.service.resource, "mcp:read")
}
