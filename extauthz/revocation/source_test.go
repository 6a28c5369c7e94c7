package revocation

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// report is one call of the metrics hook.
type report struct {
	Serial  int64
	Entries int
	OK      bool
}

// watched is a source over a file in a folder of its own.
type watched struct {
	*Source
	t    *testing.T
	path string

	mu      sync.Mutex // the bubble's clock orders Run and the test, and the race detector cannot know
	lines   bytes.Buffer
	reports []report
}

// Write takes what is logged.
func (w *watched) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines.Write(line)
}

// open makes a source of this first content; it does not run yet.
func open(t *testing.T, doc string) *watched {
	t.Helper()
	w := &watched{t: t, path: filepath.Join(t.TempDir(), "revoked.json")}
	w.write(doc)
	w.source(w.path)
	return w
}

func (w *watched) source(path string) {
	w.t.Helper()
	log := slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "path" {
			return slog.Attr{}
		}
		return a
	}}))
	source, err := NewSource(path, log, func(serial int64, entries int, ok bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.reports = append(w.reports, report{serial, entries, ok})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Source = source
}

// run starts Run, in a bubble; it ends with the test.
func (w *watched) run() {
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	w.t.Cleanup(func() { cancel(); running.Wait() })
}

// write changes the file in place, as an editor or a shell would.
func (w *watched) write(doc string) {
	w.t.Helper()
	if err := os.WriteFile(w.path, []byte(doc), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// rename puts another file in the place of the old one.
func (w *watched) rename(doc string) {
	w.t.Helper()
	next := w.path + ".next"
	if err := os.WriteFile(next, []byte(doc), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(next, w.path); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) want(serial int64) {
	w.t.Helper()
	if got := w.Current().Serial(); got != serial {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.t.Fatalf("serial %d is in force, not %d; log:\n%s", got, serial, &w.lines)
	}
}

// logged compares the log and the reports since the last call, and forgets them.
func (w *watched) logged(lines []string, reports []report) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var got []string
	if w.lines.Len() > 0 {
		got = strings.Split(strings.TrimSpace(w.lines.String()), "\n")
	}
	if diff := cmp.Diff(lines, got); diff != "" {
		w.t.Errorf("log (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(reports, w.reports); diff != "" {
		w.t.Errorf("reports (-want +got):\n%s", diff)
	}
	w.lines.Reset()
	w.reports = nil
}

// pass lets fake time pass, and waits until every goroutine of the bubble blocks.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// version is a list that revokes the token with its serial as jti, and no other.
func version(serial int) string {
	return fmt.Sprintf(`{"serial":%d,"revoked":[{"issuer":%q,"jti":"t%d"}]}`, serial, as, serial)
}

const (
	refusedLine = `level=ERROR msg="revocations refused: the list before stays in force" problem=`
	loadedLine  = `level=INFO msg="revocations loaded" serial=%d revoked=1 issued_before=0`
)

func TestStart(t *testing.T) {
	w := open(t, version(3))
	w.want(3)
	if !w.Current().Revokes(Token{Issuer: as, ID: "t3"}) {
		t.Error("not revoked at the start")
	}
	w.logged([]string{fmt.Sprintf(loadedLine, 3)}, []report{{3, 1, true}})
}

func TestStartFails(t *testing.T) {
	folder := t.TempDir()
	broken := filepath.Join(folder, "broken.json")
	if err := os.WriteFile(broken, []byte("{\n  \"serial\": \"7\""), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(folder, "missing.json")
	for _, row := range []struct{ intent, path, want string }{
		{"no file", missing, "revocations: stat " + missing + ": no such file or directory"},
		{"a folder", folder, "revocations: " + folder + " is no regular file: name a JSON file"},
		{"no list", broken, "revocations: " + broken + ":2:13: serial: is not a whole number from 1 to 9223372036854775807: write plain digits, without quotes, fraction or exponent"},
	} {
		source, err := NewSource(row.path, nil, nil)
		if source != nil || err == nil {
			t.Fatalf("%s: source %v, error %v", row.intent, source, err)
		}
		if diff := cmp.Diff(row.want, err.Error()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.intent, diff)
		}
	}
}

// TestWithoutLogAndHook: both may be nil.
func TestWithoutLogAndHook(t *testing.T) {
	w := open(t, version(1))
	source, err := NewSource(w.path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.rename(version(2))
	source.readIfChanged()
	w.rename(`{`)
	source.readIfChanged()
	if source.Current().Serial() != 2 {
		t.Error(source.Current().Serial())
	}
}

func TestChangeIsInForceWithinASecond(t *testing.T) {
	rows := []struct {
		intent string
		change func(w *watched)
	}{
		{"renamed over", func(w *watched) { w.rename(version(2)) }},
		{"written in place, of the same size", func(w *watched) { w.write(version(2)) }},
		{"written in place, longer", func(w *watched) { w.write(version(2) + "\n") }},
		{"in place, of the same size, with the old time put back", func(w *watched) {
			before, err := os.Stat(w.path)
			if err != nil {
				w.t.Fatal(err)
			}
			w.write(version(2))
			if err := os.Chtimes(w.path, before.ModTime(), before.ModTime()); err != nil {
				w.t.Fatal(err)
			}
		}},
		{"after the file was gone", func(w *watched) {
			if err := os.Remove(w.path); err != nil {
				w.t.Fatal(err)
			}
			w.write(version(2))
		}},
	}
	for _, row := range rows {
		for looks := range readEvery { // wherever among its looks the change comes
			t.Run(fmt.Sprintf("%s, after %d looks", row.intent, looks), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := open(t, version(1))
					w.run()
					pass(time.Duration(looks) * checkEvery)
					w.want(1)
					row.change(w)
					pass(time.Second)
					w.want(2)
					if w.Current().Revokes(Token{Issuer: as, ID: "t1"}) || !w.Current().Revokes(Token{Issuer: as, ID: "t2"}) {
						t.Error("the list in force is not the one in the file")
					}
					pass(time.Minute)
					w.logged([]string{fmt.Sprintf(loadedLine, 1), fmt.Sprintf(loadedLine, 2)}, []report{{1, 1, true}, {2, 1, true}})
				})
			})
		}
	}
}

// TestTouched: what a stat shows is read at the next look, each sign by itself.
func TestTouched(t *testing.T) {
	old := time.Unix(1700000000, 0)
	rows := []struct {
		intent  string
		change  func(w *watched)
		written time.Time
	}{
		{"another file of that size and time", func(w *watched) { w.rename(version(2)) }, old},
		{"another size of that file and time", func(w *watched) { w.write(version(2) + " ") }, old},
		{"another time of that file and size", func(w *watched) { w.write(version(2)) }, old.Add(-time.Hour)},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			w := open(t, version(1))
			at := func(mtime time.Time) {
				t.Helper()
				if err := os.Chtimes(w.path, mtime, mtime); err != nil {
					t.Fatal(err)
				}
			}
			at(old)
			w.readIfChanged()
			if !w.unchanged() {
				t.Fatal("seen as changed before the change")
			}
			row.change(w)
			at(row.written)
			w.readIfChanged()
			w.want(2)
		})
	}
}

