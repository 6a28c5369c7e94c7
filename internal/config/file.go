package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/snapshot"
)

// largestFile bounds every file that is read here; a key set of a thousand
// keys is far smaller.
const largestFile = 4 << 20

// expand turns the paths of the command line into configuration files: a file
// is itself, a folder its *.yaml in order of name. Hidden files are left out,
// which is what a mounted ConfigMap needs.
func (r *reader) expand(paths []string) []string {
	if len(paths) == 0 {
		r.problems = append(r.problems, finding.Finding{File: "--config", Message: "no configuration file is named", Fix: "name a file or a folder"})
		r.torn = true
	}
	var names []string
	for _, path := range paths {
		found, err := r.yamlFiles(path)
		if err != nil {
			r.unread(path, err)
			continue
		}
		if len(found) == 0 {
			r.problems = append(r.problems, finding.Finding{File: path, Message: "the folder has no *.yaml file", Fix: "name a folder with at least one, or a file"})
			r.torn = true
		}
		names = append(names, found...)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(names, func(name string) bool {
		again := seen[filepath.Clean(name)]
		seen[filepath.Clean(name)] = true
		return again
	})
}

// yamlFiles is what one path of the command line stands for.
func (r *reader) yamlFiles(path string) ([]string, error) {
	about, err := r.files.Stat(path)
	if err != nil {
		return nil, err
	}
	if !about.IsDir() {
		return []string{path}, nil
	}
	inside, err := r.files.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range inside {
		name := filepath.Join(path, e.Name())
		if strings.HasPrefix(e.Name(), ".") || filepath.Ext(name) != ".yaml" {
			continue
		}
		// Through symbolic links, one of which may lead to a folder or nowhere.
		if about, err := r.files.Stat(name); err == nil && about.IsDir() {
			continue
		}
		names = append(names, name)
	}
	return names, nil
}

// unread notes a configuration file that cannot be read. What it would have
// said is unknown, so nothing is judged as missing.
func (r *reader) unread(name string, err error) {
	r.problems = append(r.problems, finding.Finding{File: name, Message: "cannot be read (" + why(err) + ")", Fix: "name a file that is there and may be read"})
	r.torn = true
}

// why is the cause without the path, which the problem names already.
func why(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// bytesOf reads a file, within bounds, and notes its name.
func (r *reader) bytesOf(name string) ([]byte, error) {
	r.read = append(r.read, name)
	text, err := r.files.ReadAtMost(name, largestFile)
	if errors.Is(err, snapshot.ErrTooLarge) {
		return nil, fmt.Errorf("larger than %v", Size(largestFile))
	}
	return text, err
}

// readFile reads one configuration file into the document.
func (r *reader) readFile(name string) {
	text, err := r.bytesOf(name)
	if err != nil {
		r.unread(name, err)
		return
	}
	if r.start.file == "" {
		r.start = place{name, 1, 1}
	}
	r.file = name
	root := r.parse(text)
	if root == nil {
		r.torn = true
		return
	}
	r.decode(root, "", &r.doc)
}
