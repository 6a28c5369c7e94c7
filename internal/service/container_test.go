package service

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/doorward/doorward/internal/config"
)

// TestInContainer goes by what engines leave behind, and by nothing else.
func TestInContainer(t *testing.T) {
	plain := func(string) string { return "" }
	pod := func(name string) string { return map[string]string{"KUBERNETES_SERVICE_HOST": "10.96.0.1"}[name] }
	for intent, row := range map[string]struct {
		root   fstest.MapFS
		getenv func(string) string
		want   bool
	}{
		"a machine":  {fstest.MapFS{"etc/passwd": {}}, plain, false},
		"Docker":     {fstest.MapFS{".dockerenv": {}}, plain, true},
		"Podman":     {fstest.MapFS{"run/.containerenv": {}}, plain, true},
		"Kubernetes": {fstest.MapFS{}, pod, true},
	} {
		if got := inContainer(row.root, row.getenv); got != row.want {
			t.Errorf("%s: %v", intent, got)
		}
	}
}

// TestLoopbackInAContainerIsWarnedAbout, for each port that listens there.
func TestLoopbackInAContainerIsWarnedAbout(t *testing.T) {
	for intent, row := range map[string]struct {
		where config.Listen
		want  []string
	}{
		"both on loopback": {config.Listen{GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0"}, []string{"listen.grpc", "listen.http"}},
		"one on loopback":  {config.Listen{GRPC: "0.0.0.0:0", HTTP: "127.0.0.1:0"}, []string{"listen.http"}},
		"none":             {config.Listen{GRPC: "0.0.0.0:0", HTTP: config.Off}, nil},
		"a Unix socket":    {config.Listen{GRPC: "unix://" + t.TempDir() + "/s", SocketMode: 0o600, HTTP: config.Off}, nil},
	} {
		row.where.Debug = config.Off
		opened, err := listen(t.Context(), row.where)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		warnUnreachable(slog.New(slog.NewTextHandler(&log, nil)), opened)
		opened.close()
		for _, key := range row.want {
			if !strings.Contains(log.String(), "key="+key+" ") {
				t.Errorf("%s: no %s in %q", intent, key, &log)
			}
		}
		if got := strings.Count(log.String(), "inside a container"); got != len(row.want) {
			t.Errorf("%s: %d warnings, want %d: %s", intent, got, len(row.want), &log)
		}
	}
}
