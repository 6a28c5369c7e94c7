package decisionlog

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// reasons are those in the lines of a file.
func reasons(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return reasonsOf(string(text))
}

func reasonsOf(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		_, rest, _ := strings.Cut(line, `"reason":"`)
		reason, _, whole := strings.Cut(rest, `"`)
		if !whole || !strings.HasSuffix(line, "}\n") {
			reason = "torn"
		}
		all = append(all, reason)
	}
	return all
}

func said(reason string) []*entry {
	return []*entry{{Event: Event{Reason: reason}}}
}

// TestFileIsTurnedOver: moved away, deleted or cut to nothing, the file is
// there again at the next event.
func TestFileIsTurnedOver(t *testing.T) {
	name := filepath.Join(t.TempDir(), "decisions.log")
	if err := os.WriteFile(name, []byte("kept\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := openFile(form{"{"}, name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.close()
	write := func(reason string) {
		t.Helper()
		if n, err := file.deliver(t.Context(), said(reason)); n != 1 || err != nil {
			t.Fatalf("%d delivered, %v", n, err)
		}
	}
	write("first")
	if got := reasons(t, name); len(got) != 2 {
		t.Errorf("the file was not added to: %q", got)
	}
	for i, turn := range []func() error{
		func() error { return os.Rename(name, name+".1") },
		func() error { return os.Remove(name) },
		func() error { return os.Truncate(name, 0) },
	} {
		if err := turn(); err != nil {
			t.Fatal(err)
		}
		write(strconv.Itoa(i))
		if diff := cmp.Diff([]string{strconv.Itoa(i)}, reasons(t, name)); diff != "" {
			t.Errorf("turn %d (-want +got):\n%s", i, diff)
		}
	}
	if got := reasons(t, name+".1"); len(got) != 2 {
		t.Errorf("the file that was moved away has %q", got)
	}
	about, err := os.Stat(name)
	if err != nil || about.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others may read it", about.Mode(), err)
	}
}

// TestFileThatCannotBeOpened is an error at the start, and one of a delivery
// later, which is tried again.
func TestFileThatCannotBeOpened(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	name := filepath.Join(folder, "decisions.log")
	if _, err := New(Options{To: FilePrefix + name}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("at the start: %v", err)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := openFile(form{"{"}, name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.close()
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if n, err := file.deliver(t.Context(), said("lost")); n != 0 || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%d delivered, %v", n, err)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if n, err := file.deliver(t.Context(), said("again")); n != 1 || err != nil {
		t.Errorf("%d delivered, %v", n, err)
	}
}

// full is a disk that takes some bytes more.
type full struct {
	strings.Builder
	left int
}

func (f *full) Write(p []byte) (int, error) {
	n := min(f.left, len(p))
	f.left -= n
	f.Builder.Write(p[:n])
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// TestAFullDisk: what has its line is delivered, and a line that was cut is
// ended before the next.
func TestAFullDisk(t *testing.T) {
	three := append(append(said("one"), said("two")...), said("three")...)
	length := len(form{"{"}.append(nil, three[0])) + 1
	for left := range length + 20 {
		disk := &full{left: left}
		to := &lines{form: form{"{"}, out: disk}
		n, err := to.deliver(t.Context(), three)
		if err == nil || n != strings.Count(disk.String(), "\n") {
			t.Fatalf("%d bytes: %d delivered, %v", left, n, err)
		}
		disk.left = 1
		again, err := to.deliver(t.Context(), three[n:])
		if again != 0 || err == nil {
			t.Fatalf("%d bytes, then one: %d delivered, %v", left, again, err)
		}
		disk.left = 1 << 20
		if again, err = to.deliver(t.Context(), three[n:]); n+again != 3 || err != nil {
			t.Fatalf("%d bytes, then enough: %d and %d delivered, %v", left, n, again, err)
		}
		// A line that lacked nothing but its end is there twice, under one id.
		whole := slices.DeleteFunc(reasonsOf(disk.String()), func(reason string) bool { return reason == "torn" })
		if diff := cmp.Diff([]string{"one", "two", "three"}, slices.Compact(whole)); diff != "" {
			t.Fatalf("%d bytes (-want +got):\n%s", left, diff)
		}
	}
}

// TestAPipeThatNobodyReads is a place that hangs, in a real system call.
func TestAPipeThatNobodyReads(t *testing.T) {
	reader, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	lost := new(counted)
	l, err := New(Options{To: Stdout, Standard: out, SampleAllows: 1, Buffer: 1 << 20, Dropped: lost.drop})
	if err != nil {
		t.Fatal(err)
	}
	const many = 4000
	for range many {
		l.Put(denial())
		l.Put(allow())
	}
	if lost.allows.Load() < many/2 || lost.denials.Load() > many {
		t.Errorf("%d allows and %d denials dropped", lost.allows.Load(), lost.denials.Load())
	}
	read := make(chan int)
	go func() {
		text, _ := io.ReadAll(reader)
		read <- strings.Count(string(text), "\n")
	}()
	closeAll(t, l)
	out.Close()
	select {
	case got := <-read:
		if kept := 2*many - int(lost.allows.Load()+lost.denials.Load()); got != kept {
			t.Errorf("%d lines, %d were kept", got, kept)
		}
	case <-time.After(within):
		t.Fatal("the pipe has no end")
	}
}
