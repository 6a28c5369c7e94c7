package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/benchmarks/authority"
	"github.com/doorward/doorward/benchmarks/scenario"
	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// target is one ext_authz service.
type target struct {
	name    string
	program string       // of ours
	form    traffic.Form // of the headers, as Envoy would send them
	env     []string
	extra   []string // lines of doorward's configuration

	operation traffic.Source // that of each request, which the configuration then decides by; "": none

	most      float64 // requests a second at a rate; 0 for no bound
	shippedGC bool    // with the GC setting that doorward chooses for itself

	command []string // a peer's own, which listens at address
	address string
}

// parsePeer reads name=command,address. A peer receives the headers in Envoy's
// default form.
func parsePeer(text string) (target, error) {
	name, rest, _ := strings.Cut(text, "=")
	comma := strings.LastIndexByte(rest, ',')
	if name == "" || comma < 1 || !strings.Contains(rest[comma:], ":") {
		return target{}, errors.New("write it as name=command,address, such as mine=./mine --port 9000,127.0.0.1:9000")
	}
	return target{
		name: name, command: strings.Fields(rest[:comma]), address: rest[comma+1:],
		form: traffic.Mapped, most: slowRate,
	}, nil
}

// testbed has the programs, keys and tokens that every service uses.
type testbed struct {
	folder, cpus string
	programs     map[string]string // by name
	authority    *authority.Server
	tokens       *authority.Tokens
	pool         []string
	jwks         string // a file
	gogc         string // GOGC as doorward sets it if the environment does not
}

// openTestbed builds the programs, and opens an authorization server with a pool
// of good tokens.
func openTestbed(ctx context.Context, folder, cpus string, progress io.Writer) (*testbed, error) {
	_, _ = fmt.Fprintln(progress, "Building doorward and its peers ...")
	packages := []string{"cmd/doorward", "benchmarks/peers/empty", "benchmarks/peers/usual"}
	built, err := testenv.Build(ctx, folder, packages...)
	if err != nil {
		return nil, err
	}
	s := &testbed{
		folder: folder, cpus: cpus, programs: map[string]string{},
		tokens: authority.NewTokens(0), jwks: filepath.Join(folder, "jwks.json"),
	}
	for _, program := range built {
		s.programs[filepath.Base(program)] = program
	}
	if err := os.WriteFile(s.jwks, jwttest.JWKS(s.tokens.Known), 0o600); err != nil {
		return nil, err
	}
	s.authority, err = authority.Open(s.tokens.Known)
	if err != nil {
		return nil, err
	}
	s.tokens.Issuer = s.authority.URL
	s.pool = s.tokens.Pool(poolSize)
	if err := s.askGOGC(ctx); err != nil {
		s.authority.Close()
		return nil, err
	}
	return s, nil
}

// askGOGC starts a doorward to read its GC setting.
func (s *testbed) askGOGC(ctx context.Context) error {
	asked, err := s.startDoorward(ctx, target{name: "asked", program: doorward})
	if err != nil {
		return err
	}
	defer asked.stop()
	percent, err := asked.doorward.Metric(ctx, "go_gc_gogc_percent")
	s.gogc = fmt.Sprintf("GOGC=%.0f", percent)
	return err
}

// service is a running target.
type service struct {
	target
	process  *testenv.Process
	doorward *testenv.Doorward // nil for others
	client   *traffic.Client
	encoded  [][]byte // requests with the tokens of the pool
}

func (s *service) stop() {
	if s.client != nil {
		s.client.Close()
	}
	_ = s.process.Stop() // a service that ended before refused requests, which are counted
}

// open starts a target and sends it one good request.
func (s *testbed) open(ctx context.Context, c target) (*service, error) {
	opened, err := s.start(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	for n := range requests {
		opened.encoded = append(opened.encoded, c.encode(s.pool[n%len(s.pool)], n))
	}
	patient, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if opened.client, err = traffic.Dial(patient, opened.address); err == nil {
		if reason := opened.client.Check(ctx, 0, opened.encoded[0]); reason != traffic.Allowed {
			err = fmt.Errorf("a good token is answered with: %s", reason)
		}
	}
	if err != nil {
		opened.stop()
		return nil, fmt.Errorf("%s: %w; its last lines:\n%s", c.name, err, opened.process.Log.Tail())
	}
	return opened, nil
}

// takes reports whether the target is measured under a load: not where it may be too
// slow for the rate, and where it decides by operation at saturation alone.
func (c target) takes(l load) bool {
	return l.rate == 0 || c.operation == "" && (c.most == 0 || l.rate <= c.most)
}

// encode returns the n-th request to the target.
func (c target) encode(token string, n int) []byte {
	if c.operation != "" {
		return c.operation.Encode(token, n)
	}
	return traffic.Encode(token, c.form, n)
}

// byOperation are the lines of a resource where the operation decides.
const byOperation = `  mcp: {headers_checked_by_server: true, filter_metadata: trusted}
  operations:
  - {method: tools/call, name: "delete_*", scopes: [mcp:admin]}
  - {method: resources/read, scopes: [mcp:files]}
  - {method: tools/call, scopes: [mcp:write]}
`

// start runs a target.
func (s *testbed) start(ctx context.Context, c target) (*service, error) {
	if c.program == doorward {
		return s.startDoorward(ctx, c)
	}
	command := testenv.Command{
		CPUs:    s.cpus,
		Program: s.programs[c.program],
		Env:     []string{"ISSUER=" + s.authority.URL, "AUDIENCE=" + authority.Resource, "JWKS=" + s.jwks},
	}
	command.Env = append(command.Env, c.env...)
	if c.command != nil {
		command.Program, command.Args = c.command[0], c.command[1:]
	} else {
		addresses, err := testenv.FreeAddresses(1)
		if err != nil {
			return nil, err
		}
		c.address = addresses[0]
		command.Args = []string{"-listen", c.address}
	}
	if c.shippedGC {
		command.Env = append(command.Env, s.gogc)
		command.Args = append(command.Args, "-heap-floor", strconv.Itoa(heapFloor))
	}
	if c.program == "usual" {
		command.Args = append(command.Args,
			"-jwks", s.jwks, "-issuer", s.authority.URL, "-audience", authority.Resource)
	}
	process, err := testenv.Start(ctx, command)
	if err != nil {
		return nil, err
	}
	return &service{target: c, process: process}, nil
}

func (s *testbed) startDoorward(ctx context.Context, c target) (*service, error) {
	o := scenario.Doorward(s.authority.URL, "", c.extra)
	if c.operation != "" {
		o.Config = strings.Replace(o.Config, "policy: ", byOperation+"policy: ", 1)
	}
	o.Program, o.Dir = s.programs[doorward], filepath.Join(s.folder, "run", strings.ReplaceAll(c.name, " ", "-"))
	o.Env, o.CPUs = c.env, s.cpus
	started, err := testenv.StartDoorward(ctx, o)
	if err != nil {
		return nil, err
	}
	c.address = started.GRPC
	return &service{target: c, process: &started.Process, doorward: started}, nil
}
