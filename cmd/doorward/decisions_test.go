package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
)

// decision is one event, as far as these tests look.
type decision struct {
	DecisionID string `json:"decision_id"`
	Labels     map[string]string
	Input      struct {
		Request struct{ ID string }
		Claims  map[string]any
	}
	Result struct {
		Allow  bool
		Reason string
	}
}

func decisionsIn(t *testing.T, text string) []decision {
	t.Helper()
	var all []decision
	for line := range strings.Lines(text) {
		var one decision
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, one)
	}
	return all
}

// askAs is a Check of a request that has an x-request-id.
func askAs(t *testing.T, conn *grpc.ClientConn, token, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	check := checkRequest(token)
	http := check.GetAttributes().GetRequest().GetHttp()
	if http.Headers == nil {
		http.Headers = map[string]string{}
	}
	http.Headers["x-request-id"] = id
	if _, err := authv3.NewAuthorizationClient(conn).Check(ctx, check); err != nil {
		t.Fatalf("Check ended in a gRPC error: %v", err)
	}
}

// TestDecisionLogInAFile: an event joins Envoy's log by the x-request-id, and
// what was decided last is there once the program has ended.
func TestDecisionLogInAFile(t *testing.T) {
	f := newFolder(t)
	p := start(t, "--config", f.configure(t, "decision_log: {to: 'file:decisions.log', claims: [scope]}"))
	conn := p.dial(t, p.grpc, nil)
	askAs(t, conn, goodToken(f.key), "first")
	p.stop()
	if code := p.wait(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	got := decisionsIn(t, readFile(t, f.path("decisions.log")))
	if len(got) != 1 || got[0].Input.Request.ID != "first" || !got[0].Result.Allow || got[0].Input.Claims["scope"] != "mcp:read" ||
		got[0].Labels["id"] == "" || got[0].Labels["version"] == "" {
		t.Errorf("%+v", got)
	}
	if log := p.log.String(); !strings.Contains(log, `"msg":"logging decisions"`) || strings.Contains(log, "not delivered") {
		t.Errorf("log: %s", log)
	}
}

// TestDecisionLogOnStdout, where denials are no sample, and a reader that ends
// is no signal to end.
func TestDecisionLogOnStdout(t *testing.T) {
	f := newFolder(t)
	stdout := newLines()
	p := startTo(t, stdout, "--config", f.configure(t, "decision_log: {to: stdout, sample_allows: 0}"))
	conn := p.dial(t, p.grpc, nil)
	askAs(t, conn, goodToken(f.key), "allowed")
	askAs(t, conn, "", "denied")
	if !signal.Ignored(syscall.SIGPIPE) {
		t.Error("a reader of the standard output that ends is the end of the service")
	}
	p.stop()
	p.wait(t)
	got := decisionsIn(t, stdout.String())
	if len(got) != 1 || got[0].Input.Request.ID != "denied" || got[0].Result.Reason != "no_credentials" {
		t.Errorf("%+v", got)
	}
}

// TestDecisionLogThatIsNotThere: a file that cannot be written is refused at
// the start, and at a reload with the one before still in force.
func TestDecisionLogThatIsNotThere(t *testing.T) {
	f := newFolder(t)
	unwritable := "decision_log: {to: 'file:" + strings.Repeat("x", 300) + "'}"
	log := newLines()
	if code := run(t.Context(), []string{"serve", "--config", f.configure(t, unwritable)}, log, log); code != exitFailure || !strings.Contains(log.String(), "decision log: open") {
		t.Errorf("exit %d: %s", code, log)
	}
	p := start(t, "--config", f.configure(t, "decision_log: {to: 'file:decisions.log'}"))
	f.configure(t, unwritable)
	p.log.await(t, 1, "stays in force")
	askAs(t, p.dial(t, p.grpc, nil), "", "kept")
	p.stop()
	p.wait(t)
	if got := decisionsIn(t, readFile(t, f.path("decisions.log"))); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}

// TestDecisionLogServiceIsDown: traffic is served, the operator hears of it,
// and what is lost at the end is counted.
func TestDecisionLogServiceIsDown(t *testing.T) {
	t.Parallel()
	for intent, handler := range map[string]http.HandlerFunc{
		"hangs": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // the server looks for a client that is gone only once it has read all
			<-r.Context().Done()
		},
		"500":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"down": nil,
	} {
		t.Run(intent, func(t *testing.T) {
			service := httptest.NewServer(handler)
			if handler == nil {
				service.Close()
			}
			defer service.Close()
			f := newFolder(t)
			p := start(t, "--config", f.configure(t, "decision_log: {to: '"+service.URL+"'}\ninsecure_http_hosts: [loopback]"))
			conn := p.dial(t, p.grpc, nil)
			if got := verdict(t, conn, goodToken(f.key)); got != "allowed" {
				t.Errorf("a good token: %s", got)
			}
			if intent != "hangs" {
				p.log.await(t, 1, "decisions cannot be logged")
			}
			if _, _, metrics := get(t, "http://"+p.http+"/metrics"); !strings.Contains(metrics, `doorward_decision_log_dropped_total{verdict="deny"} 0`) {
				t.Error("drops are not counted from the start")
			}
			p.stop()
			if code := p.wait(t); code != 0 {
				t.Errorf("exit %d", code)
			}
			p.log.await(t, 1, "not delivered before the end")
		})
	}
}

// TestDecisionLogCertificates: other authorities in the file are another log.
func TestDecisionLogCertificates(t *testing.T) {
	f := newFolder(t)
	newCertificate(t).write(t, f)
	p := start(t, "--config", f.configure(t, "decision_log: {to: 'https://127.0.0.1:1', ca_file: cert.pem}"))
	newCertificate(t).write(t, f)
	p.log.await(t, 2, "logging decisions")
}

// TestOnlyServeLogsDecisions: check says what is wrong with the decision log, and
// what explain explains has not happened.
func TestOnlyServeLogsDecisions(t *testing.T) {
	f := newFolder(t)
	configured := f.configure(t, "decision_log: {to: 'file:decisions.log'}")
	for args, want := range map[string]int{
		"check --config " + configured:                                          0,
		"explain --config " + configured + " --url https://mcp.example.com/mcp": exitRefused,
	} {
		var out strings.Builder
		if code := run(t.Context(), strings.Fields(args), &out, &out); code != want {
			t.Errorf("%s: exit %d: %s", args, code, &out)
		}
		if _, err := os.Stat(f.path("decisions.log")); !os.IsNotExist(err) {
			t.Errorf("%s: the file is there: %v", args, err)
		}
	}
}
