package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/testenv"
)

const (
	// refreshEvery is how often doorward fetches keys by itself. Longer than
	// settled, so that there is time for a token to be the first to tell of a
	// new key.
	refreshEvery = 15 * time.Second
	// settled is how old a set must be before an unknown key id is worth a
	// fetch (contract, "When keys are missing": 10 s), and a little.
	settled = 10500 * time.Millisecond
)

// service is what stands around one authorization server: doorward as a process,
// a real Envoy with the shipped configuration, and an MCP server.
type service struct {
	program, folder string
	profile         string
	issuer          string
	resource        string // its canonical URI, as clients know it
	listen, grpc    string
	http            string // doorward's health and metrics
	client          *http.Client
	requests        int
	doorward        *process
	envoy           *testenv.Envoy
	mcp             *testenv.MCPServer
}

// newService finds addresses and a folder of its own; spare is one more address,
// for the authorization server.
func newService(o options, folder, name, profile string) (d *service, spare string, err error) {
	d = &service{program: o.doorward, folder: filepath.Join(folder, name), profile: profile}
	if err := os.MkdirAll(d.keyFolder(), 0o700); err != nil {
		return nil, "", err
	}
	addresses, err := testenv.FreeAddresses(4)
	if err != nil {
		return nil, "", err
	}
	d.listen, d.grpc, d.http = addresses[0], addresses[1], addresses[2]
	d.resource = "http://" + d.listen + "/mcp"
	d.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	return d, addresses[3], nil
}

func (d *service) keyFolder() string { return filepath.Join(d.folder, "jwks") }

func (d *service) yaml(keepKeys bool) string {
	text := fmt.Sprintf(`listen: {grpc: %q, http: %q}
issuers:
- issuer: %q
  profile: %s
  refresh: {min: %v, max: %v}
resources:
- resource: %q
  name: interop
  scopes: [mcp:read]
insecure_http_hosts: [loopback]
clock_skew: 1s
drain: 0s
`, d.grpc, d.http, d.issuer, d.profile, refreshEvery, refreshEvery, d.resource)
	if keepKeys {
		text += fmt.Sprintf("jwks_cache_dir: %q\n", d.keyFolder())
	}
	return text
}

// open starts doorward, which is ready when readyz says so, and at the first
// time what stands around it.
func (d *service) open(ctx context.Context, keepKeys bool) error {
	file := filepath.Join(d.folder, "doorward.yaml")
	if err := os.WriteFile(file, []byte(d.yaml(keepKeys)), 0o600); err != nil {
		return err
	}
	var err error
	if d.doorward, err = launch(ctx, "doorward", d.folder, nil, d.program, "serve", "--config", file); err != nil {
		return err
	}
	if d.mcp == nil {
		if d.mcp, err = testenv.StartMCPServer(testenv.MCPServerOptions{}); err != nil {
			return err
		}
	}
	if d.envoy == nil {
		d.envoy, err = testenv.StartEnvoy(ctx, testenv.EnvoyOptions{Listen: d.listen, Doorward: d.grpc, Upstream: d.mcp.Address()})
	}
	return err
}

// reopen is a new start of doorward alone.
func (d *service) reopen(ctx context.Context, keepKeys bool) error {
	old := d.doorward
	d.doorward = nil
	if err := old.stop(); err != nil {
		return err
	}
	return d.open(ctx, keepKeys)
}

// ready waits until doorward is, and until Envoy, which asks about its health
// now and then, knows.
func (d *service) ready(ctx context.Context) error {
	for _, url := range []string{"http://" + d.http + "/readyz", "http://" + d.listen + "/healthz"} {
		err := d.doorward.until(ctx, func(ctx context.Context) error {
			status, body, err := d.get(ctx, url)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("%s: %d %s", url, status, strings.TrimSpace(string(body)))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// issuerState is what readyz says.
type issuerState struct {
	ready   bool
	state   string
	problem string
}

func (d *service) state(ctx context.Context) (issuerState, error) {
	status, body, err := d.get(ctx, "http://"+d.http+"/readyz")
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
		return issuerState{}, fmt.Errorf("readyz said %q: %w", body, err)
	}
	return issuerState{status == http.StatusOK, answer.Issuers[0].State, answer.Issuers[0].Problem}, nil
}

// metric is the value of the one series of a metric that speaks of the issuer.
func (d *service) metric(ctx context.Context, name string) (float64, error) {
	_, body, err := d.get(ctx, "http://"+d.http+"/metrics")
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(strings.NewReader(string(body)))
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), fmt.Sprintf("%s{issuer=%q} ", name, d.issuer)); found {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("there is no metric %s of %s", name, d.issuer)
}

// settle waits until the keys are old enough for an unknown key id to be worth
// a fetch, and young enough that doorward will not fetch just now by itself.
func (d *service) settle(ctx context.Context) error {
	return poll(ctx, func(ctx context.Context) (bool, error) {
		fetched, err := d.metric(ctx, "doorward_jwks_last_success_timestamp_seconds")
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

func (d *service) get(ctx context.Context, url string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	request.Close = true // an open connection would hold up the other side's end
	response, err := d.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

// stop ends Envoy, doorward and the MCP server.
func (d *service) stop() error {
	d.client.CloseIdleConnections()
	var problems []error
	if d.envoy != nil {
		problems = append(problems, d.envoy.Stop())
	}
	problems = append(problems, d.doorward.stop())
	if d.mcp != nil {
		problems = append(problems, d.mcp.Close())
	}
	return errors.Join(problems...)
}
