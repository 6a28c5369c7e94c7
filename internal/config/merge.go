package config

import (
	"fmt"
	"strings"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/snapshot"
)

// reader reads the files of a configuration into one document: lists are appended,
// mappings are merged, and a second value for a key is a problem.
type reader struct {
	doc        document
	places     map[string]place // by path, such as "resources[1].also_at[0]"
	broken     map[string]bool  // paths with a problem, which are not checked again
	misspelt   []string         // paths of the keys that unknown keys probably mean
	lists      map[string]bool  // lists that are in a file, empty ones too
	start      place            // the place of what is missing: the first file
	file       string           // the file being read
	incomplete bool             // a file could not be read: what is missing is unknown
	files      *snapshot.Snapshot
	presets    presetTable
	read       []string // names of the files that were read
	problems   finding.List
}

func newReader(files *snapshot.Snapshot) *reader {
	return &reader{
		files: files, doc: defaults(),
		places: map[string]place{}, broken: map[string]bool{}, lists: map[string]bool{},
	}
}

// placeOf returns the place of a value, or that of the nearest value around it.
func (r *reader) placeOf(path string) place {
	for ; path != ""; path = parent(path) {
		if at, ok := r.places[path]; ok {
			return at
		}
	}
	return r.start
}

// parent returns the path of the value around this one: "a.b[0]" -> "a.b" -> "a".
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

// written reports whether a file or flag has a value for this path.
func (r *reader) written(path string) bool {
	_, ok := r.places[path]
	return ok
}

// once refuses a second value for a path, and keeps the first. Only the version
// may be in every file.
func (r *reader) once(path string, at place) bool {
	first, again := r.places[path]
	if again && path != "version" {
		r.problemAt(at, path+" is set a second time", fmt.Sprintf("keep this one or the one at %v", first))
		return false
	}
	return true
}

// unique refuses a word that occurs twice. paths[i] is the path of words[i].
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

// problem reports an error about the value of a path, unless the path has one
// already. The path is the subject of the message.
func (r *reader) problem(path, message, fix string) {
	if r.isBroken(path) {
		return
	}
	r.broken[path] = true
	at := r.placeOf(path)
	r.add(at, finding.Finding{Path: path, Message: subject(path, at, " ") + message, Fix: fix})
}

// warn is [reader.problem] for what is allowed and probably a mistake.
func (r *reader) warn(path, message, fix string) {
	if r.isBroken(path) {
		return
	}
	at := r.placeOf(path)
	r.add(at, finding.Finding{
		Path: path, Message: subject(path, at, " ") + message, Fix: fix, Severity: finding.Warning,
	})
}

// report adds the place to what another package found about the value of a path,
// and to the second path that the message may name.
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

// subject returns the beginning of a message. A problem with a flag has it already.
func subject(path string, at place, then string) string {
	if at.line == 0 {
		return ""
	}
	return path + then
}

// isBroken reports whether the value of a path, or one around it, has a problem
// already.
func (r *reader) isBroken(path string) bool {
	for ; path != ""; path = parent(path) {
		if r.broken[path] {
			return true
		}
	}
	return r.broken[""]
}

// skipMisspelt marks the keys that unknown keys probably mean, so that they are not
// reported as missing too.
func (r *reader) skipMisspelt() {
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
