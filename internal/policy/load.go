package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"

	"github.com/doorward/doorward/extauthz/finding"
)

// team is what the team's paths hold.
type team struct {
	modules map[string]*ast.Module // by file
	data    map[string]any         // rooted by folder, as `opa run` does
	paths   []string               // where both were read
	bundles []Bundle               // what joined them
	files   fs.FS                  // as Sources.Files
}

// documents yields each data file and each bundle with the document that it
// fills. It reads the files again one by one, as it is called only where a
// problem has been found.
func (t team) documents(yield func(file string, document map[string]any) bool) {
	for _, b := range t.bundles {
		if !yield(b.file(""), b.Data) {
			return
		}
	}
	files, err := loader.FilteredPathsFS(t.files, t.paths, except(data))
	if err != nil {
		return
	}
	for _, file := range files {
		alone := func(path string, info fs.FileInfo, depth int) bool {
			return except(data)(path, info, depth) || (!info.IsDir() && path != file)
		}
		result, err := loader.NewFileLoader().WithFS(t.files).Filtered(t.paths, alone)
		if err == nil && !yield(file, result.Documents) {
			return
		}
	}
}

// dataFile finds the file that holds a value, "" if it cannot be found.
func (t team) dataFile(keys ...string) string {
	for file, document := range t.documents {
		if holds(document, keys) {
			return file
		}
	}
	return ""
}

func holds(document any, keys []string) bool {
	for _, key := range keys {
		object, _ := document.(map[string]any)
		value, there := object[key]
		if !there {
			return false
		}
		document = value
	}
	return true
}

// kind is what a file is to doorward.
type kind uint8

const (
	other   kind = iota
	module       // a Rego module
	test         // a Rego test: for `doorward test`, never for serving
	data         // data.json, data.yaml
	nearly       // JSON or YAML under another name: `opa run` reads it, doorward does not
	archive      // a bundle
)

func kindOf(name string) kind {
	ext := filepath.Ext(name)
	switch {
	case strings.HasSuffix(name, "_test.rego"):
		return test
	case ext == ".rego":
		return module
	case name == "data.json", name == "data.yaml", name == "data.yml":
		return data
	case ext == ".json", ext == ".yaml", ext == ".yml":
		return nearly
	case strings.HasSuffix(name, ".tar.gz"):
		return archive
	}
	return other
}

// skipped reports dot-folders and dot-files below a path. A mounted ConfigMap keeps
// its second copy of each file in one.
func skipped(info fs.FileInfo, depth int) bool {
	return depth > 0 && strings.HasPrefix(info.Name(), ".")
}

// except makes a loader filter that drops every file that is none of the wanted
// kinds. A data file that a path names itself may have any JSON or YAML name.
func except(wanted ...kind) loader.Filter {
	return func(_ string, info fs.FileInfo, depth int) bool {
		if info.IsDir() {
			return skipped(info, depth)
		}
		k := kindOf(info.Name())
		if k == nearly && depth == 0 {
			k = data
		}
		return skipped(info, depth) || !slices.Contains(wanted, k)
	}
}

