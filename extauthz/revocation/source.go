package revocation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// A change of the file is in force within a second: the file is read when stat
// shows a change, and at every third check in any case. Stat may not show a change
// where the clock of the file system is coarse or a tool restores the old time.
const (
	checkEvery = 250 * time.Millisecond
	readEvery  = 3 // checks
)

// Source keeps the list of one file, or of [NewStaticSource]. Call [Source.Run]
// once, and [Source.Current] from any number of goroutines.
type Source struct {
	path    string // "" for a static source
	log     *slog.Logger
	loaded  func(serial int64, entries int, ok bool)
	current atomic.Pointer[List]

	// Used by NewSource, then by Run alone.
	buffer  bytes.Buffer // the last content; kept for its memory
	seen    os.FileInfo  // from just before the last content was read
	checks  int
	inForce digest
	refused refusal
}

type digest [sha256.Size]byte

// refusal is why the present content is not in force; zero: it is.
type refusal struct {
	content digest // zero: it could not be read
	why     string
}

// NewSource reads the file, through symbolic links, and returns an error with path,
// line and column where [Source.Run] would refuse it. log gets one line per event;
// nil: nothing is logged.
//
// loaded, for metrics, is called for every event (the first list, each later one
// and each refusal) with the serial and the entries of the list that is in force
// then, and whether that is the one in the file. It must not block. It may be nil.
func NewSource(path string, log *slog.Logger, loaded func(serial int64, entries int, ok bool)) (*Source, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Source{path: path, log: log.With(slog.String("path", path)), loaded: loaded}
	content, err := s.read()
	if err != nil {
		return nil, fmt.Errorf("revocations: %w", err)
	}
	list, err := Parse(content)
	if err != nil {
		return nil, fmt.Errorf("revocations: %s:%w", path, err)
	}
	s.activate(list, sha256.Sum256(content))
	return s, nil
}

// NewStaticSource returns a Source without a file, with this list until
// [Source.Replace] is called. log and loaded are as for [NewSource].
func NewStaticSource(list *List, log *slog.Logger, loaded func(serial int64, entries int, ok bool)) *Source {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Source{log: log, loaded: loaded}
	s.activate(list, digest{})
	return s
}

// Replace puts list in force in a Source of [NewStaticSource]. Check it with
// [List.Follows] before, and call Replace from one goroutine.
func (s *Source) Replace(list *List) { s.activate(list, digest{}) }

// Current returns the list in force, never nil. It takes no lock. A list does not
// change: call Current for every request.
func (s *Source) Current() *List { return s.current.Load() }

// Run checks the file for changes until ctx ends. It refuses a file that cannot be
// read, is not a list, or is older than the list in force, which then stays.
func (s *Source) Run(ctx context.Context) {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.readIfChanged()
		}
	}
}

func (s *Source) readIfChanged() {
	s.checks++
	if s.checks%readEvery != 0 && s.unchanged() {
		return
	}
	content, err := s.read()
	if err != nil {
		s.refuse(refusal{why: err.Error()})
		return
	}
	switch sum := digest(sha256.Sum256(content)); sum {
	case s.inForce:
		s.restored()
	case s.refused.content: // which was logged
	default:
		s.replace(content, sum)
	}
}

// unchanged reports whether stat shows the file, at the end of all links, as it was
// when it was last read.
func (s *Source) unchanged() bool {
	now, err := os.Stat(s.path)
	return err == nil && os.SameFile(now, s.seen) &&
		now.Size() == s.seen.Size() && now.ModTime().Equal(s.seen.ModTime())
}

// read returns the content, at most one byte more than a list may have, which is
// valid until the next read.
func (s *Source) read() ([]byte, error) {
	found, err := os.Stat(s.path)
	if err != nil {
		return nil, err
	}
	if !found.Mode().IsRegular() { // to open a pipe would wait for its writer
		return nil, fmt.Errorf("%s is no regular file: name a JSON file", s.path)
	}
	file, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// Before the content: what is written meanwhile shows at the next check.
	seen, err := file.Stat()
	if err != nil {
		return nil, err
	}
	s.buffer.Reset()
	if _, err := s.buffer.ReadFrom(io.LimitReader(file, maxDocument+1)); err != nil {
		return nil, err
	}
	s.seen = seen
	return s.buffer.Bytes(), nil
}

// replace puts the content in force, or refuses it.
func (s *Source) replace(content []byte, sum digest) {
	next, err := Parse(content)
	if err == nil {
		err = next.Follows(s.Current())
	}
	if err != nil {
		s.refuse(refusal{content: sum, why: err.Error()})
		return
	}
	s.activate(next, sum)
}

// Follows returns an error if l cannot be a later version of the list in force,
// which may be nil.
func (l *List) Follows(inForce *List) error {
	switch {
	case inForce == nil:
		return nil
	case l.serial < inForce.serial:
		return fmt.Errorf("serial: %d is older than %d, which is in force: raise it with every change",
			l.serial, inForce.serial)
	case l.serial == inForce.serial:
		return fmt.Errorf("serial: %d is in force with other content: raise it with every change", l.serial)
	}
	return nil
}

func (s *Source) activate(next *List, sum digest) {
	s.current.Store(next)
	s.inForce, s.refused = sum, refusal{}
	s.logEvent(slog.LevelInfo, "revocations loaded", slog.Int64("serial", next.serial),
		slog.Int("revoked", next.selectors()), slog.Int("issued_before", next.cutoffs()))
}

// refuse keeps the list in force, and logs once what is wrong with the file.
func (s *Source) refuse(r refusal) {
	if r == s.refused {
		return
	}
	s.refused = r
	s.logEvent(slog.LevelError, "revocations refused: the list before stays in force",
		slog.String("problem", r.why), slog.Int64("serial", s.Current().serial))
}

// restored logs that after a refusal the list in force is in the file again.
func (s *Source) restored() {
	if s.refused == (refusal{}) {
		return
	}
	s.refused = refusal{}
	s.logEvent(slog.LevelInfo, "revocations are in the file again as they are in force",
		slog.Int64("serial", s.Current().serial))
}

func (s *Source) logEvent(level slog.Level, event string, attrs ...slog.Attr) {
	s.log.LogAttrs(context.Background(), level, event, attrs...)
	if s.loaded != nil {
		list := s.Current()
		s.loaded(list.serial, list.Entries(), s.refused == refusal{})
	}
}
