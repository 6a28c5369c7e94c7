package interop

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/mcp"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/readers"
)

// sdk is the reader of messages of an SDK, in a process of its own.
type sdk struct {
	name    string
	command []string
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// messages compares how SDKs read documents with how doorward does.
type messages struct {
	options options
	sdks    []*sdk
	number  int    // of documents
	seed    uint64 // of the first of them
}

// messagesSuite prepares the comparison of package mcp with the SDKs.
func messagesSuite(o options) (*suite, error) {
	h := &suite{flag: suiteMessages, name: "the SDKs' readers of messages"}
	home := filepath.Join(o.tools, "interop-sdks")
	node, python := nodeOf(home), filepath.Join(home, "venv", "bin", "python")
	folder := filepath.Join(o.folder, "messages-node")
	if node == "" || !exists(filepath.Join(home, "complete")) || !exists(python) {
		h.missing = "the SDKs are not installed; `envoy/interop/install messages` does that"
		return h, nil
	}
	script := filepath.Join(folder, "read.mjs")
	m := &messages{options: o, number: max(o.documents, 10_000), seed: 1, sdks: []*sdk{
		{name: "go-sdk 1.8.0"}, // run builds it
		{name: "TypeScript sdk 1.32.2", command: []string{node, script, "1"}},
		{name: "TypeScript server 2.4.0", command: []string{node, script, "2"}},
		{name: "Python mcp 2.3.0, sessions", command: []string{python, filepath.Join(folder, "read.py"), "legacy"}},
		{name: "Python mcp 2.3.0, 2026-07-28", command: []string{python, filepath.Join(folder, "read.py"), "modern"}},
	}}
	h.steps = []step{
		{name: "start", wanted: "up", vital: true, do: m.start},
		{name: "a table of documents", wanted: asRecorded, do: m.table},
		{name: "generated documents", wanted: agree, within: time.Hour, do: m.generated},
		{name: "faults of a reader", wanted: "all found", do: m.faults},
		{name: "servers that check headers", wanted: asDocumented, do: m.tryHeaders},
	}
	h.end = m.stop
	return h, nil
}

const (
	asRecorded = "as recorded, and every reading of what doorward accepts is the same"
	agree      = "every reading of what doorward accepts is the same"
)

func (m *messages) start(ctx context.Context) (outcome, error) {
	programs, err := testenv.Build(ctx, m.options.folder, "envoy/interop/messages")
	if err != nil {
		return outcome{}, err
	}
	m.sdks[0].command = programs
	if err := m.prepare(); err != nil {
		return outcome{}, err
	}
	for _, s := range m.sdks {
		// The suite ends them, not the step.
		s.process = exec.CommandContext(context.WithoutCancel(ctx), s.command[0], s.command[1:]...)
		s.process.Stderr = os.Stderr
		in, err := s.process.StdinPipe()
		if err != nil {
			return outcome{}, err
		}
		out, err := s.process.StdoutPipe()
		if err != nil {
			return outcome{}, err
		}
		s.in, s.out = in, bufio.NewReaderSize(out, 1<<20)
		if err := s.process.Start(); err != nil {
			return outcome{}, err
		}
	}
	return outcome{got: "up"}, nil
}

// prepare makes a folder in which the programs for Node find the SDKs.
func (m *messages) prepare() error {
	folder := filepath.Join(m.options.folder, "messages-node")
	modules, err := filepath.Abs(filepath.Join(m.options.tools, "interop-sdks", "node_modules"))
	if err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(folder, 0o700), os.Symlink(modules, filepath.Join(folder, "node_modules"))); err != nil {
		return err
	}
	return os.CopyFS(folder, os.DirFS("messages"))
}

func (m *messages) stop() error {
	var errs []error
	for _, s := range m.sdks {
		if s.in != nil {
			errs = append(errs, s.in.Close(), s.process.Wait())
		}
	}
	return errors.Join(errs...)
}

// read asks for the readings of documents.
func (s *sdk) read(documents []string) ([]readers.Reading, error) {
	written := make(chan error, 1)
	go func() {
		var lines strings.Builder
		for _, document := range documents {
			lines.WriteString(base64.StdEncoding.EncodeToString([]byte(document)) + "\n")
		}
		_, err := io.WriteString(s.in, lines.String())
		written <- err
	}()
	readings := make([]readers.Reading, len(documents))
	for i := range readings {
		line, err := s.out.ReadBytes('\n')
		if err != nil {
			return nil, fmt.Errorf("%s at document %q: %w", s.name, documents[i], err)
		}
		if err := json.Unmarshal(line, &readings[i]); err != nil {
			return nil, fmt.Errorf("%s says %s: %w", s.name, line, err)
		}
	}
	return readings, <-written
}

// readAll asks every SDK at the same time.
func (m *messages) readAll(documents []string) (map[string][]readers.Reading, error) {
	type answer struct {
		name     string
		readings []readers.Reading
		err      error
	}
	answers := make(chan answer)
	for _, s := range m.sdks {
		go func() {
			readings, err := s.read(documents)
			answers <- answer{s.name, readings, err}
		}()
	}
	all, errs := map[string][]readers.Reading{}, []error{}
	for range m.sdks {
		a := <-answers
		all[a.name], errs = a.readings, append(errs, a.err)
	}
	return all, errors.Join(errs...)
}

