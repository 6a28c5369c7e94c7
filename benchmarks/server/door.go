package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/testenv"
)

// TeamPolicy is what most teams will have: one rule of their own.
const TeamPolicy = `package authz

deny contains {"code": "no_deletes", "message": "nothing is deleted here"} if input.request.method == "DELETE"
`

// ServiceOptions are what differs between the doorwards of the benchmarks.
type ServiceOptions struct {
	Program  string
	Folder   string   // for its files; made where it is not there
	Issuer   string   // and, below it, jwks.json
	Resource string   // its URI
	Refresh  string   // one line of YAML for the key refresh; "" for the defaults
	Extra    []string // further lines of the configuration
	Args     []string // further arguments of serve
	Env      []string
	CPUs     string // processors to keep to, as a list for taskset; "" for all

	Whole []string // the configuration but for listen, instead of what the fields above put into it
}

// configuration is all that doorward is told.
func (o ServiceOptions) configuration(grpc, http string) string {
	lines := []string{
		"listen: {grpc: '" + grpc + "', http: '" + http + "'}",
	}
	if o.Whole != nil {
		return strings.Join(append(lines, o.Whole...), "\n") + "\n"
	}
	lines = append(
		lines,
		"issuers:",
		"- issuer: "+o.Issuer,
		"  jwks_uri: "+o.Issuer+"/jwks.json",
	)
	if o.Refresh != "" {
		lines = append(lines, "  refresh: "+o.Refresh)
	}
	lines = append(
		lines,
		"resources:",
		"- resource: "+o.Resource,
		"  name: benchmark",
		"  scopes: [mcp:read]",
		"policy: {paths: [policy/]}",
		"insecure_http_hosts: [loopback]",
		"drain: 0s",
	)
	return strings.Join(append(lines, o.Extra...), "\n") + "\n"
}

// Service is a running doorward.
type Service struct {
	*Process
	GRPC, HTTP string // host:port
	TeamFile   string // the team's one rule
}

// StartService runs doorward until Stop. It returns when doorward is ready; the
// error quotes its log.
func StartService(ctx context.Context, o ServiceOptions) (*Service, error) {
	addresses, err := testenv.FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	d := &Service{GRPC: addresses[0], HTTP: addresses[1], TeamFile: filepath.Join(o.Folder, "policy", "team.rego")}
	if err := o.write(d); err != nil {
		return nil, err
	}
	d.Process, err = Start(ctx, Command{
		Program: o.Program, Args: append([]string{"serve", "--config", "doorward.yaml"}, o.Args...), Env: o.Env, Dir: o.Folder,
	}.On(o.CPUs))
	if err != nil {
		return nil, err
	}
	if err := d.waitReady(ctx); err != nil {
		d.Stop()
		return nil, fmt.Errorf("doorward did not become ready: %w; its log:\n%s", err, d.Log.String())
	}
	return d, nil
}

func (o ServiceOptions) write(d *Service) error {
	if err := os.MkdirAll(filepath.Dir(d.TeamFile), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.Folder, "doorward.yaml"), []byte(o.configuration(d.GRPC, d.HTTP)), 0o600); err != nil {
		return err
	}
	return d.WriteTeam(TeamPolicy)
}

// WriteTeam replaces the team's policy, at once as a careful editor does.
func (d *Service) WriteTeam(text string) error {
	beside := d.TeamFile + ".new"
	if err := os.WriteFile(beside, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(beside, d.TeamFile)
}

// waitReady polls readyz, which says yes once doorward has its issuer's keys.
func (d *Service) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !d.ready(ctx) {
		select {
		case <-tick.C:
		case <-d.Ended():
			return errors.New("the process ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (d *Service) ready(ctx context.Context) bool {
	response, err := d.get(ctx, "/readyz")
	if err != nil {
		return false
	}
	_ = response.Body.Close() // its status is all there is to know
	return response.StatusCode == http.StatusOK
}

func (d *Service) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.HTTP+path, nil)
	if err != nil {
		return nil, err
	}
	request.Close = true
	return http.DefaultClient.Do(request)
}

// Metric reads one of doorward's metrics, written as in its exposition, labels
// included; ok is false where there is none.
func (d *Service) Metric(ctx context.Context, name string) (value float64, ok bool, err error) {
	response, err := d.get(ctx, "/metrics")
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if text, found := strings.CutPrefix(lines.Text(), name+" "); found {
			value, err = strconv.ParseFloat(text, 64)
			return value, err == nil, err
		}
	}
	return 0, false, lines.Err()
}