// Files lists the files that [Compile] would read for these paths from a file
// system, or from that of the operating system if it is nil, sorted. The
// error joins one for each path that cannot be read; the files of the other
// paths are still listed.
func Files(from fs.FS, paths []string) ([]string, error) {
	var files []string
	var errs []error
	for _, path := range paths {
		found, err := loader.FilteredPathsFS(from, []string{path}, except(module, data))
		if err != nil {
			errs = append(errs, fmt.Errorf("policy: %w", err))
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	return slices.Compact(files), errors.Join(errs...)
}

// load reads the team's paths, and reports all problems at once.
func load(from fs.FS, paths []string) (team, finding.List) {
	t := team{modules: map[string]*ast.Module{}, files: from}
	var problems finding.List
	var readable []string
	for _, path := range paths {
		found := inspect(from, path)
		problems = append(problems, found...)
		if !blocking(found) {
			readable = append(readable, path)
		}
	}
	files, err := loader.FilteredPathsFS(from, readable, except(module))
	if err != nil {
		problems = append(problems, loadProblems(from, err)...)
	}
	for _, file := range files {
		m, found := parse(from, file)
		problems = append(problems, found...)
		if m != nil {
			t.modules[file] = m
		}
	}
	documents, err := loader.NewFileLoader().WithFS(from).Filtered(readable, except(data))
	if err != nil {
		return t, append(problems, loadProblems(from, err)...)
	}
	t.data, t.paths = documents.Documents, readable
	return t, problems
}

// inspect reports a path of the configuration that is missing or holds no policy,
// and files below it that look like data or a bundle and are not read.
func inspect(from fs.FS, path string) finding.List {
	_, bare := loader.SplitPrefix(path)
	if _, err := stat(from, strings.TrimPrefix(bare, "file://")); err != nil {
		return finding.List{{
			File: path, Message: cause(err), Fix: "name a file or folder that exists and that doorward may read",
		}}
	}
	files, err := loader.FilteredPathsFS(from, []string{path}, except(module, test, data, nearly, archive))
	if err != nil {
		return loadProblems(from, err)
	}
	var problems finding.List
	empty := true
	for _, file := range files {
		switch k := kindOf(filepath.Base(file)); {
		case k == module, k == data, k == nearly && file == filepath.Clean(bare):
			empty = false
		case k == nearly:
			problems = append(problems, finding.Finding{
				File: file, Severity: finding.Warning,
				Message: "this file is not read", Fix: "name it data.json or data.yaml, in the folder where it belongs",
			})
		case k == archive:
			severity := finding.Warning
			if file == filepath.Clean(bare) {
				severity = finding.Error
			}
			problems = append(problems, finding.Finding{
				File: file, Severity: severity,
				Message: "bundles are not read from policy.paths", Fix: "name it in policy.bundles, or unpack it",
			})
		}
	}
	if empty {
		problems = append(problems, finding.Finding{
			File: path, Severity: finding.Warning,
			Message: "no policy here", Fix: "put *.rego, data.json or data.yaml there, or leave the path out",
		})
	}
	return problems
}

func parse(from fs.FS, file string) (*ast.Module, finding.List) {
	source, err := readFile(from, file)
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return nil, finding.List{{File: file, Message: cause(err), Fix: "make it a file that we may read"}}
	}
	if err != nil {
		return nil, regoProblems(err, file)
	}
	parsed, err := ast.ParseModuleWithOpts(file, string(source), ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, regoProblems(err, file)
	}
	return parsed, nil
}

// loadProblems puts the errors of OPA's loader into our words.
func loadProblems(from fs.FS, err error) finding.List {
	var many loader.Errors
	if !errors.As(err, &many) {
		many = loader.Errors{err}
	}
	var problems finding.List
	for _, err := range many {
		problems = append(problems, dataProblem(from, err))
	}
	return problems
}

// dataProblem finds the file and line of a broken data file. OPA's errors
// begin with the file; YAML ones say "line N"; JSON ones carry an offset.
func dataProblem(from fs.FS, err error) finding.Finding {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return finding.Finding{File: pe.Path, Message: cause(err), Fix: "make it a file that we may read"}
	}
	file, what, found := strings.Cut(err.Error(), ": ")
	if !found {
		return finding.Finding{Message: err.Error(), Fix: "correct the data file"}
	}
	p := finding.Finding{File: file, Message: strings.TrimSpace(what)}
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		p.Line, p.Column = position(from, file, syntax.Offset)
		p.Message = "not JSON: " + p.Message
	}
	if line := regexp.MustCompile(`line (\d+)`).FindStringSubmatch(what); line != nil {
		p.Line, _ = strconv.Atoi(line[1])
	}
	switch {
	case strings.Contains(what, "merge error"):
		p.Fix = "give each value one place"
	case strings.Contains(what, "must be of type object"):
		p.Fix = "write an object, or put the file into a folder that names it"
	default:
		p.Fix = "correct the data file"
	}
	return p
}

// position turns an offset in a file into line and column, 0 if it has changed.
func position(from fs.FS, file string, offset int64) (line, column int) {
	source, err := readFile(from, file)
	if err != nil || offset < 1 || offset > int64(len(source)) {
		return 0, 0
	}
	before := string(source[:offset-1])
	return 1 + strings.Count(before, "\n"), len(before) - strings.LastIndexByte(before, '\n')
}

// cause is an error without the operation and the path that the problem names.
func cause(err error) string {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// readFile reads from the file system of the operating system if from is nil.
func readFile(from fs.FS, name string) ([]byte, error) {
	if from == nil {
		return os.ReadFile(name)
	}
	return fs.ReadFile(from, name)
}

func stat(from fs.FS, name string) (fs.FileInfo, error) {
	if from == nil {
		return os.Stat(name)
	}
	return fs.Stat(from, name)
}
