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

// largestFile bounds every file that is read here, in bytes. A JWK Set of a
// thousand keys is far smaller.
const largestFile = 4 << 20

// expand returns the configuration files for the paths of the command line: a
// file, or the *.yaml of a folder in order of name. Hidden files are left out, since
// a mounted ConfigMap has hidden copies.
func (r *reader) expand(paths []string) []string {
	if len(paths) == 0 {
		r.unread(finding.Finding{
			File: "--config", Message: "no configuration file is named", Fix: "name a file or a folder",
		})
	}
	var names []string
	for _, path := range paths {
		found, err := r.yamlFiles(path)
		if err != nil {
			r.unread(unreadable(path, err))
			continue
		}
		if len(found) == 0 {
			r.unread(finding.Finding{
				File: path, Message: "the folder has no *.yaml file", Fix: "name a folder with at least one, or a file",
			})
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

// yamlFiles returns the configuration files of one path.
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
		// Stat follows a symbolic link, which may lead to a folder or to nothing.
		if about, err := r.files.Stat(name); err == nil && about.IsDir() {
			continue
		}
		names = append(names, name)
	}
	return names, nil
}

// unread reports a configuration file that cannot be read. Its content is unknown,
// so that no key is reported as missing.
func (r *reader) unread(f finding.Finding) {
	r.problems = append(r.problems, f)
	r.incomplete = true
}

func unreadable(name string, err error) finding.Finding {
	return finding.Finding{File: name, Message: "cannot be read (" + cause(err) + ")", Fix: nameReadable}
}

// nameReadable is the advice for a file that cannot be read.
const nameReadable = "name a file that exists and is readable"

// cause returns the message without the path, which the problem has already.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// bytesOf reads a file of at most [largestFile], and records its name.
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
		r.unread(unreadable(name, err))
		return
	}
	if r.start.file == "" {
		r.start = place{name, 1, 1}
	}
	r.file = name
	root := r.parse(text)
	if root == nil {
		r.incomplete = true
		return
	}
	r.decode(root, "", &r.doc)
}
