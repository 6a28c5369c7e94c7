package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/testenv"
)

// TestABusyPort: each flag names itself.
func TestABusyPort(t *testing.T) {
	program := write(t, "#!/bin/sh\nexit 1\n")
	listener, err := testenv.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, busy, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"-envoy-port", "-doorward-port", "-http-port", "-mcp-port", "-as-port", "-admin-port", "-egress-port", "-api-port",
	} {
		var out, stderr bytes.Buffer
		code := run(t.Context(), []string{"-once", "-doorward", program, name, busy}, &page{out: &out}, &stderr)
		want := "demo: port " + busy + " is busy: another process listens there. Stop it, or choose another port with " + name + " (0 is any free one)\n"
		if code != exitFailure || stderr.String() != want {
			t.Errorf("%s: exit %d, stderr %q", name, code, &stderr)
		}
	}
}

func TestUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"flag provided but not defined":        {"-nonsense"},
		`"once" is no flag`:                    {"once"},
		"-envoy-port 65536 is no port":         {"-envoy-port", "65536"},
		"-envoy-port and -mcp-port are both 9": {"-envoy-port", "9", "-mcp-port", "9"},
	} {
		var out, stderr bytes.Buffer
		code := run(t.Context(), args, &page{out: &out}, &stderr)
		if code != exitUsage || !strings.Contains(stderr.String(), want) || out.Len() > 0 {
			t.Errorf("%q: exit %d, stderr %q, stdout %q", args, code, &stderr, &out)
		}
	}
}

// TestHelp is no mistake of the user's.
func TestHelp(t *testing.T) {
	var out, stderr bytes.Buffer
	if code := run(t.Context(), []string{"-help"}, &page{out: &out}, &stderr); code != 0 || !strings.Contains(stderr.String(), "-envoy-port") {
		t.Errorf("exit %d, stderr %q", code, &stderr)
	}
}

// TestDoorwardThatCannotStart: the reason is its own last words.
func TestDoorwardThatCannotStart(t *testing.T) {
	for name, row := range map[string]struct{ program, want string }{
		"it is not there":  {filepath.Join(t.TempDir(), "none"), "build it with `make build`, or say where it is with -doorward"},
		"it is no program": {write(t, "\x00"), "doorward could not be started: cannot run program: "},
		"it ends at once": {
			write(t, "#!/bin/sh\necho first >&2; echo last words >&2; exit 3\n"),
			"doorward could not be started: the process ended: exit status 3; its last lines:\n   first\n   last words\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			code, transcript, problems := once(t, row.program, false)
			if code != exitFailure || !strings.Contains(problems, row.want) {
				t.Errorf("exit %d, stderr %q, stdout %q", code, problems, transcript)
			}
			if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
