package service

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/doorward/doorward/extauthz/revocation"
)

// revocations keeps the one living list. A reload that names the same file
// leaves it in place: it watches its file by itself, more often than the rest.
// A list from a bundle changes with its bundle alone.
type revocations struct {
	log     *slog.Logger
	serial  prometheus.Gauge
	entries prometheus.Gauge
	ok      prometheus.Gauge

	path   string           // "" for none and for a list from a bundle
	given  *revocation.List // from a bundle, and in force; nil for none
	source *revocation.Source
	stop   context.CancelFunc
}

func newRevocations(log *slog.Logger, registry prometheus.Registerer) *revocations {
	factory := promauto.With(registry)
	gauge := func(name, help string) prometheus.Gauge {
		return factory.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	r := &revocations{
		log:     log,
		stop:    func() {},
		serial:  gauge("doorward_revocation_serial", "Serial of the revocation list in force, 0 for none."),
		entries: gauge("doorward_revocation_entries", "Entries of the revocation list in force."),
		ok:      gauge("doorward_revocation_last_load_successful", "1 if the revocation file as it is now is in force, or none is configured."),
	}
	r.ok.Set(1)
	return r
}

// activate returns the living list of a plan: the given one, else that of the file
// at path, else nil. It fails, with the list before still in force, where a new
// file cannot be read.
func (r *revocations) activate(ctx context.Context, path string, given *revocation.List) (*revocation.Source, error) {
	switch {
	case given != nil && r.given != nil:
		if given != r.given {
			r.source.Give(given)
		}
		r.given = given
		return r.source, nil
	case given == nil && r.given == nil && path == r.path:
		return r.source, nil
	}
	var next *revocation.Source
	if given != nil {
		next = revocation.NewStaticSource(given, r.log, r.loaded)
	} else if path != "" {
		var err error
		if next, err = revocation.NewSource(path, r.log, r.loaded); err != nil {
			return nil, fmt.Errorf("revocation_file: %w", err)
		}
	} else {
		r.loaded(0, 0, true)
	}
	r.stop()
	r.path, r.given, r.source = path, given, next
	ctx, r.stop = context.WithCancel(ctx)
	if path != "" {
		go next.Run(ctx)
	}
	return next, nil
}

func (r *revocations) loaded(serial int64, entries int, ok bool) {
	r.serial.Set(float64(serial))
	r.entries.Set(float64(entries))
	r.ok.Set(0)
	if ok {
		r.ok.Set(1)
	}
}
