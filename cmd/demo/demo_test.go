package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/testenv"
)

// TestTheDemo runs it against real parts.
func TestTheDemo(t *testing.T) {
	testenv.RequireEnvoy(t)
	programs, err := testenv.Build(t.Context(), t.TempDir(), "cmd/doorward")
	if err != nil {
		t.Fatal(err)
	}
	program := programs[0]
	for _, row := range []struct {
		name string
		test func(*testing.T, string)
	}{
		{"every step goes as it should", goesWell},
		{"a step that differs is red, and exit 1", differs},
		{"a login that fails is red, and the rest goes on", failsToLogIn},
		{"a token that leaves is red", leaves},
		{"an exchange that is not made is red", exchangesNothing},
		{"it ends with commands that work", waits},
		{"doorward that dies later is told", diesLater},
		{"Ctrl-C at the start stops all", interrupted},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Setenv("TMPDIR", shortTempDir(t))
			row.test(t, program)
			if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// shortTempDir: the path of a Unix socket has about a hundred bytes.
func shortTempDir(t *testing.T) string {
	t.Helper()
	t.TempDir() // makes the folder of the test where it usually is, before TMPDIR changes
	//nolint:usetesting // the names of the subtests are too long for it
	dir, err := os.MkdirTemp("", "demo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// once runs with -once.
func once(t *testing.T, program string, colour bool) (code int, transcript, problems string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, stderr bytes.Buffer
	code = run(ctx, []string{"-once", "-doorward", program}, &page{out: &out, colour: colour}, &stderr)
	return code, out.String(), stderr.String()
}

// stepLine is the first line of a step.
var stepLine = regexp.MustCompile(`(?m)^(✓|✗) +\d+  (.+?)(?:  →  (.+))?$`)

func goesWell(t *testing.T, program string) {
	code, transcript, problems := once(t, program, false)
	if code != 0 || problems != "" {
		t.Errorf("exit %d, stderr %q", code, problems)
	}
	var got [][2]string
	for _, line := range stepLine.FindAllStringSubmatch(transcript, -1) {
		if line[1] != "✓" {
			t.Errorf("not well: %s", line[0])
		}
		got = append(got, [2]string{line[2], line[3]})
	}
	want := [][2]string{
		{"Without a token, the answer says where to get one", "401 no_credentials"},
		{"The resource's metadata document names the authorization server", "200 metadata"},
		{"The authorization server says how to log in", "200"},
		{"Login: PKCE, and the resource is named", "200"},
		{"With the token, a tool call succeeds", "200 allowed"},
		{"Expired token", "401 token_expired"},
		{"Forged token", "401 signature_invalid"},
		{"Token for another audience", "401 audience_mismatch"},
		{"Token of another issuer", "401 issuer_unknown"},
		{"Missing scope", "403 insufficient_scope"},
		{"Missing scope, by a rule of the team's own", "403 insufficient_scope"},
		{"The scopes that the challenge asked for", "200 allowed"},
		{"Token in the query alone", "401 no_credentials"},
		{"Token in the query beside the header", "200 allowed"},
		{"Two credentials", "400 invalid_request"},
		{"Page of a strange origin", "403 origin_not_allowed"},
		{"The server passes the client's token on", "403 passthrough"},
		{"The server copies one header, and the API gets a token of its own", "200 allowed"},
		{"The MCP server saw no token but that argument, and the API only its own", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s\n%s", diff, transcript)
	}
	if !strings.Contains(transcript, "\n✓ All 19 steps went as they should (") || strings.Contains(transcript, "\x1b") {
		t.Errorf("no summary, or colour where there is no terminal:\n%s", transcript)
	}
	checkReadable(t, transcript)
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if count := fmt.Sprintf(": %d steps\n", len(want)); err != nil || !strings.Contains(string(readme), count) {
		t.Errorf("README.md does not have %q: %v", count, err)
	}
}

// checkReadable: nothing too wide, and no signature on the page.
func checkReadable(t *testing.T, transcript string) {
	t.Helper()
	for line := range strings.Lines(transcript) {
		line = strings.TrimSuffix(line, "\n")
		if utf8.RuneCountInString(line) > columns && !strings.Contains(line, os.TempDir()) {
			t.Errorf("wider than %d columns: %s", columns, line)
		}
		if strings.TrimRight(line, " ") != line {
			t.Errorf("spaces at the end: %q", line)
		}
	}
	if token := regexp.MustCompile(`eyJ[\w-]*\.[\w-]+\.[\w-]+`).FindString(transcript); token != "" {
		t.Errorf("a token is on the page: %s", token)
	}
}

// otherwise is a doorward whose file was changed by a sed script behind the
// demo's back.
func otherwise(t *testing.T, program, file, script string) (wrapper string) {
	t.Helper()
	return write(t, "#!/bin/sh\nset -e\nsed '"+script+"' "+file+" > changed && mv changed "+file+"\nexec "+program+" \"$@\"\n")
}

func write(t *testing.T, script string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func differs(t *testing.T, program string) {
	code, transcript, problems := once(t, otherwise(t, program, testenv.PolicyFile, "s/mcp:write/mcp:other/"), true)
	if code != exitFailure || problems != "" {
		t.Errorf("exit %d, stderr %q", code, problems)
	}
	for _, want := range []string{
		"\x1b[31m✗\x1b[0m 11  ", "\x1b[31m✗\x1b[0m 12  ",
		"\x1b[31mDIFFERS   \x1b[0m\x1b[31mchallenge: Bearer",
		"\x1b[31mDIFFERS   \x1b[0m\x1b[31mstatus: 403 Forbidden; wanted: 200 OK\x1b[0m",
		"\x1b[31mDIFFERS   \x1b[0m\x1b[31mthe reason in Envoy's access log: insufficient_scope; wanted: allowed\x1b[0m",
		"\x1b[31mDIFFERS   \x1b[0m\x1b[31mrequests that reached the MCP server: 0; wanted: 1\x1b[0m",
		"\x1b[31m✗ 2 of 19 steps differed from what was wanted (",
		"\x1b[31m11  Missing scope, by a rule of the team's own\x1b[0m\n",
	} {
		if !strings.Contains(transcript, want) {
			t.Errorf("no %q in:\n%s", want, transcript)
		}
	}
	if n := strings.Count(transcript, "\x1b[31m✗\x1b[0m"); n != 2 {
		t.Errorf("%d red steps instead of 2:\n%s", n, transcript)
	}
}

func failsToLogIn(t *testing.T, program string) {
	code, transcript, _ := once(t, otherwise(t, program, testenv.ConfigFile, "s/scopes: .mcp:read./scopes: [mcp:other]/"), false)
	if code != exitFailure {
		t.Errorf("exit %d", code)
	}
	for _, want := range []string{"✗  1  ", "✓  2  ", "✓  3  ", "✗  4  ", "✗  5  ", "the client never got this far", "invalid_scope", "✓ 16  ", "✗ 17  ", "✗ 18  "} {
		if !strings.Contains(transcript, want) {
			t.Errorf("no %q in:\n%s", want, transcript)
		}
	}
}

// leaves: with mode observe the token reaches the API.
func leaves(t *testing.T, program string) {
	code, transcript, _ := once(t, otherwise(t, program, testenv.ConfigFile, "/^egress:/a\\\n  mode: observe\n"), false)
	if code != exitFailure {
		t.Errorf("exit %d", code)
	}
	for _, want := range []string{
		"✗ 17  ", "status at the MCP server: 401 Unauthorized; wanted: 403 Forbidden", "requests that reached the API: 1; wanted: 0",
		"✓ 18  ", "✗ 19  ", "requests at the API with a token that a client sent: 1; wanted: 0",
	} {
		if !strings.Contains(transcript, want) {
			t.Errorf("no %q in:\n%s", want, transcript)
		}
	}
}

func exchangesNothing(t *testing.T, program string) {
	code, transcript, _ := once(t, otherwise(t, program, testenv.ConfigFile, "s/scope: .api:read./scope: [mcp:write]/"), false)
	if code != exitFailure {
		t.Errorf("exit %d", code)
	}
	for _, want := range []string{"✓ 17  ", "✗ 18  ", "scope: mcp:write; wanted: api:read", "✓ 19  "} {
		if !strings.Contains(transcript, want) {
			t.Errorf("no %q in:\n%s", want, transcript)
		}
	}
}

// running is a demo without -once.
type running struct {
	out    testenv.LogBuffer
	stderr bytes.Buffer
	code   chan int
	cancel context.CancelFunc
}

func launch(t *testing.T, program string) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	d := &running{code: make(chan int, 1), cancel: cancel}
	go func() { d.code <- run(ctx, []string{"-doorward", program}, &page{out: &d.out}, &d.stderr) }()
	t.Cleanup(cancel)
	return d
}

func (d *running) wait(t *testing.T, parts ...string) (line string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	line, err := d.out.Wait(ctx, parts...)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// pid is that of doorward.
func (d *running) pid(t *testing.T) int {
	t.Helper()
	line := d.wait(t, "doorward ", " pid ")
	pid, err := strconv.Atoi(regexp.MustCompile(`pid (\d+)`).FindStringSubmatch(line)[1])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func waits(t *testing.T, program string) {
	d := launch(t, program)
	d.wait(t, "Requests (from")
	pid := d.pid(t)
	checkReadable(t, d.out.String())
	_, commands, _ := strings.Cut(d.out.String(), "Try it in another terminal\n")
	commands, _, _ = strings.Cut(commands, "\nRequests (from")
	if _, err := exec.LookPath("curl"); err == nil {
		out, err := exec.CommandContext(t.Context(), "sh", "-e", "-c", commands).Output()
		if err != nil {
			t.Errorf("the commands: %v", err)
		}
		for _, want := range []string{"401 Unauthorized", `"authorization_servers":[`, "200 OK", `"subject":"curl"`, `"status":403`} {
			if !strings.Contains(string(out), want) {
				t.Errorf("the commands did not say %q:\n%s", want, out)
			}
		}
		d.wait(t, "✗ 401 no_credentials", "POST /mcp")
		d.wait(t, "✓ 200 metadata", "GET /.well-known/oauth-protected-resource/mcp")
		d.wait(t, "✓ 200 allowed", "POST /mcp curl")
		d.wait(t, "✗ 403 passthrough", "GET /v1/alerts from the MCP server")
	}
	d.cancel()
	if code := <-d.code; code != 0 || d.stderr.Len() > 0 {
		t.Errorf("exit %d, stderr %q", code, &d.stderr)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("doorward is still there: %v", err)
	}
	if !strings.HasSuffix(d.out.String(), "\nEverything that was started has been stopped.\n") {
		t.Error("it does not say that all was stopped")
	}
}

func diesLater(t *testing.T, program string) {
	d := launch(t, program)
	pid := d.pid(t)
	d.wait(t, "Requests (from")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := <-d.code; code != exitFailure || !strings.Contains(d.stderr.String(), "doorward: the process ended: signal: killed; its last lines:\n   {") {
		t.Errorf("exit %d, stderr %q", code, &d.stderr)
	}
}

func interrupted(t *testing.T, program string) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, stderr bytes.Buffer
	code := run(ctx, []string{"-once", "-doorward", program}, &page{out: &out}, &stderr)
	if code != exitFailure || stderr.String() != "demo: interrupted before the last step\n" {
		t.Errorf("exit %d, stderr %q", code, &stderr)
	}
}