// doorward is what package mcp makes of a document, false where it refuses it.
func doorward(document string) ([]readers.Operation, bool) {
	reading := mcp.Read(mcp.Request{
		Method:  http.MethodPost,
		Headers: http.Header{"Content-Type": {"application/json"}}.Values,
		Body:    []byte(document),
	}, mcp.Trust{Batch: true})
	operations := make([]readers.Operation, len(reading.Operations))
	for i, operation := range reading.Operations {
		operations[i] = readers.Operation(operation)
	}
	return operations, reading.Fault == mcp.NoFault
}

// differences are the documents that a reader accepts and an SDK reads in another
// way. The first of them is described.
func differences(documents []string, all map[string][]readers.Reading, read func(string) ([]readers.Operation, bool)) (number, accepted int, first string) {
	names := slices.Sorted(maps.Keys(all))
	for i, document := range documents {
		operations, isAccepted := read(document)
		if !isAccepted {
			continue
		}
		accepted++
		for _, name := range names {
			if how := all[name][i].Differs(operations); how != "" {
				number++
				if first == "" {
					first = fmt.Sprintf("%s, %.300q: %s", name, document, how)
				}
				break
			}
		}
	}
	return number, accepted, first
}

// texts are those of the table.
func texts() ([]string, error) {
	documents, err := readers.Documents()
	all := make([]string, len(documents))
	for i, document := range documents {
		all[i] = document.Text
	}
	return all, err
}

func (m *messages) table(context.Context) (outcome, error) {
	documents, err := texts()
	if err != nil {
		return outcome{}, err
	}
	all, err := m.readAll(documents)
	if err != nil {
		return outcome{}, err
	}
	if m.options.record {
		if err := writeReadings(all); err != nil {
			return outcome{}, err
		}
	}
	recorded, err := readers.Recorded()
	if err != nil {
		return outcome{}, err
	}
	for name := range all {
		for i, document := range documents {
			if !m.options.record && (len(recorded[name]) <= i || fmt.Sprint(recorded[name][i]) != fmt.Sprint(all[name][i])) {
				return outcome{got: fmt.Sprintf("%s reads %.300q as %v", name, document, all[name][i])}, nil
			}
		}
	}
	number, accepted, first := differences(documents, all, doorward)
	if number > 0 {
		return outcome{got: first}, nil
	}
	return outcome{got: asRecorded, note: fmt.Sprintf("%d of %d documents accepted", accepted, len(documents))}, nil
}

// writeReadings writes one reading a line, so that a change of an SDK is seen.
func writeReadings(all map[string][]readers.Reading) error {
	var text strings.Builder
	separator := "{"
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&text, "%s\n%q: [", separator, name)
		for i, reading := range all[name] {
			line, err := json.Marshal(reading)
			if err != nil {
				return err
			}
			fmt.Fprintf(&text, "%s\n%s", strings.Repeat(",", min(i, 1)), line)
		}
		text.WriteString("\n]")
		separator = ","
	}
	return os.WriteFile("../../internal/testenv/readers/testdata/readings.json", []byte(text.String()+"\n}\n"), 0o600)
}

// generate calls each with batches of generated documents.
func (m *messages) generate(number int, each func(documents []string, all map[string][]readers.Reading)) error {
	generator := readers.NewGenerator(m.seed)
	for at := 0; at < number; at += 1000 {
		documents := make([]string, min(1000, number-at))
		for i := range documents {
			documents[i] = string(generator.Document())
		}
		all, err := m.readAll(documents)
		if err != nil {
			return err
		}
		each(documents, all)
	}
	return nil
}

func (m *messages) generated(context.Context) (outcome, error) {
	number, accepted, first := 0, 0, ""
	err := m.generate(m.number, func(documents []string, all map[string][]readers.Reading) {
		n, a, f := differences(documents, all, doorward)
		number, accepted = number+n, accepted+a
		if first == "" {
			first = f
		}
	})
	if err != nil {
		return outcome{}, err
	}
	if number > 0 {
		return outcome{got: fmt.Sprintf("%d of %d differ: %s", number, m.number, first)}, nil
	}
	return outcome{got: agree, note: fmt.Sprintf("%d of %d documents accepted, seed %d", accepted, m.number, m.seed)}, nil
}

// faults plants the faults of package readers before doorward's reader.
func (m *messages) faults(context.Context) (outcome, error) {
	found := map[string]int{}
	look := func(documents []string, all map[string][]readers.Reading) {
		for _, planted := range readers.Faults() {
			number, _, _ := differences(documents, all, func(document string) ([]readers.Operation, bool) {
				return doorward(planted.Rewrite(document))
			})
			found[planted.Fault] += number
		}
	}
	documents, err := texts()
	if err != nil {
		return outcome{}, err
	}
	all, err := m.readAll(documents)
	if err != nil {
		return outcome{}, err
	}
	look(documents, all)
	if err := m.generate(5000, look); err != nil {
		return outcome{}, err
	}
	var missed []string
	for _, planted := range readers.Faults() {
		if found[planted.Fault] == 0 {
			missed = append(missed, planted.Fault)
		}
	}
	if len(missed) > 0 {
		return outcome{got: "not found: " + strings.Join(missed, "; ")}, nil
	}
	return outcome{got: "all found", note: fmt.Sprintf("%d faults", len(readers.Faults()))}, nil
}
