package jwks

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxDiskEntry bounds a file of kept keys, in bytes. A key set is at most 1 MiB,
// and as JSON inside JSON no byte of it takes more than six.
const maxDiskEntry = 8 * maxDocument

// diskCacheFile matches the names of [newDiskCache].
var diskCacheFile = regexp.MustCompile(`^[0-9a-f]{64}\.json$`)

// CheckCacheDir returns why CacheDir cannot be used, each fault with its fix. A
// user who can write there can add keys, so the folder and the files of keys in
// it must belong to the user of this process. It writes nothing, and returns nil
// where CacheDir is "".
func (o Options) CheckCacheDir() []string {
	if o.CacheDir == "" {
		return nil
	}
	dir := o.CacheDir
	folder, err := openFolder(dir)
	if err != nil {
		return []string{err.Error()}
	}
	defer func() { _ = folder.Close() }() // nothing was written through it
	var faults []string
	if err := unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		faults = append(faults,
			fmt.Sprintf("%s cannot be written (%v): name a folder that can, or remove the key", dir, err))
	}
	entries, err := fs.ReadDir(folder.FS(), ".")
	if err != nil {
		return append(faults, fmt.Sprintf("%s cannot be listed (%v): chmod 700 it", dir, err))
	}
	for _, entry := range entries {
		if !diskCacheFile.MatchString(entry.Name()) {
			continue
		}
		if err := checkFile(folder, entry.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			faults = append(faults, err.Error())
		}
	}
	return faults
}

// openFolder opens a folder that may keep keys. It checks the opened folder, so
// that no other can be put in its place in between.
func openFolder(dir string) (*os.Root, error) {
	named, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if !named.IsDir() {
		return nil, fmt.Errorf("%s is %s: name a folder itself", dir, kindOf(named.Mode()))
	}
	folder, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	opened, err := folder.Stat(".")
	switch {
	case err != nil:
	case !os.SameFile(named, opened):
		err = fmt.Errorf("%s was replaced meanwhile", dir)
	default:
		err = checkOwner(dir, opened, "chmod 700 it")
	}
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	return folder, nil
}

// checkFile returns why a file in the folder may have been written by another user.
func checkFile(folder *os.Root, name string) error {
	path := filepath.Join(folder.Name(), name)
	info, err := folder.Lstat(name)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular(): // to open a pipe would wait for its writer
		return fmt.Errorf("%s is %s: remove it", path, kindOf(info.Mode()))
	case info.Size() > maxDiskEntry:
		return fmt.Errorf("%s is larger than %d MiB: remove it", path, maxDiskEntry>>20)
	}
	return checkOwner(path, info, "remove it, or chmod 600 it")
}

// readFile reads a file that passes checkFile.
func readFile(folder *os.Root, name string) ([]byte, error) {
	if err := checkFile(folder, name); err != nil {
		return nil, err
	}
	file, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxDiskEntry))
}

// replaceFile writes a new file and renames it, in one step for readers.
func replaceFile(folder *os.Root, name string, content []byte) error {
	next := name + ".new"
	if err := folder.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := folder.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Close()); err == nil {
		err = folder.Rename(next, name)
	}
	if err != nil {
		return errors.Join(err, folder.Remove(next))
	}
	return nil
}

// checkOwner refuses what another user could have written.
func checkOwner(path string, info fs.FileInfo, fix string) error {
	if about, ok := info.Sys().(*syscall.Stat_t); !ok || int(about.Uid) != os.Geteuid() {
		owner := "an unknown user"
		if ok {
			owner = fmt.Sprintf("user %d", about.Uid)
		}
		return fmt.Errorf("%s belongs to %s, and this runs as user %d: let both be the user that serves",
			path, owner, os.Geteuid())
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s can be written by others (mode %04o), who could add keys: %s",
			path, info.Mode().Perm(), fix)
	}
	return nil
}

// kindOf names the type of a file.
func kindOf(mode fs.FileMode) string {
	switch mode.Type() {
	case fs.ModeSymlink:
		return "a symbolic link"
	case fs.ModeNamedPipe:
		return "a pipe"
	case fs.ModeSocket:
		return "a socket"
	case fs.ModeDir:
		return "a folder"
	case 0:
		return "a file"
	default:
		return "a device"
	}
}
