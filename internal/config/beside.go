package config

import (
	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/snapshot"
)

// LocalFiles names what stands beside a configuration for others to judge.
type LocalFiles struct {
	PolicyPaths    []string // those that are there
	Packages       Packages // the resources' own, those that are well formed
	Bundles        []string // the names of the policy bundles, which only serve fetches
	RevocationFile string   // "" for none
	JWKSCacheDir   string   // "" for none
	places         map[string]place
}

// ReadLocalFiles finds it as far as the configuration can be read, whatever else is
// wrong with it: a person wants to hear of every problem at once.
func ReadLocalFiles(paths []string) LocalFiles {
	r := newReader(snapshot.New())
	for _, name := range r.expand(paths) {
		r.readFile(name)
	}
	b := LocalFiles{Packages: r.packages(), RevocationFile: r.doc.RevocationFile, JWKSCacheDir: r.doc.JWKSCacheDir, places: r.places}
	for _, bundle := range r.doc.Policy.Bundles {
		b.Bundles = append(b.Bundles, bundle.Name)
	}
	for _, path := range r.doc.Policy.Paths {
		if _, err := r.files.Stat(path); path != "" && err == nil {
			b.PolicyPaths = append(b.PolicyPaths, path)
		}
	}
	return b
}

// Unusable is the problem of what a key names, such as revocation_file, and what
// is there and cannot be used.
func (b LocalFiles) Unusable(key, why string) finding.Finding {
	at := b.places[key]
	return finding.Finding{File: at.file, Line: at.line, Column: at.column, Message: key + " is not usable: " + why}
}
