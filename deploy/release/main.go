// Command release makes the files of one version of doorward: binaries for linux and
// darwin on amd64 and arm64, the image as an OCI layout (made without a daemon), a
// software bill of materials, checksums and the version's section of CHANGELOG.md. It
// publishes nothing.
//
//	make release VERSION=v1.0.0
//	make release DRY=1            # one binary and the image, into a folder that is removed
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// platform is the operating system and processor of a binary.
type platform struct{ system, architecture string }

var platforms = []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}

// release is one run of this command.
type release struct {
	root        string // of the repository
	out         string
	version     string // such as "v1.0.0"; "" is the commit alone
	authorities string // PEM file with the certificate authorities of the image
	platforms   []platform
	made        time.Time // of the commit: every file has this time
	log         io.Writer
}

func main() {
	r := release{platforms: platforms, log: os.Stdout}
	dry := flag.Bool("dry", false, "make the binary and the image of linux/amd64 alone, into a temporary folder")
	flag.StringVar(&r.root, "root", ".", "folder of the repository")
	flag.StringVar(&r.out, "out", "bin/release", "folder to write")
	flag.StringVar(&r.version, "version", "", "version, such as v1.0.0; it must be the tag of this commit")
	flag.StringVar(&r.authorities, "ca-file", "/etc/ssl/certs/ca-certificates.crt",
		"certificate authorities for the image, PEM")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	run := r.run
	if *dry {
		run = r.dryRun
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		stop()
		os.Exit(1) //nolint:gocritic // the deferred stop has run
	}
}

// dryRun makes a release in a folder that it removes.
func (r release) dryRun(ctx context.Context) (err error) {
	folder, err := os.MkdirTemp("", "doorward-release-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	r.out, r.platforms = folder, platforms[:1]
	return r.run(ctx)
}

func (r release) run(ctx context.Context) error {
	if err := r.describe(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil { //nolint:gosec // what is published is public
		return err
	}
	notes, err := r.notes()
	if err != nil {
		return err
	}
	if err := r.write("CHANGELOG-"+r.name()+".md", notes); err != nil {
		return err
	}
	for _, p := range r.platforms {
		if err := r.publish(ctx, p); err != nil {
			return err
		}
	}
	if err := r.image(ctx); err != nil {
		return err
	}
	return r.checksums()
}

// describe finds the commit's time and checks the version against its tag.
func (r *release) describe(ctx context.Context) error {
	text, err := r.command(ctx, nil, "git", "show", "-s", "--format=%cI", "HEAD")
	if err != nil {
		return err
	}
	r.made, err = time.Parse(time.RFC3339, strings.TrimSpace(text))
	if err != nil || r.version == "" {
		return err
	}
	tags, err := r.command(ctx, nil, "git", "tag", "--points-at", "HEAD")
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Fields(tags), r.version) {
		return fmt.Errorf("%s is no tag of this commit: git tag %s", r.version, r.version)
	}
	return nil
}

// name returns the version for names of files.
func (r release) name() string {
	if r.version == "" {
		return "unreleased"
	}
	return r.version
}

func (r release) write(name string, content []byte) error {
	_, _ = fmt.Fprintln(r.log, "writing", name)
	return os.WriteFile(filepath.Join(r.out, name), content, 0o644) //nolint:gosec // what is published is public
}
