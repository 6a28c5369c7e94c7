package golden

import (
	"bufio"
	"encoding/json"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// service is a running doorward and what it has logged.
type service struct {
	grpc, http string

	command *exec.Cmd
	read    sync.WaitGroup
	mu      sync.Mutex
	logged  []map[string]any
}

// serve starts the binary and returns once it answers.
func serve(t *testing.T, binary, configuration string) *service {
	t.Helper()
	s := &service{command: exec.Command(binary, "serve", "--config", configuration)}
	stderr, err := s.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.command.Process.Kill() })
	serving := make(chan bool, 1)
	s.read.Go(func() {
		for scan := bufio.NewScanner(stderr); scan.Scan(); {
			if s.keep(scan.Bytes()) {
				serving <- true
			}
		}
		close(serving)
	})
	select {
	case ok := <-serving:
		if !ok {
			t.Fatalf("doorward ended: %v", s.logged)
		}
	case <-time.After(time.Minute):
		t.Fatal("doorward does not serve")
	}
	return s
}

// keep remembers a log line; true says that it names the listeners.
func (s *service) keep(line []byte) bool {
	var entry map[string]any
	if json.Unmarshal(line, &entry) != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logged = append(s.logged, entry)
	if entry["msg"] != "serving" {
		return false
	}
	s.grpc, _ = entry["grpc"].(string)
	s.http, _ = entry["http"].(string)
	return true
}

// stop ends the service as an orchestrator does and returns its exit code.
func (s *service) stop(t *testing.T) int {
	t.Helper()
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.read.Wait()
	if err := s.command.Wait(); err != nil {
		t.Log(err)
	}
	return s.command.ProcessState.ExitCode()
}

// logKeys are the keys of each kind of line. A denial is told by its reason, any
// other line by its level and keys alone: the sentence is for people.
func (s *service) logKeys() map[string]bool {
	kinds := map[string]bool{}
	for _, entry := range s.logged {
		level, _ := entry["level"].(string)
		kind := level
		if why, ok := entry["reason"].(string); ok {
			kind += " reason=" + why
		}
		kinds[kind+": "+strings.Join(sortedKeys(entry), " ")] = true
	}
	return kinds
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
