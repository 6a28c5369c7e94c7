package decisionlog

import (
	"bytes"
	"context"
	"io"
	"os"
)

// lines writes one event a line, to the standard output or a file.
type lines struct {
	form   form
	out    io.Writer
	file   *os.File // nil: out is not ours to close, nor to follow
	buffer []byte
	torn   bool // the last line that was written has no end
}

func openFile(form form, path string) (*lines, error) {
	file, err := appendTo(path)
	if err != nil {
		return nil, err
	}
	return &lines{form: form, out: file, file: file}, nil
}

func appendTo(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
}

func (l *lines) deliver(_ context.Context, events []*entry) (int, error) {
	if err := l.follow(); err != nil {
		return 0, err
	}
	l.buffer = l.buffer[:0]
	if l.torn {
		l.buffer = append(l.buffer, '\n')
	}
	begin := len(l.buffer)
	for _, e := range events {
		l.buffer = append(l.form.append(l.buffer, e), '\n')
	}
	n, err := l.out.Write(l.buffer)
	if n == 0 {
		return 0, err
	}
	l.torn = l.buffer[n-1] != '\n'
	return bytes.Count(l.buffer[begin:max(n, begin)], []byte("\n")), err
}

// follow opens the file anew where its name no longer leads to it: a rotation of
// logs moves them away.
func (l *lines) follow() error {
	if l.file == nil {
		return nil
	}
	open, err := l.file.Stat()
	if err != nil {
		return err
	}
	if named, err := os.Stat(l.file.Name()); err == nil && os.SameFile(open, named) {
		return nil
	}
	file, err := appendTo(l.file.Name())
	if err != nil {
		return err
	}
	l.close()
	l.out, l.file, l.torn = file, file, false
	return nil
}

func (l *lines) close() {
	if l.file != nil {
		_ = l.file.Close() // what was written is with the system already
	}
}
