//go:build unix

package config_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/doorward/doorward/internal/config"
)

// TestDecisionLogIsNoPipe: opening a pipe without a reader would not return.
func TestDecisionLogIsNoPipe(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": oneIssuer + oneResource + "decision_log: {to: 'file:pipe'}\n"})
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems := config.Load([]string{dir})
	if c != nil || len(problems) != 1 || !strings.Contains(problems[0].Message, "which is a pipe") {
		t.Errorf("%v:\n%s", c, text(problems))
	}
}