// TestMountedConfigMap: the file is a link to a file behind a link, and the
// link in the middle is swapped.
func TestMountedConfigMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		data := filepath.Join(folder, "..data")
		mount := func(name, doc string) {
			t.Helper()
			if err := os.Mkdir(filepath.Join(folder, name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, name, "revoked.json"), []byte(doc), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(name, data+"_tmp"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(data+"_tmp", data); err != nil {
				t.Fatal(err)
			}
		}
		mount("..1", version(1))
		path := filepath.Join(folder, "revoked.json")
		if err := os.Symlink(filepath.Join("..data", "revoked.json"), path); err != nil {
			t.Fatal(err)
		}
		w := &watched{t: t}
		w.source(path)
		w.run()
		pass(time.Second)
		mount("..2", version(2))
		if err := os.RemoveAll(filepath.Join(folder, "..1")); err != nil {
			t.Fatal(err)
		}
		pass(checkEvery) // no full read is needed for what a stat shows
		w.want(2)
	})
}

func TestRefusedKeepsTheListInForce(t *testing.T) {
	const older = `"serial: 4 is older than 5, which is in force: raise it with every change"`
	rows := []struct {
		intent, doc, problem string
	}{
		{"empty", "", `"1:1: the file: is empty: write {\"serial\": 1, \"revoked\": []} to revoke nothing"`},
		{"truncated", version(6)[:20], `"1:21: the file: the file ends in the middle: write it whole beside the old one, then rename it"`},
		{"without serial", `{"revoked":[]}`, `"1:1: serial: is missing: write \"serial\": 1, and a higher one with every change"`},
		{"older", version(4), older},
		{"the same serial, other content", `{"serial":5,"revoked":[]}`, `"serial: 5 is in force with other content: raise it with every change"`},
		{"too large", version(6) + strings.Repeat(" ", maxDocument), `"1:1: the file: is larger than 16 MiB: leave out what names expired tokens alone"`},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := open(t, version(5))
				w.run()
				w.logged([]string{fmt.Sprintf(loadedLine, 5)}, []report{{5, 1, true}})
				w.rename(row.doc)
				pass(10 * time.Second)
				w.want(5)
				if !w.Current().Revokes(Token{Issuer: as, ID: "t5"}) {
					t.Error("the old list is not kept")
				}
				w.logged([]string{refusedLine + row.problem + " serial=5"}, []report{{5, 1, false}})

				w.rename(version(7))
				pass(time.Second)
				w.want(7)
				w.logged([]string{fmt.Sprintf(loadedLine, 7)}, []report{{7, 1, true}})
			})
		})
	}
}

