package main

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed as.mjs
var oidcProgram []byte

// oidcServer is an oidc-provider process. Whatever happens to it, its address
// stays the same.
type oidcServer struct {
	address string
	folder  string
	process *process
	first   privateJWK // RS256
	second  privateJWK // ES256: a rotation may well change the algorithm
	removed string     // a token signed by the first key, good until that is removed
	current string     // a good token
	door    *service
}

// oidcHalf prepares the half of oidc-provider; nothing runs yet.
func oidcHalf(o options, folder string) (*half, error) {
	h := &half{flag: halfOIDC, name: "oidc-provider"}
	modules := filepath.Join(o.tools, "interop-node", "node_modules")
	if _, err := exec.LookPath("node"); err != nil {
		h.missing = "node is missing; Node 20 or newer will do"
	} else if _, err := os.Stat(filepath.Join(modules, "oidc-provider")); err != nil {
		h.missing = "it is not installed; `envoy/interop/install oidc` does that"
	}
	if h.missing != "" {
		return h, nil
	}
	door, address, err := newService(o, folder, h.flag, "rfc9068")
	if err != nil {
		return nil, err
	}
	door.issuer = "http://" + address
	s := &oidcServer{address: address, folder: door.folder, door: door}
	if err := s.prepare(modules); err != nil {
		return nil, err
	}
	h.door, h.steps = door, s.steps()
	h.end = func() error { return s.process.stop() }
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
	s.process, err = launch(ctx, "oidc-provider", s.folder, nil, "node", "as.mjs", port, file)
	if err != nil {
		return err
	}
	return s.process.until(ctx, func(ctx context.Context) error {
		url := s.door.issuer + "/.well-known/oauth-authorization-server"
		status, _, err := s.door.get(ctx, url)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%s: %d", url, status)
		}
		return err
	})
}

func (s *oidcServer) down() error {
	old := s.process
	s.process = nil
	return old.stop()
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
	answer, err := ask(ctx, s.door.issuer+"/token", client, form...)
	return answer.Access, err
}

// good is a token that must pass.
func (s *oidcServer) good(ctx context.Context) (string, error) {
	return s.token(ctx, "svc", s.door.resource, "mcp:read")
}
