package testenv

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Files of a doorward, below [DoorwardOptions.Dir].
const (
	ConfigFile = "doorward.yaml"
	PolicyFile = "policy/team.rego"
)

// TeamPolicy is a policy of one rule, for a doorward that is measured.
const TeamPolicy = `package authz

deny contains {"code": "no_deletes", "message": "nothing is deleted here"} if input.request.method == "DELETE"
`

// DoorwardOptions are the doorward to run and its configuration.
type DoorwardOptions struct {
	Program    string
	Dir        string // for the files above; made where it does not exist
	GRPC, HTTP string // host:port of the listeners; "" is a free port on 127.0.0.1
	Config     string // YAML without `listen`
	Policy     string // content of [PolicyFile], which Config must name; "" writes no file

	Args    []string // arguments of serve, beside --config
	Env     []string // as in [Command], as are the next two
	CPUs    string
	LogFile string

	Unready bool // return once the process runs; the caller waits with [Doorward.WaitReady]
}

// Doorward is a doorward process.
type Doorward struct {
	Process
	GRPC, HTTP string       // host:port of the listeners
	Config     string       // content of its configuration file
	Client     *http.Client // for Get; nil is [http.DefaultClient]

	dir string
}

// StartDoorward writes the files, runs the program until [Doorward.Stop] and
// returns when /readyz is 200, within 30 s and the time of ctx. The error quotes
// the last lines of the log.
func StartDoorward(ctx context.Context, o DoorwardOptions) (*Doorward, error) {
	free, err := FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	for i, address := range []*string{&o.GRPC, &o.HTTP} {
		if *address == "" {
			*address = free[i]
		}
	}
	d := &Doorward{GRPC: o.GRPC, HTTP: o.HTTP, dir: o.Dir}
	d.Config = fmt.Sprintf("listen: {grpc: '%s', http: '%s'}\n%s", o.GRPC, o.HTTP, o.Config)
	if err := d.write(ConfigFile, d.Config); err != nil {
		return nil, err
	}
	if o.Policy != "" {
		if err := d.WritePolicy(o.Policy); err != nil {
			return nil, err
		}
	}
	if err := d.start(ctx, Command{
		Program: o.Program, Args: append([]string{"serve", "--config", ConfigFile}, o.Args...),
		Env: o.Env, Dir: o.Dir, CPUs: o.CPUs, LogFile: o.LogFile,
	}); err != nil {
		return nil, err
	}
	if o.Unready {
		return d, nil
	}
	if err := d.WaitReady(ctx); err != nil {
		_ = d.Stop() // the error above says more
		return nil, err
	}
	return d, nil
}

// write replaces a file by a rename, so that doorward never reads half of it.
func (d *Doorward) write(name, content string) error {
	file := filepath.Join(d.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// WritePolicy replaces the content of [PolicyFile].
func (d *Doorward) WritePolicy(rego string) error { return d.write(PolicyFile, rego) }

// WaitReady waits until /readyz is 200, which takes the keys of every issuer.
func (d *Doorward) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	return d.Until(ctx, func(ctx context.Context) error {
		status, body, err := d.Get(ctx, "/readyz")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("/readyz: %d %s", status, bytes.TrimSpace(body))
		}
		return err
	})
}

// Get asks the HTTP listener: /readyz, /metrics and the metadata documents.
func (d *Doorward) Get(ctx context.Context, path string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.HTTP+path, nil)
	if err != nil {
		return 0, nil, err
	}
	request.Close = true // an open connection would delay the end of the process
	client := d.Client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

// Metric reads one series, written as in the exposition format, labels
// included: doorward_jwks_keys{issuer="https://as.example.com"}. An error means
// that there is no such series.
func (d *Doorward) Metric(ctx context.Context, series string) (float64, error) {
	_, body, err := d.Get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(body))
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), series+" "); found {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.Join(fmt.Errorf("no metric %s", series), lines.Err())
}

// Stop ends the process as [Process.Stop] does. An exit code other than 0 is an
// error too. A nil Doorward has stopped.
func (d *Doorward) Stop() error {
	if d == nil {
		return nil
	}
	if err := d.Process.Stop(); err != nil {
		return err
	}
	if d.failure != nil {
		return d.Failure()
	}
	return nil
}