// TestAnEmptyListIsAList: with a higher serial it lifts everything.
func TestAnEmptyListIsAList(t *testing.T) {
	w := open(t, version(1))
	w.rename(`{"serial":2,"revoked":[]}`)
	w.readIfChanged()
	w.want(2)
	if w.Current().Revokes(Token{Issuer: as, ID: "t1"}) {
		t.Error("still revoked")
	}
}

// TestEventsAreToldOnce follows one file through its troubles.
func TestEventsAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, version(5))
		w.run()
		pass(time.Minute)
		w.logged([]string{fmt.Sprintf(loadedLine, 5)}, []report{{5, 1, true}})

		if err := os.Remove(w.path); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		w.logged([]string{refusedLine + `"stat ` + w.path + `: no such file or directory" serial=5`}, []report{{5, 1, false}})

		w.rename(version(5))
		pass(time.Minute)
		w.logged([]string{`level=INFO msg="revocations are in the file again as they are in force" serial=5`}, []report{{5, 1, true}})

		w.rename(version(5)) // another file, nothing new in it
		pass(time.Minute)
		w.logged(nil, nil)

		w.rename(version(3))
		pass(time.Minute)
		w.rename(version(4))
		pass(time.Minute)
		w.rename(version(4)) // the same again
		pass(time.Minute)
		w.logged([]string{
			refusedLine + `"serial: 3 is older than 5, which is in force: raise it with every change" serial=5`,
			refusedLine + `"serial: 4 is older than 5, which is in force: raise it with every change" serial=5`,
		}, []report{{5, 1, false}, {5, 1, false}})
		w.want(5)
	})
}

// TestUntouchedIsNotRead: a read is seen by its stamp of the file.
func TestUntouchedIsNotRead(t *testing.T) {
	w := open(t, version(1))
	first := w.seen
	reads := 0
	for range 4 * readEvery {
		w.readIfChanged()
		if w.seen != first {
			first, reads = w.seen, reads+1
		}
	}
	if reads != 4 {
		t.Errorf("%d reads of an untouched file in %d looks", reads, 4*readEvery)
	}
}

// TestRefusedIsParsedOnce: a long list that is refused may lie there for days.
func TestRefusedIsParsedOnce(t *testing.T) {
	w := open(t, version(5))
	w.rename(long(100))
	w.readIfChanged()
	w.want(5)
	allocs := testing.AllocsPerRun(10, func() {
		w.checks = readEvery - 1
		w.readIfChanged()
	})
	if allocs > 100 { // a few for the file, over 500 for the list
		t.Errorf("%v allocations at a look", allocs)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, version(1))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.Run(ctx); close(ended) }()
		pass(time.Minute)
		cancel()
		<-ended
		w.rename(version(2))
		pass(time.Minute)
		w.want(1)
	})
}

// TestReadersNeverSeeAMixture: every list that a reader gets is one version,
// whole, and no reader goes back.
func TestReadersNeverSeeAMixture(t *testing.T) {
	const versions = 200
	w := open(t, version(1))
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			last := int64(0)
			for last < versions && t.Context().Err() == nil {
				list := w.Current()
				serial := list.Serial()
				if serial < last {
					t.Errorf("serial %d after %d", serial, last)
					return
				}
				last = serial
				for _, row := range []struct {
					of   int64
					want bool
				}{{serial - 1, false}, {serial, true}, {serial + 1, false}} {
					if list.Revokes(Token{Issuer: as, ID: fmt.Sprintf("t%d", row.of)}) != row.want {
						t.Errorf("list %d, token %d: not %v", serial, row.of, row.want)
						return
					}
				}
				runtime.Gosched()
			}
		})
	}
	for serial := 2; serial <= versions; serial++ {
		w.rename(version(serial))
		w.readIfChanged()
		w.want(int64(serial))
	}
	readers.Wait()
}
