// Package systemd tests the unit file.
package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	unit = "doorward.service"

	// mostExposed is the highest exposure that `systemd-analyze security` may give, from 0 to
	// 100. That of a service without settings is 96.
	mostExposed = "20"
)

// settings are those of the section [Service]; the last value of a key counts.
func settings(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n[Service]\n")
	section, _, ends := strings.Cut(section, "\n[Install]\n")
	if !found || !ends {
		t.Fatal("no section [Service] before [Install]")
	}
	all := map[string]string{}
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Errorf("no setting: %q", line)
		}
		all[key] = value
	}
	return all
}

// TestTheUnitIsHardened, and leaves doorward the 15 s that a stop may take.
func TestTheUnitIsHardened(t *testing.T) {
	got := settings(t)
	for key, want := range map[string]string{
		"User": "doorward", "NoNewPrivileges": "true", "CapabilityBoundingSet": "", "ProtectSystem": "strict",
		"ProtectHome": "true", "PrivateDevices": "true", "MemoryDenyWriteExecute": "true", "RestrictNamespaces": "true",
		"SystemCallArchitectures": "native", "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
		"ExecStart": "/usr/local/bin/doorward serve --config /etc/doorward/doorward.yaml", "Restart": "always",
	} {
		if value, ok := got[key]; !ok || value != want {
			t.Errorf("%s=%s, want %s", key, value, want)
		}
	}
	if seconds, err := strconv.Atoi(got["TimeoutStopSec"]); err != nil || seconds <= 15 {
		t.Errorf("TimeoutStopSec=%s", got["TimeoutStopSec"])
	}
}

// TestSystemdAcceptsTheUnit, with a command in the place of doorward, where the machine
// has systemd-analyze.
func TestSystemdAcceptsTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze")
	}
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), unit)
	runs := strings.ReplaceAll(string(text), "/usr/local/bin/doorward", "/bin/true")
	if err := os.WriteFile(file, []byte(runs), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"verify", "--man=no", file},
		{"security", "--offline=true", "--threshold=" + mostExposed, "--no-pager", file},
	} {
		said, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, said)
		}
		if args[0] == "verify" && strings.Contains(string(said), unit) {
			t.Errorf("systemd-analyze verify warns: %s", said)
		}
		t.Logf("%s", said[max(0, len(said)-200):])
	}
}
