package config

import (
	"fmt"
	"strings"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/snapshot"
)

// Files are merged as they are read: each is decoded into the same document.
// Lists grow, mappings join, and a value that is there already is refused.

// reader is one reading of a configuration: the document as far as it was
// read, where everything in it stands, and what is wrong so far.
type reader struct {
	doc      document
	places   map[string]place // by path, such as "resources[1].also_at[0]"
	broken   map[string]bool  // paths with a problem: not judged a second time
	misspelt []string         // paths of keys that were meant, most likely
	lists    map[string]bool  // lists that somebody wrote, be they empty
	start    place            // where to point when something is missing altogether
	file     string           // the file being read
	torn     bool             // a file could not be read: what is missing is unknown
	files    *snapshot.Snapshot
	read     []string // names of the files that were read
	problems finding.List
}

func newReader(files *snapshot.Snapshot) *reader {
	return &reader{
		files: files, doc: defaults(),
		places: map[string]place{}, broken: map[string]bool{}, lists: map[string]bool{},
	}
}

// placeOf is where the value of a path stands, or the nearest thing around it.
func (r *reader) placeOf(path string) place {
	for ; path != ""; path = parent(path) {
		if at, ok := r.places[path]; ok {
			return at
		}
	}
	return r.start
}

// parent is the path of what holds this path's value: "a.b[0]" -> "a.b" -> "a".
func parent(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return ""
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// written tells whether somebody wrote a value for this path.
func (r *reader) written(path string) bool {
	_, ok := r.places[path]
	return ok
}

// once refuses a second place for a single value, and keeps the first. Only
// the version may be said in every file.
func (r *reader) once(path string, at place) bool {
	first, again := r.places[path]
	if again && path != "version" {
		r.problemAt(at, path+" is set a second time", fmt.Sprintf("keep this one or the one at %v", first))
		return false
	}
	return true
}

// unique refuses a word that a list, or a key of several elements, has twice.
// paths[i] is where words[i] stands.
func (r *reader) unique(words, paths []string) {
	first := map[string]string{}
	for i, word := range words {
		before, again := first[word]
		if !again {
			first[word] = paths[i]
			continue
		}
		if word != "" {
			r.problem(paths[i], fmt.Sprintf("is %q a second time", word),
				fmt.Sprintf("keep this one or the one at %v", r.placeOf(before)))
		}
	}
}

// problem notes an error about the value of a path; once is enough. The
// message is a sentence whose subject is the path.
func (r *reader) problem(path, message, fix string) {
	if r.isBroken(path) {
		return
	}
	r.broken[path] = true
	at := r.placeOf(path)
	r.add(at, finding.Finding{Path: path, Message: subject(path, at, " ") + message, Fix: fix})
}

// warn is [reader.problem] for what is allowed but unwise.
func (r *reader) warn(path, message, fix string) {
	if r.isBroken(path) {
		return
	}
	at := r.placeOf(path)
	r.add(at, finding.Finding{Path: path, Message: subject(path, at, " ") + message, Fix: fix, Severity: finding.Warning})
}

// report passes on what another package found about the value of a path. Where
// the message names a second path, it gets the place of that.
func (r *reader) report(path string, f finding.Finding) {
	if r.isBroken(path) {
		return
	}
	at := r.placeOf(path)
	f.Path = path
	if f.Other != "" {
		f.Message = strings.Replace(f.Message, f.Other, fmt.Sprintf("%s (%v)", f.Other, r.placeOf(f.Other)), 1)
	}
	f.Message = subject(path, at, ": ") + f.Message
	r.add(at, f)
}

// subject begins a message with its path. A flag is its own subject.
func subject(path string, at place, then string) string {
	if at.line == 0 {
		return ""
	}
	return path + then
}

// isBroken tells whether the value of a path, or one it is part of, could not
// be read: whatever is said about it then would only repeat that.
func (r *reader) isBroken(path string) bool {
	for ; path != ""; path = parent(path) {
		if r.broken[path] {
			return true
		}
	}
	return r.broken[""]
}

// excuseMisspelt keeps a key that was most likely meant, and is not there under
// its right name, from being reported as missing, too.
func (r *reader) excuseMisspelt() {
	for _, path := range r.misspelt {
		if !r.written(path) {
			r.broken[path] = true
		}
	}
}

func (r *reader) problemAt(at place, message, fix string) {
	r.add(at, finding.Finding{Message: message, Fix: fix})
}

func (r *reader) add(at place, f finding.Finding) {
	f.File, f.Line, f.Column = at.file, at.line, at.column
	r.problems = append(r.problems, f)
}
