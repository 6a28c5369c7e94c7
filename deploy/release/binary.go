package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// publish builds the binary of one platform and packs it. For the first platform it
// also lists the modules, which are the same for all.
func (r release) publish(ctx context.Context, p platform) error {
	build := []string{"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", "BINARY", "./cmd/doorward"}
	binary, err := r.build(ctx, p, build)
	if err != nil {
		return err
	}
	if p == r.platforms[0] {
		if err := r.billOfMaterials(binary); err != nil {
			return err
		}
	}
	return r.archive(p, binary)
}

// archive packs a binary with its documents.
func (r release) archive(p platform, binary []byte) error {
	name := "doorward_" + r.name() + "_" + p.system + "_" + p.architecture
	packed := []file{{name + "/doorward", binary, 0o755}}
	for _, document := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		content, err := os.ReadFile(filepath.Join(r.root, document))
		if err != nil {
			return err
		}
		packed = append(packed, file{name + "/" + document, content, 0o644})
	}
	content, err := r.pack(packed)
	if err != nil {
		return err
	}
	return r.write(name+".tar.gz", content)
}

// build runs a build command, in which BINARY is the file to write, and returns the
// content of that file.
func (r release) build(ctx context.Context, p platform, command []string) (binary []byte, err error) {
	folder, err := os.MkdirTemp("", "doorward-build-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	path := filepath.Join(folder, "doorward")
	for i := range command {
		command[i] = strings.ReplaceAll(command[i], "BINARY", path)
	}
	environment := []string{"CGO_ENABLED=0", "GOOS=" + p.system, "GOARCH=" + p.architecture, "GOFLAGS=-buildvcs=true"}
	if _, err := r.command(ctx, environment, command[0], command[1:]...); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// dockerBuild returns the build line of the Dockerfile, so that the image has the
// same binary as one made by `docker build`.
func (r release) dockerBuild() ([]string, error) {
	dockerfile, err := os.ReadFile(filepath.Join(r.root, "Dockerfile"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(dockerfile)) {
		command, found := strings.CutPrefix(line, "RUN ")
		if found && strings.Contains(command, "go build") {
			script := strings.Replace(strings.TrimSpace(command), "-o /doorward", "-o BINARY", 1)
			return []string{"sh", "-c", script}, nil
		}
	}
	return nil, errors.New("the Dockerfile has no RUN line with `go build`")
}

// file is an entry of a tar archive.
type file struct {
	name    string
	content []byte
	mode    int64
}

// pack makes a tar.gz that is the same for the same commit.
func (r release) pack(files []file) ([]byte, error) {
	var packed bytes.Buffer
	compressed := gzip.NewWriter(&packed)
	archive := tar.NewWriter(compressed)
	for _, f := range files {
		header := &tar.Header{
			Name: f.name, Mode: f.mode, Size: int64(len(f.content)), ModTime: r.made, Format: tar.FormatPAX,
		}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// command runs a program in the repository's folder.
func (r release) command(ctx context.Context, environment []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = r.root, append(os.Environ(), environment...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, &stderr)
	}
	return string(text), nil
}
