package config

import (
	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/snapshot"
)

// LocalFiles names the files of a configuration that other packages check.
type LocalFiles struct {
	PolicyPaths    []string // those that exist
	Packages       Packages // the resources' own packages with a valid name
	Bundles        []string // names of the policy bundles, which only serve downloads
	RevocationFile string   // "" for none
	JWKSCacheDir   string   // "" for none
	places         map[string]place
}

// ReadLocalFiles reads what it can of a configuration, also of one with problems,
// so that check reports the problems of these files in the same run.
func ReadLocalFiles(paths []string) LocalFiles {
	r := newReader(snapshot.New())
	for _, name := range r.expand(paths) {
		r.readFile(name)
	}
	l := LocalFiles{
		Packages:       r.packages(),
		RevocationFile: r.doc.RevocationFile,
		JWKSCacheDir:   r.doc.JWKSCacheDir,
		places:         r.places,
	}
	for _, bundle := range r.doc.Policy.Bundles {
		l.Bundles = append(l.Bundles, bundle.Name)
	}
	for _, path := range r.doc.Policy.Paths {
		if _, err := r.files.Stat(path); path != "" && err == nil {
			l.PolicyPaths = append(l.PolicyPaths, path)
		}
	}
	return l
}

// Unusable is the finding that the file or folder named by a key, such as
// revocation_file, exists and cannot be used. The reason completes the message.
func (l LocalFiles) Unusable(key, reason string) finding.Finding {
	at := l.places[key]
	return finding.Finding{File: at.file, Line: at.line, Column: at.column, Message: key + " is not usable: " + reason}
}
