package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/doorward/doorward/internal/testenv"
)

const (
	// refreshEvery is how often doorward fetches keys by itself. It is longer
	// than settled, so that a token can be the first to name a new key.
	refreshEvery = 15 * time.Second
	// settled is the age from which an unknown key id causes a fetch (contract,
	// "When keys are missing": 10 s), and half a second.
	settled = 10500 * time.Millisecond
)

// service is a doorward process, a real Envoy with the shipped configuration and
// an MCP server, for one authorization server.
type service struct {
	program, folder string
	issuer          string
	issuerLines     string // of doorward.yaml: further keys of the issuer, each line with its indent
	resource        string // its canonical URI
	resourceLines   string // of doorward.yaml: further keys of the resource
	egress          string // of doorward.yaml: what leaves the MCP server; "" is nothing
	listen          string // host:port of Envoy
	grpc, http      string // host:port of doorward
	client          *http.Client
	requests        int
	doorward        *testenv.Doorward
	envoy           *testenv.Envoy
	mcp             *testenv.MCPServer
}

// newService chooses addresses and makes a folder; spare is the address of the
// authorization server.
func newService(o options, name, issuerLines string) (s *service, spare string, err error) {
	s = &service{
		program: o.doorward, folder: filepath.Join(o.folder, name),
		issuerLines: issuerLines, resourceLines: "  scopes: [mcp:read]\n",
	}
	if err := os.MkdirAll(s.keyFolder(), 0o700); err != nil {
		return nil, "", err
	}
	addresses, err := testenv.FreeAddresses(4)
	if err != nil {
		return nil, "", err
	}
	s.listen, s.grpc, s.http = addresses[0], addresses[1], addresses[2]
	s.resource = "http://" + s.listen + "/mcp"
	s.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	return s, addresses[3], nil
}

func (s *service) keyFolder() string { return filepath.Join(s.folder, "jwks") }

func (s *service) yaml(keepKeys bool) string {
	text := fmt.Sprintf(`issuers:
- issuer: %q
  refresh: {min: %v, max: %v}
%sresources:
- resource: %q
  name: interop
%sinsecure_http_hosts: [loopback]
clock_skew: 1s
drain: 0s
`, s.issuer, refreshEvery, refreshEvery, s.issuerLines, s.resource, s.resourceLines)
	text += s.egress
	if keepKeys {
		text += fmt.Sprintf("jwks_cache_dir: %q\n", s.keyFolder())
	}
	return text
}

// open starts doorward, ready or not, and the first time the MCP server and
// Envoy.
func (s *service) open(ctx context.Context, keepKeys bool) (err error) {
	s.doorward, err = testenv.StartDoorward(ctx, testenv.DoorwardOptions{
		Program: s.program, Dir: s.folder, GRPC: s.grpc, HTTP: s.http, Config: s.yaml(keepKeys), Unready: true,
	})
	if err != nil {
		return err
	}
	if s.mcp == nil {
		if s.mcp, err = testenv.StartMCPServer(testenv.MCPServerOptions{}); err != nil {
			return err
		}
	}
	if s.envoy == nil {
		s.envoy, err = testenv.StartEnvoy(ctx, testenv.EnvoyOptions{Listen: s.listen, Doorward: s.grpc, Upstream: s.mcp.Address()})
	}
	return err
}

// reopen stops doorward and starts it again.
func (s *service) reopen(ctx context.Context, keepKeys bool) error {
	old := s.doorward
	s.doorward = nil
	if err := old.Stop(); err != nil {
		return err
	}
	return s.open(ctx, keepKeys)
}

// isDedicated restarts doorward with the issuer for this resource alone.
func (s *service) isDedicated(ctx context.Context, resourceLines string) (outcome, error) {
	s.issuerLines += "  dedicated: true\n"
	return outcome{got: "ready"}, s.reconfigured(ctx, resourceLines)
}

// reconfigured restarts doorward with further keys of the resource, and waits until it is ready.
func (s *service) reconfigured(ctx context.Context, resourceLines string) error {
	s.resourceLines = resourceLines
	if err := s.reopen(ctx, false); err != nil {
		return err
	}
	return s.ready(ctx)
}

// ready waits until doorward is ready, and until Envoy's health check has found
// that out.
func (s *service) ready(ctx context.Context) error {
	if err := s.doorward.WaitReady(ctx); err != nil {
		return err
	}
	return s.envoy.Until(ctx, func(ctx context.Context) error { return s.answers(ctx, "http://"+s.listen+"/healthz") })
}

// issuerState is what readyz reports of the issuer.
type issuerState struct {
	ready   bool
	state   string
	problem string
}

func (s *service) state(ctx context.Context) (issuerState, error) {
	status, body, err := s.doorward.Get(ctx, "/readyz")
	if err != nil {
		return issuerState{}, err
	}
	var answer struct {
		Issuers []struct {
			State   string `json:"state"`
			Problem string `json:"problem"`
		} `json:"issuers"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Issuers) != 1 {
		return issuerState{}, fmt.Errorf("/readyz: %q: %w", body, err)
	}
	return issuerState{status == http.StatusOK, answer.Issuers[0].State, answer.Issuers[0].Problem}, nil
}

// metric reads the series of a metric that has the issuer as its one label.
func (s *service) metric(ctx context.Context, name string) (float64, error) {
	return s.doorward.Metric(ctx, fmt.Sprintf("%s{issuer=%q}", name, s.issuer))
}

// settle waits until the keys are old enough for an unknown key id to cause a
// fetch, and young enough that doorward does not fetch them just now by itself.
func (s *service) settle(ctx context.Context) error {
	return testenv.Poll(ctx, func(ctx context.Context) (bool, error) {
		fetched, err := s.metric(ctx, "doorward_jwks_last_success_timestamp_seconds")
		if err != nil {
			return true, err
		}
		age := time.Since(time.UnixMilli(int64(fetched * 1000)))
		if age < settled || age > refreshEvery-2*time.Second {
			return false, fmt.Errorf("the keys are %v old", age)
		}
		return true, nil
	})
}

// answers is nil when a GET of url is answered with 200.
func (s *service) answers(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Close = true // an open connection would delay the end of the other process
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %w", url, response.Status, err)
	}
	return nil
}

// stop ends Envoy, doorward and the MCP server.
func (s *service) stop() error {
	s.client.CloseIdleConnections()
	var problems []error
	if s.envoy != nil {
		problems = append(problems, s.envoy.Stop())
	}
	problems = append(problems, s.doorward.Stop())
	if s.mcp != nil {
		problems = append(problems, s.mcp.Close())
	}
	return errors.Join(problems...)
}
