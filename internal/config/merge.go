package config

import (
	"fmt"
	"regexp"
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
	files    []string
	problems Problems
}

func newReader() *reader {
	return &reader{doc: defaults(), places: map[string]place{}, broken: map[string]bool{}, lists: map[string]bool{}}
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
	r.problemAt(at, subject(path, at, " ")+message, fix)
}

// warn is [reader.problem] for what is allowed but unwise.
func (r *reader) warn(path, message, fix string) {
	if r.isBroken(path) {
		return
	}
	at := r.placeOf(path)
	r.problems = append(r.problems, Problem{
		File: at.file, Line: at.line, Column: at.column,
		Message: subject(path, at, " ") + message, Fix: fix, Warning: true,
	})
}

// report passes on what a package below says about the value of a path. Its
// message has the fix in it; where it points to a second path, the reader
// learns where that stands.
func (r *reader) report(path, message string, warning bool) {
	if r.isBroken(path) {
		return
	}
	at := r.placeOf(path)
	// A path as the packages below write it.
	paths := regexp.MustCompile(`\b(?:issuers|resources|policy\.bundles)\[\d+\](?:\.[a-z_]+(?:\[\d+\])?)*`)
	message = paths.ReplaceAllStringFunc(message, func(other string) string {
		return fmt.Sprintf("%s (%v)", other, r.placeOf(other))
	})
	r.problems = append(r.problems, Problem{
		File: at.file, Line: at.line, Column: at.column,
		Message: subject(path, at, ": ") + message, Warning: warning,
	})
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
	r.problems = append(r.problems, Problem{File: at.file, Line: at.line, Column: at.column, Message: message, Fix: fix})
}
