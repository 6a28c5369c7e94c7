package bundles

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"time"
)

// How often the status of a file is read, and after how many times its content is:
// the clock of the file system may be too coarse to show a change.
const (
	lookEvery = time.Second
	readEvery = 5 // times
)

// watch follows a file by its content, through symbolic links.
func (s *Source) watch(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var w watched
	for {
		s.readIfChanged(&w)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// watched is the last known status and content of a file.
type watched struct {
	looks   int
	about   os.FileInfo
	content [sha256.Size]byte
}

func (s *Source) readIfChanged(w *watched) {
	w.looks++
	about, err := os.Stat(s.options.File)
	if err == nil && !about.Mode().IsRegular() { // opening a pipe would wait for its writer
		err = fmt.Errorf("%s is no regular file: name a .tar.gz", s.options.File)
	}
	if err != nil {
		*w = watched{}
		s.fail(failure{what: "cannot be read", detail: err.Error()})
		return
	}
	if w.untouched(about) && w.looks%readEvery != 0 {
		s.unchanged()
		return
	}
	content, err := contentOf(s.options.File)
	if err != nil {
		*w = watched{}
		s.fail(explainFile(err))
		return
	}
	w.about = about // from before the content: a change meanwhile is seen the next time
	if sum := sha256.Sum256(content); sum != w.content {
		w.content = sum
		s.take(content)
		return
	}
	s.unchanged()
}

func (w *watched) untouched(about os.FileInfo) bool {
	return w.about != nil && os.SameFile(about, w.about) &&
		about.Size() == w.about.Size() && about.ModTime().Equal(w.about.ModTime())
}

func contentOf(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return whole(file)
}

func explainFile(err error) failure {
	if errors.Is(err, errTooLarge) {
		return explain(err)
	}
	return failure{what: "cannot be read", detail: err.Error()}
}

// take reads a file that has changed. A failure stays until it changes again.
func (s *Source) take(content []byte) {
	read, err := s.options.read(content)
	if err != nil {
		f := explain(err)
		f.stays = true
		s.fail(f)
		return
	}
	s.evaluate(read)
}
