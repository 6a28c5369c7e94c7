// Package golden holds what the binary promises to machines: the bytes of
// answers, reasons, names of metrics and log keys, exit codes, configuration
// keys, JSON output and the places of findings. It knows the binary alone and
// none of our packages, so that a change of the code's structure cannot change
// the test with it. Sentences for people are not part of it.
//
//	go test ./internal/golden -update    # after a change that is meant
package golden

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// compare holds got against testdata/name.
func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got\n%s", path, diff)
	}
}

// build makes the binary once for a test.
func build(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the whole binary")
	}
	binary := filepath.Join(t.TempDir(), "doorward")
	command := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "../../cmd/doorward")
	command.Env = append(os.Environ(), "CGO_ENABLED=0") // with the flags of a release: other tests have built these packages
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

func write(t *testing.T, folder, name, content string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// lines joins what was collected, sorted and each once.
func lines(set map[string]bool) string {
	return strings.Join(sortedKeys(set), "\n") + "\n"
}
