package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	sending "github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// asProgram makes the test binary doorward itself: a process of its own can be
// killed.
const asProgram = "DOORWARD_TEST_SERVE"

func TestMain(m *testing.M) {
	if file := os.Getenv(asProgram); file != "" {
		os.Args = []string{"doorward", "serve", "--config", file}
		main()
	}
	os.Exit(m.Run())
}

// number is a setting of a longer run, by hand.
func number(t *testing.T, variable string, usual int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// replica is one of several doorwards behind an Envoy.
type replica struct {
	file, grpc, http string
	command          *exec.Cmd
}

func (r *replica) start(t *testing.T) {
	t.Helper()
	r.command = exec.CommandContext(t.Context(), os.Args[0])
	r.command.Env = append(os.Environ(), asProgram+"="+r.file)
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "ready", func() bool {
		response, err := http.Get("http://" + r.http + "/readyz")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// end sends the signal and waits until the process is gone.
func (r *replica) end(signal os.Signal) {
	_ = r.command.Process.Signal(signal)
	_ = r.command.Wait()
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("not %s within %v", what, within)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// pair is two replicas behind the shipped envoy.yaml.
type pair struct {
	replicas [2]*replica
	envoy    *testenv.Envoy
	key      *jwttest.Key
	nonces   atomic.Int64 // that clients were asked for
}

func openPair(t *testing.T, more string) *pair {
	t.Helper()
	testenv.RequireEnvoy(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	t.Cleanup(upstream.Close)
	addresses, err := testenv.FreeAddresses(4)
	if err != nil {
		t.Fatal(err)
	}
	f := newFolder(t)
	f.write(t, "nonce.key", base64.StdEncoding.EncodeToString(make([]byte, 32)))
	p := &pair{key: f.key}
	text := strings.Replace(readFile(t, f.configure(t, more)), "drain: 0s", "drain: 1s", 1)
	for i := range p.replicas {
		r := &replica{file: f.path(fmt.Sprintf("replica-%d.yaml", i)), grpc: addresses[2*i], http: addresses[2*i+1]}
		f.write(t, fmt.Sprintf("replica-%d.yaml", i), strings.Replace(text, `listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0"}`,
			fmt.Sprintf("listen: {grpc: %q, http: %q}", r.grpc, r.http), 1))
		r.start(t)
		t.Cleanup(func() { r.end(syscall.SIGKILL) })
		p.replicas[i] = r
	}
	p.envoy, err = testenv.StartEnvoy(t.Context(), testenv.EnvoyOptions{
		Doorward: p.replicas[0].grpc, Replicas: []string{p.replicas[1].grpc}, Upstream: upstream.Listener.Addr().String(),
		Edit: deadlines(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.envoy.Stop() })
	p.whole(t)
	return p
}

// deadlines are longer on a machine that is busy with other tests; a trial of load is
// run with the deadlines as they are.
func deadlines() func(*testenv.Bootstrap) error {
	if os.Getenv("DOORWARD_RATE") != "" {
		return nil
	}
	return testenv.WithLongTimeouts
}

// whole waits until Envoy counts on both.
func (p *pair) whole(t *testing.T) {
	t.Helper()
	eventually(t, "two healthy replicas", func() bool {
		healthy, err := p.envoy.Stat(t.Context(), "cluster.doorward.membership_healthy")
		return err == nil && healthy == 2
	})
}

// ends takes one replica after the other away while requests come, and returns
// how those were answered.
func (p *pair) ends(t *testing.T, signal os.Signal, times, rate int, call sending.Call) []sending.Sample {
	t.Helper()
	const rest = 300 * time.Millisecond // between two steps, for requests to meet each
	ctx, cancel := context.WithCancel(t.Context())
	sender := sending.Sender{
		Due:  sending.Schedule(float64(rate), time.Duration(times)*within, nil),
		Call: func(_ context.Context, n int) string { return call(t.Context(), n) }, // ctx ends the sending, not what is under way
	}
	done := make(chan error, 1)
	go func() { done <- sender.Run(ctx, time.Now()) }()
	for i := range times {
		<-time.After(rest)
		r := p.replicas[i%2]
		r.end(signal)
		<-time.After(rest)
		r.start(t)
		p.whole(t)
	}
	<-time.After(rest)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(sender.Samples, func(s sending.Sample) bool { return s.Reason == "" }) // never sent
}

// TestAReplicaThatDiesCostsNothing: a request that meets it is asked of the
// other. DOORWARD_ENDS=10 and DOORWARD_RATE=1000 make it a trial of sending.
func TestAReplicaThatDiesCostsNothing(t *testing.T) {
	ends, rate := number(t, "DOORWARD_ENDS", 1), number(t, "DOORWARD_RATE", 200)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4096, MaxIdleConns: 4096}, Timeout: within}
	for intent, row := range map[string]struct {
		signal os.Signal
		dpop   bool
	}{
		"kill -9":           {syscall.SIGKILL, false},
		"SIGTERM":           {syscall.SIGTERM, false},
		"kill -9 with DPoP": {syscall.SIGKILL, true},
	} {
		t.Run(intent, func(t *testing.T) {
			more := ""
			if row.dpop {
				more = "  dpop: required\ndpop_nonce_key_file: nonce.key" // without it each replica asks for a nonce of its own
			}
			p := openPair(t, more)
			call := p.bearer(client)
			if row.dpop {
				call = p.proven(client)
			}
			samples := p.ends(t, row.signal, ends, rate, call)
			reasons := sending.Reasons(samples)
			t.Logf("%d ends at %d requests a second: %d requests, %v, %d asked for a nonce, p99.9 and longest %v %v", ends, rate, len(samples), reasons, p.nonces.Load(),
				sending.Summarise(samples).P999, sending.Summarise(samples).Max)
			if len(samples) == 0 || reasons[sending.Allowed] != len(samples) {
				t.Errorf("%v", reasons)
				p.explain(t)
			}
		})
	}
}

// explain tells what Envoy counted, and the last of what it answered itself.
func (p *pair) explain(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"upstream_rq_retry", "upstream_rq_retry_overflow", "upstream_rq_retry_limit_exceeded", "upstream_rq_timeout",
		"upstream_cx_connect_fail", "outlier_detection.ejections_enforced_total", "health_check.failure",
	} {
		n, err := p.envoy.Stat(t.Context(), "cluster.doorward."+name)
		t.Logf("%s %d, %v", name, n, err)
	}
	seen := map[string]int{}
	for line := range strings.SplitSeq(p.envoy.AccessLog.String(), "\n") {
		var said struct {
			Status         int
			Flags, Details string
		}
		if json.Unmarshal([]byte(line), &said) == nil && said.Status == http.StatusServiceUnavailable {
			seen[said.Flags+" "+said.Details]++
		}
	}
	t.Logf("%v", seen)
}

// bearer sends one good token again and again.
func (p *pair) bearer(client *http.Client) sending.Call {
	token := goodToken(p.key)
	return func(ctx context.Context, _ int) string {
		reason, _ := p.send(ctx, client, "Bearer "+token, "")
		return reason
	}
}

// proven sends a token that is bound to a key, with a new proof each time, and
// answers a demand for a nonce as clients do.
func (p *pair) proven(client *http.Client) sending.Call {
	holder := jwttest.NewKey("ES256", "holder")
	token := p.key.Sign(map[string]any{
		"iss": "https://as.example.com", "aud": "https://mcp.example.com/mcp", "sub": "alice", "client_id": "app",
		"exp": time.Now().Add(time.Hour).Unix(), "cnf": map[string]any{"jkt": holder.Thumbprint()},
	})
	proof := func(n int, nonce string) string {
		changes := map[string]any{}
		if nonce != "" {
			changes["nonce"] = nonce
		}
		return holder.SignProof(jwttest.Proof{
			Method: http.MethodPost, URL: "https://mcp.example.com/mcp", Token: token, ID: fmt.Sprintf("proof-%d%s", n, nonce), At: time.Now(),
		}, changes)
	}
	return func(ctx context.Context, n int) string {
		reason, nonce := p.send(ctx, client, "DPoP "+token, proof(n, ""))
		if nonce != "" {
			p.nonces.Add(1)
			reason, _ = p.send(ctx, client, "DPoP "+token, proof(n, nonce))
		}
		return reason
	}
}

// send is one request through Envoy. nonce is what a refusal demands.
func (p *pair) send(ctx context.Context, client *http.Client, authorization, proof string) (reason, nonce string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.envoy.URL()+"/mcp", strings.NewReader("{}"))
	if err != nil {
		return err.Error(), ""
	}
	request.Host = "mcp.example.com"
	request.Header.Set("Authorization", authorization)
	if proof != "" {
		request.Header.Set("DPoP", proof)
	}
	response, err := client.Do(request)
	if err != nil {
		return sending.NoAnswer, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return sending.NoAnswer, ""
	case response.StatusCode == http.StatusOK:
		return sending.Allowed, ""
	}
	return response.Status + " " + string(body), response.Header.Get("DPoP-Nonce")
}
