package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
	"github.com/doorward/doorward/rego/library"
)

// sumsFile lists what was written, in the form of sha256sum, so that the next run
// recognises files that have not been changed since.
const sumsFile = "SHA256SUMS"

func libraryCommand() *cobra.Command {
	var starter bool
	cmd := &cobra.Command{
		Use:   "library DIR",
		Short: "Write the Rego library for OPA's own tools and editors, or a policy to start from",
		Long: "Writes the built-in rules, doorward.request for tests and the schema of input into DIR, so that\n" +
			"opa test, opa check --schema and editors know them. With --starter it writes a policy to start\n" +
			"from instead: rules, their tests and data. A file that it did not write is never overwritten.",
		Example: "  doorward library .doorward && opa test .doorward policy/\n  doorward library --starter policy " +
			"&& doorward test policy",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			files := libraryFiles
			if starter {
				files = starterFiles
			}
			if err := putFiles(cmd.OutOrStdout(), args[0], files); err != nil {
				return &failure{err}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&starter, "starter", false, "write rules, tests and data to start from")
	return cmd
}

// putFiles writes files into a folder, and a line about each to out.
func putFiles(out io.Writer, dir string, files func() (map[string][]byte, error)) error {
	all, err := files()
	if err != nil {
		return err
	}
	written, err := writeFiles(dir, all)
	if err != nil {
		return err
	}
	for _, name := range written {
		if _, err := fmt.Fprintln(out, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// libraryFiles are the files of the library by name, and their sums.
func libraryFiles() (map[string][]byte, error) {
	files := map[string][]byte{"schemas/input.json": policy.InputSchema()}
	for _, from := range []fs.FS{rego.Files, library.Files} {
		names, err := fs.Glob(from, "*.*") // no folder
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			to := name
			if filepath.Ext(name) == ".rego" {
				to = "doorward/" + name
			}
			if files[to], err = fs.ReadFile(from, name); err != nil {
				return nil, err
			}
		}
	}
	var sums bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&sums, "%s  %s\n", sum(files[name]), name)
	}
	files[sumsFile] = sums.Bytes()
	return files, nil
}

// starterFiles belong to the team as soon as they are written.
func starterFiles() (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(library.Files, "starter", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[strings.TrimPrefix(name, "starter/")], err = fs.ReadFile(library.Files, name)
		return err
	})
	return files, err
}

// writeFiles writes all files that are not there already, or nothing. It returns
// the names of those that it wrote.
func writeFiles(dir string, files map[string][]byte) ([]string, error) {
	ours := sumsIn(dir)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		there, err := os.ReadFile(filepath.Join(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case bytes.Equal(there, files[name]):
			continue
		case name == sumsFile && len(ours) > 0, ours[name] != "" && ours[name] == sum(there):
		default:
			return nil, fmt.Errorf("%s is there, and not as doorward wrote it: move it away, or name another folder",
				filepath.Join(dir, name))
		}
		names = append(names, name)
	}
	for _, name := range names {
		to := filepath.Join(dir, name)
		//nolint:gosec // as any tool that writes sources: the umask decides
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return nil, err
		}
		if err := os.WriteFile(to, files[name], 0o666); err != nil { //nolint:gosec // the same
			return nil, err
		}
	}
	return names, nil
}

// sumsIn reads what was written into a folder before; nothing if it was not.
func sumsIn(dir string) map[string]string {
	content, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return nil
	}
	sums := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		if of, name, found := strings.Cut(lines.Text(), "  "); found {
			sums[name] = of
		}
	}
	return sums
}

func sum(content []byte) string {
	digest := sha256.Sum256(content)
	return hex.EncodeToString(digest[:])
}
