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

// shelf keeps one issuer's last good set in a file, so that a service which
// starts while the authorization server is down has keys at once. Whoever can
// write the file can add keys: the folder is doorward's alone.
type shelf struct{ path string } // "" keeps nothing

// shelved is the content of the file.
type shelved struct {
	Issuer  string          `json:"issuer"`
	Fetched time.Time       `json:"fetched"` // when the fetch began
	JWKS    json.RawMessage `json:"jwks"`    // as the issuer sent it
}

// newShelf names the file by a digest: an issuer is a URL, and no file name.
func newShelf(dir, issuer string) shelf {
	if dir == "" {
		return shelf{}
	}
	name := sha256.Sum256([]byte(issuer))
	return shelf{filepath.Join(dir, hex.EncodeToString(name[:])+".json")}
}

// put replaces the file in one step. The set is what the issuer sent.
func (s shelf) put(issuer string, fetched time.Time, jwks []byte) error {
	if s.path == "" {
		return nil
	}
	content, err := json.Marshal(shelved{issuer, fetched, jwks})
	if err != nil {
		return fmt.Errorf("keep keys: %w", err)
	}
	next, err := os.CreateTemp(filepath.Dir(s.path), ".jwks-*")
	if err != nil {
		return fmt.Errorf("keep keys: %w", err)
	}
	_, err = next.Write(content)
	if err := errors.Join(err, next.Close()); err != nil {
		return errors.Join(fmt.Errorf("keep keys: %w", err), os.Remove(next.Name()))
	}
	return os.Rename(next.Name(), s.path)
}

// take reads the file back. No file is no error and nothing.
func (s shelf) take(issuer string) (kept shelved, err error) {
	if s.path == "" {
		return kept, nil
	}
	content, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	}
	if err != nil {
		return kept, fmt.Errorf("kept keys: %w", err)
	}
	if err := json.Unmarshal(content, &kept); err != nil || kept.Issuer != issuer {
		return shelved{}, fmt.Errorf("kept keys: %s is not this issuer's", filepath.Base(s.path))
	}
	return kept, nil
}

// drop is for an issuer that vouches for no key any more.
func (s shelf) drop() error {
	if s.path == "" {
		return nil
	}
	if err := os.Remove(s.path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// warm starts with the keys of the last run, for as long as they would have
// served then. They are no proof that a key does not exist: see conclusive.
func (s *Source) warm(now time.Time) {
	kept, err := s.shelf.take(s.issuer)
	if err != nil {
		s.events.shelf(err)
	}
	until := kept.Fetched.Add(s.refresh.maxStale)
	if kept.JWKS == nil || kept.Fetched.After(now) || !now.Before(until) {
		return
	}
	if snap := s.usable(now); snap != nil && !kept.Fetched.After(snap.at) {
		return // inherited, and not older
	}
	set, _, err := Parse(kept.JWKS)
	if err != nil || set.Len() == 0 {
		s.events.shelf(errors.New("kept keys: no usable key set"))
		return
	}
	s.kept = kept.JWKS
	s.publish(&snapshot{set: set, at: kept.Fetched, until: until})
	s.tell(ResultKept, "", kept.Fetched)
}

// keep puts away what the last fetch brought or confirmed.
func (s *Source) keep(got download) {
	if got.set != nil {
		s.kept = got.body
	}
	if s.kept == nil {
		return
	}
	if err := s.shelf.put(s.issuer, got.began, s.kept); err != nil {
		s.events.shelf(err)
	}
}
