package main

import "time"

// results is what is known at the end.
type results struct {
	rows            []row
	notRun          []notRun
	requireKeycloak bool
	complete        bool // nobody interrupted it
}

// row is one step that was taken.
type row struct {
	server, step, wanted, got, note string
	took                            time.Duration
}

func (r row) ok() bool { return r.got == r.wanted }

// notRun is a half that could not be run here.
type notRun struct{ flag, server, why string }

func (r *results) wrong() int {
	n := 0
	for _, row := range r.rows {
		if !row.ok() {
			n++
		}
	}
	return n
}

// exit is the exit code: 1 for any difference, for a server that was required
// and not run, and where nothing was run at all.
func (r *results) exit() int {
	if r.wrong() > 0 || len(r.rows) == 0 {
		return exitFailure
	}
	for _, n := range r.notRun {
		if n.flag == halfOIDC || n.flag == halfKeycloak && r.requireKeycloak {
			return exitFailure
		}
	}
	return 0
}
