package jwks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// diskCache keeps one issuer's last good set in a file, so that a service which
// starts while the authorization server is down has keys at once. A user who can
// write the file can add keys: the folder belongs to doorward alone. One goroutine
// uses it.
type diskCache struct {
	dir, name string // "" keeps nothing
	// outdated: the file should have been replaced or removed, and could not be.
	outdated bool
}

// diskEntry is the content of the file.
type diskEntry struct {
	Trust   trust           `json:"trust"`
	Fetched time.Time       `json:"fetched"` // when the fetch began
	JWKS    json.RawMessage `json:"jwks"`    // as the issuer sent it
}

// newDiskCache names the file by a digest, since an issuer may have characters
// that a file name must not have.
func newDiskCache(dir, issuer string) diskCache {
	name := sha256.Sum256([]byte(issuer))
	return diskCache{dir: dir, name: hex.EncodeToString(name[:]) + ".json"}
}

// write replaces the file in one step. If it cannot, it removes the file, which
// may hold a key that the issuer has withdrawn since.
func (s *diskCache) write(k diskEntry) error {
	if s.dir == "" {
		return nil
	}
	if err := s.replace(k); err != nil {
		return errors.Join(fmt.Errorf("keep keys: %w", err), s.remove())
	}
	s.outdated = false
	return nil
}

func (s *diskCache) replace(k diskEntry) error {
	content, err := json.Marshal(k)
	if err != nil {
		return err
	}
	folder, err := openFolder(s.dir)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }() // its files are closed
	return replaceFile(folder, s.name, content)
}

// read reads the file back, if o accepts its trust. An absent file is not an
// error. A file that cannot be replaced now is not used: the run before may have
// failed to replace it too.
func (s *diskCache) read(o Options) (kept diskEntry, err error) {
	if s.dir == "" {
		return kept, nil
	}
	folder, err := openFolder(s.dir)
	if err != nil {
		return kept, err
	}
	defer func() { _ = folder.Close() }() // its files are closed
	content, err := readFile(folder, s.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return kept, nil
	case err != nil:
		return kept, err
	case json.Unmarshal(content, &kept) != nil:
		err = fmt.Errorf("%s is not readable", s.name)
	case !o.accepts(kept.Trust):
		err = fmt.Errorf("%s rests on an issuer, a place, a certificate authority or a permission "+
			"that this configuration does not have", s.name)
	}
	if err != nil {
		return diskEntry{}, errors.Join(err, s.remove())
	}
	if err := s.write(kept); err != nil {
		return diskEntry{}, err
	}
	return kept, nil
}

// remove removes the file, which is outdated if that fails.
func (s *diskCache) remove() error {
	if s.dir == "" {
		return nil
	}
	err := os.Remove(filepath.Join(s.dir, s.name))
	s.outdated = err != nil && !errors.Is(err, fs.ErrNotExist)
	if s.outdated {
		return fmt.Errorf("drop keys: %w", err)
	}
	return nil
}

// settle tries again to remove an outdated file.
func (s *diskCache) settle() error {
	if !s.outdated {
		return nil
	}
	return s.remove()
}

// loadDiskCache starts with the keys of the last run, for as long as that run would
// have used them. They do not prove that a key does not exist: see conclusive.
func (s *Source) loadDiskCache(now time.Time) {
	kept, err := s.disk.read(s.options)
	if err != nil {
		s.events.diskCacheRefused(err)
	}
	until := kept.Fetched.Add(s.refresh.maxStale)
	if kept.JWKS == nil || kept.Fetched.After(now) || !now.Before(until) {
		return
	}
	if snap := s.usable(now); snap != nil && !kept.Fetched.After(snap.at) {
		return // inherited, and not older
	}
	set, _, err := parse(kept.JWKS, s.options.keyUse())
	if err != nil || set.Len() == 0 {
		s.events.diskCacheRefused(errors.New("no usable key set in " + s.disk.name))
		return
	}
	s.publish(&snapshot{set: set, body: kept.JWKS, trust: kept.Trust, at: kept.Fetched, until: until})
	s.notify(resultKept, "", kept.Fetched)
}

// keep writes the set that the last fetch brought or confirmed to the disk.
func (s *Source) keep() {
	select {
	case <-s.closed: // the source that inherited the keys keeps its own
		return
	default:
	}
	snap := s.current.Load()
	if snap == nil {
		return
	}
	if err := s.disk.write(diskEntry{snap.trust, snap.at, snap.body}); err != nil {
		s.events.diskCacheFailed(err)
	}
}
