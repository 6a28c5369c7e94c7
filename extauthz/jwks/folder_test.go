package jwks

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// unfit are the ways in which others may have written a folder, or a file of keys in
// it. Each needs these words.
var unfit = []struct {
	intent string
	spoil  func(t *testing.T, dir, file string)
	words  string
}{
	{"the folder: written by its group", func(t *testing.T, dir, _ string) { must(t, os.Chmod(dir, 0o770)) }, "can be written by others (mode 0770)"},
	{"the folder: written by everybody", func(t *testing.T, dir, _ string) { must(t, os.Chmod(dir, 0o1707)) }, "can be written by others (mode 0707)"},
	{"the folder: another owner", func(t *testing.T, dir, _ string) { give(t, dir) }, "belongs to user 65534"},
	{"the folder: a link", func(t *testing.T, dir, _ string) {
		must(t, os.Rename(dir, dir+".elsewhere"))
		must(t, os.Symlink(dir+".elsewhere", dir))
	}, "is a symbolic link"},
	{"the folder: a file", func(t *testing.T, dir, _ string) {
		must(t, os.RemoveAll(dir))
		must(t, os.WriteFile(dir, nil, 0o600))
	}, "is a file"},
	{"the folder: not there", func(t *testing.T, dir, _ string) { must(t, os.RemoveAll(dir)) }, "no such file"},
	{"the file: written by its group", func(t *testing.T, _, file string) { must(t, os.Chmod(file, 0o620)) }, "can be written by others (mode 0620)"},
	{"the file: written by everybody", func(t *testing.T, _, file string) { must(t, os.Chmod(file, 0o602)) }, "can be written by others (mode 0602)"},
	{"the file: another owner", func(t *testing.T, _, file string) { give(t, file) }, "belongs to user 65534"},
	{"the file: a link", func(t *testing.T, dir, file string) {
		must(t, os.Rename(file, filepath.Join(dir, "elsewhere")))
		must(t, os.Symlink("elsewhere", file))
	}, "is a symbolic link"},
	{"the file: a pipe", func(t *testing.T, _, file string) {
		must(t, os.Remove(file))
		must(t, syscall.Mkfifo(file, 0o600))
	}, "is a pipe"},
	{"the file: a device", func(t *testing.T, _, file string) {
		must(t, os.Remove(file))
		if err := syscall.Mknod(file, syscall.S_IFCHR|0o600, 1<<8|5); err != nil { // /dev/zero, which never ends
			t.Skip("no right to make a device: ", err)
		}
	}, "is a device"},
	{"the file: a folder", func(t *testing.T, _, file string) {
		must(t, os.Remove(file))
		must(t, os.Mkdir(file, 0o700))
	}, "is a folder"},
	{"the file: too large", func(t *testing.T, _, file string) { must(t, os.Truncate(file, maxDiskEntry+1)) }, "is larger than 8 MiB"},
}

func give(t *testing.T, name string) {
	t.Helper()
	if err := os.Chown(name, 65534, -1); err != nil {
		t.Skip("no right to give it away: ", err)
	}
}

// TestAFolderOfOthersIsRefused with words, by the check and by a source that
// would take its keys.
func TestAFolderOfOthersIsRefused(t *testing.T) {
	for _, row := range unfit {
		t.Run(row.intent, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "kept")
			must(t, os.Mkdir(dir, 0o700))
			synctest.Test(t, func(t *testing.T) {
				start(t, shelvedOptions(dir), &issuer{keys: setOf(ed25519JWK("a"))}).stop()
				file := onlyFile(t, dir)
				if faults := (Options{CacheDir: dir}).CheckCacheDir(); len(faults) > 0 {
					t.Fatalf("a good folder: %q", faults)
				}
				row.spoil(t, dir, file)
				if faults := (Options{CacheDir: dir}).CheckCacheDir(); len(faults) != 1 || !strings.Contains(faults[0], row.words) || !strings.Contains(faults[0], dir) {
					t.Errorf("check says %q, want %q", faults, row.words)
				}
				next := start(t, shelvedOptions(dir), &issuer{down: true})
				if next.Set() != nil || next.logged("kept keys are not used") != 1 || !strings.Contains(next.log.String(), row.words) {
					t.Errorf("%d keys; log:\n%s", next.Set().Len(), next.log)
				}
			})
		})
	}
}

// TestOtherFilesInTheFolder are not looked at.
func TestOtherFilesInTheFolder(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "README"), nil, 0o600))
	must(t, os.Chmod(filepath.Join(dir, "README"), 0o666))
	if faults := (Options{CacheDir: dir}).CheckCacheDir(); len(faults) > 0 {
		t.Errorf("%q", faults)
	}
}

// block keeps the next put from replacing the file; open lets it again.
func block(t *testing.T, file string) (open func()) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(file+".new", "x"), 0o700))
	return func() { must(t, os.RemoveAll(file+".new")) }
}

// TestAFileThatCannotBeReplacedIsNotTrusted at the next start: the issuer has
// withdrawn a key since it was written.
func TestAFileThatCannotBeReplacedIsNotTrusted(t *testing.T) {
	for _, row := range []struct {
		intent string
		block  func(t *testing.T, file string, first *running, i *issuer)
	}{
		{"while it runs", func(t *testing.T, file string, first *running, i *issuer) {
			open := block(t, file)
			i.change(func(i *issuer) { i.keys = setOf(ed25519JWK("b")) })
			pass(2 * time.Hour)
			if first.logged("keys are not kept over a restart") != 1 {
				t.Errorf("log:\n%s", first.log)
			}
			open()
			first.stop()
		}},
		{"when it starts", func(t *testing.T, file string, first *running, _ *issuer) {
			first.stop()
			block(t, file)
		}},
	} {
		t.Run(row.intent, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				i := &issuer{keys: setOf(ed25519JWK("a"))}
				first := start(t, shelvedOptions(dir), i)
				row.block(t, onlyFile(t, dir), first, i)
				if next := start(t, shelvedOptions(dir), &issuer{down: true}); next.Set() != nil {
					t.Errorf("keys of a file that could not be replaced; log:\n%s", next.log)
				}
			})
		})
	}
}

// TestAFileThatCouldNotBeDroppedIsDroppedLater, as soon as it can be.
func TestAFileThatCouldNotBeDroppedIsDroppedLater(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{keys: setOf(ed25519JWK("a"))}
		first := start(t, shelvedOptions(dir), i)
		file := onlyFile(t, dir)
		must(t, os.Rename(file, file+".aside"))
		must(t, os.MkdirAll(filepath.Join(file, "x"), 0o700)) // nothing removes it
		i.change(func(i *issuer) { i.keys = setOf() })
		pass(2 * time.Hour)
		i.change(func(i *issuer) { i.down = true })
		must(t, os.RemoveAll(file))
		must(t, os.Rename(file+".aside", file))
		pass(2 * time.Minute)
		first.stop()
		if next := start(t, shelvedOptions(dir), &issuer{down: true}); next.Set() != nil {
			t.Errorf("keys that the issuer took back; log:\n%s", next.log)
		}
	})
}
