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
// starts while the authorization server is down has keys at once. Whoever can
// write the file can add keys: the folder is doorward's alone. It is used by
// one goroutine.
type diskCache struct {
	dir, name string // "" keeps nothing
	// outdated: what lies there should have been replaced or dropped, and could
	// not be.
	outdated bool
}

// diskEntry is the content of the file.
type diskEntry struct {
	Trust   trust           `json:"trust"`
	Fetched time.Time       `json:"fetched"` // when the fetch began
	JWKS    json.RawMessage `json:"jwks"`    // as the issuer sent it
}

// newDiskCache names the file by a digest: an issuer is a URL, and no file name.
func newDiskCache(dir, issuer string) diskCache {
	name := sha256.Sum256([]byte(issuer))
	return diskCache{dir: dir, name: hex.EncodeToString(name[:]) + ".json"}
}

// write replaces the file in one step. Where it cannot, there is to be none: the
// one before may hold a key that the issuer has withdrawn since.
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

// read reads the file back, for options that hold the trust in it. No file is
// no error and nothing. A file that cannot be replaced now is nothing either:
// the run before may have failed to replace it too.
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

// remove takes the file away. While it cannot, the file is outdated.
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

// settle tries again to drop what could not be dropped.
func (s *diskCache) settle() error {
	if !s.outdated {
		return nil
	}
	return s.remove()
}

// loadDiskCache starts with the keys of the last run, for as long as they would have
// served then. They are no proof that a key does not exist: see conclusive.
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

// keep puts away the set that the last fetch brought or confirmed.
func (s *Source) keep() {
	select {
	case <-s.closed: // the source that comes after keeps its own
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
