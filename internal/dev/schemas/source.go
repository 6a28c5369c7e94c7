package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"
)

// source is a line of the list: files in a Go module.
type source struct{ module, version, sum, pattern string }

func parseSources(text string) ([]source, error) {
	var sources []source
	number := 0
	for line := range strings.Lines(text) {
		number++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 4 {
			return nil, fmt.Errorf("line %d has %d words: write module, version, sum and files", number, len(fields))
		}
		sources = append(sources, source{fields[0], fields[1], fields[2], fields[3]})
	}
	return sources, nil
}

// files returns the content of the files of a source by name. The module comes through
// the go command, which keeps it.
func (s source) files(ctx context.Context) (map[string][]byte, error) {
	name, err := s.download(ctx)
	if err != nil {
		return nil, err
	}
	archive, err := zip.OpenReader(name)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	files := map[string][]byte{}
	for _, file := range archive.File {
		inside := strings.TrimPrefix(file.Name, s.module+"@"+s.version+"/")
		if matched, err := path.Match(s.pattern, inside); err != nil || !matched {
			continue
		}
		if files[inside], err = content(file); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// download returns the name of the module's archive. The sum of the list is compared with
// the go command's, so that a module that was replaced is refused.
func (s source) download(ctx context.Context) (string, error) {
	command := exec.CommandContext(ctx, "go", "mod", "download", "-json", s.module+"@"+s.version)
	command.Dir = os.TempDir() // outside of any module
	command.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	command.Stderr = os.Stderr
	answer, failed := command.Output()
	var got struct{ Zip, Sum, Error string }
	if err := json.Unmarshal(answer, &got); err != nil {
		return "", errors.Join(failed, fmt.Errorf("go mod download: %w", err))
	}
	switch {
	case got.Zip == "":
		return "", fmt.Errorf("%s@%s: %s", s.module, s.version, got.Error)
	case got.Sum != s.sum:
		return "", fmt.Errorf("%s@%s has the sum %s, and the list has %s", s.module, s.version, got.Sum, s.sum)
	}
	return got.Zip, nil
}

func content(file *zip.File) ([]byte, error) {
	reader, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var text bytes.Buffer
	_, err = io.Copy(&text, reader)
	return text.Bytes(), err
}
