// Package snapshot reads files and folders once, and finds out later whether they
// have changed.
//
//	now := snapshot.New()
//	load(now) // reads through it
//	now.Seal()
//	if next := now.Again(); !next.Equal(now) {
//		load(next) // what has changed is not read a second time
//	}
//
// What is loaded and what is compared are the same bytes: no change between two
// reads goes unnoticed. A snapshot goes by content, because a mounted ConfigMap
// changes by a symbolic link, and neither the name nor the time of a file need
// change. Names are those of the operating system, as for package os.
package snapshot

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrTooLarge is the error of [Snapshot.ReadAtMost] for a file over its limit.
var ErrTooLarge = errors.New("the file is too large")

var errSealed = errors.New("the snapshot is sealed")

// extensions are those of the files that configurations and policies are read from.
var extensions = []string{".yaml", ".yml", ".json", ".rego", ".gz"}

// Snapshot is a set of observations of the file system. It implements
// [fs.ReadFileFS], [fs.ReadDirFS] and [fs.StatFS]. It is for one goroutine at a
// time. Make one with [New].
type Snapshot struct {
	seen   map[question]*observation
	sealed bool
}

// question is what was asked of the file system.
type question struct {
	name  string
	kind  kind
	limit int64       // for content; 0 for no limit
	mode  fs.FileMode // for isType
}

type kind uint8

const (
	content kind = iota
	folder
	info
	isType
)

// observation is an answer of the file system, and a sum of it for comparison.
type observation struct {
	used    bool // by the load that this snapshot is of
	unread  bool // a file that has not changed, whose content was not kept
	sum     [sha256.Size]byte
	err     error
	content []byte
	entries []fs.DirEntry
	info    fs.FileInfo
	is      bool
}

// New is a snapshot of nothing. What is read through it joins it.
func New() *Snapshot { return &Snapshot{seen: map[question]*observation{}} }

// ReadFile implements [fs.ReadFileFS].
func (s *Snapshot) ReadFile(name string) ([]byte, error) {
	o := s.ask(question{name: name, kind: content})
	return o.content, o.err
}

// ReadAtMost is ReadFile with a limit in bytes, over which it fails with
// [ErrTooLarge].
func (s *Snapshot) ReadAtMost(name string, limit int64) ([]byte, error) {
	o := s.ask(question{name: name, kind: content, limit: limit})
	return o.content, o.err
}

// ReadDir implements [fs.ReadDirFS]. It lists folders, symbolic links and the files
// of [extensions], without those whose name begins with a dot: any other file may
// come and go.
func (s *Snapshot) ReadDir(name string) ([]fs.DirEntry, error) {
	o := s.ask(question{name: name, kind: folder})
	return o.entries, o.err
}

// Stat implements [fs.StatFS]. Of its answer, the error and the type of the file
// are compared.
func (s *Snapshot) Stat(name string) (fs.FileInfo, error) {
	o := s.ask(question{name: name, kind: info})
	return o.info, o.err
}

// Is reports whether there is a file of a type: 0 for a regular file, or a bit of
// [fs.ModeType]. Only this answer is compared, so that another file may come and
// go.
func (s *Snapshot) Is(name string, mode fs.FileMode) bool {
	return s.ask(question{name: name, kind: isType, mode: mode}).is
}

// Open implements [fs.FS].
func (s *Snapshot) Open(name string) (fs.File, error) {
	text, err := s.ReadFile(name)
	if err != nil {
		return nil, err
	}
	about, err := s.Stat(name)
	return &file{bytes.NewReader(text), about}, err
}

type file struct {
	*bytes.Reader
	info fs.FileInfo
}

func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *file) Close() error               { return nil }

// Seal ends a load: it forgets what the load did not ask, and the contents. Every
// later read through it fails.
func (s *Snapshot) Seal() {
	s.sealed = true
	for asked, o := range s.seen {
		if !o.used {
			delete(s.seen, asked)
			continue
		}
		s.seen[asked] = &observation{used: true, sum: o.sum}
	}
}

// Again asks everything anew that s was asked. Of the contents it keeps those that
// have changed, because it is called often and they seldom do.
func (s *Snapshot) Again() *Snapshot {
	next := New()
	buffer := make([]byte, 32<<10)
	for asked, before := range s.seen {
		if asked.kind == content && sumOf(asked, buffer) == before.sum {
			next.seen[asked] = &observation{sum: before.sum, unread: true}
			continue
		}
		next.seen[asked] = observe(asked)
	}
	return next
}

// Equal reports whether both snapshots got the same answers to the same questions.
func (s *Snapshot) Equal(other *Snapshot) bool {
	if len(s.seen) != len(other.seen) {
		return false
	}
	for asked, o := range s.seen {
		if there := other.seen[asked]; there == nil || there.sum != o.sum {
			return false
		}
	}
	return true
}

func (s *Snapshot) ask(q question) *observation {
	if s.sealed {
		return &observation{err: errSealed}
	}
	o := s.seen[q]
	if o == nil || o.unread {
		o = observe(q)
		s.seen[q] = o
	}
	o.used = true
	return o
}

func observe(q question) *observation {
	o := new(observation)
	sum := sha256.New()
	switch q.kind {
	case content:
		o.content, o.err = read(q.name, q.limit)
		_, _ = sum.Write(o.content) // a hash never fails
	case folder:
		o.entries, o.err = os.ReadDir(q.name)
		o.entries = slices.DeleteFunc(o.entries, irrelevant)
		for _, entry := range o.entries {
			_, _ = fmt.Fprintf(sum, "%q %v\n", entry.Name(), entry.IsDir())
		}
	case info:
		if o.info, o.err = os.Stat(q.name); o.err == nil {
			_, _ = fmt.Fprint(sum, o.info.Mode().Type())
		}
	case isType:
		about, err := os.Stat(q.name)
		o.is = err == nil && about.Mode().Type() == q.mode
		_, _ = fmt.Fprint(sum, o.is)
	}
	o.sum = finished(sum, o.err)
	return o
}

// finished is the sum of an answer, or of an error alone.
func finished(sum hash.Hash, err error) [sha256.Size]byte {
	if err != nil {
		sum.Reset()
		_, _ = fmt.Fprintf(sum, "error %v", err)
	}
	return [sha256.Size]byte(sum.Sum(nil))
}

// sumOf is the sum that observe has of the content of a file, read piece by piece.
func sumOf(q question, buffer []byte) [sha256.Size]byte {
	sum := sha256.New()
	f, err := os.Open(q.name)
	if err != nil {
		return finished(sum, err)
	}
	defer f.Close()
	size := int64(0)
	for {
		n, err := f.Read(buffer)
		size += int64(n)
		switch {
		case q.limit > 0 && size > q.limit:
			return finished(sum, ErrTooLarge)
		case errors.Is(err, io.EOF):
			return finished(sum, nil)
		case err != nil:
			return finished(sum, err)
		}
		_, _ = sum.Write(buffer[:n]) // a hash never fails
	}
}

func irrelevant(entry fs.DirEntry) bool {
	if strings.HasPrefix(entry.Name(), ".") {
		return true
	}
	isFile := entry.Type()&(fs.ModeDir|fs.ModeSymlink) == 0
	return isFile && !slices.Contains(extensions, filepath.Ext(entry.Name()))
}

func read(name string, limit int64) ([]byte, error) {
	if limit == 0 {
		return os.ReadFile(name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		return nil, ErrTooLarge
	}
	return text, err
}
