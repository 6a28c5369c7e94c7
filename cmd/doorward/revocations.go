package main

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
type revocations struct {
	log     *slog.Logger
	serial  prometheus.Gauge
	entries prometheus.Gauge
	ok      prometheus.Gauge

	path   string
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

// adopt returns the list for path, or nil where path is "". It fails, with the
// list before still in force, where a new file cannot be read.
func (r *revocations) adopt(ctx context.Context, path string) (*revocation.Source, error) {
	if path == r.path {
		return r.source, nil
	}
	var next *revocation.Source
	if path != "" {
		var err error
		if next, err = revocation.NewSource(path, r.log, r.loaded); err != nil {
			return nil, fmt.Errorf("revocation_file: %w", err)
		}
	} else {
		r.loaded(0, 0, true)
	}
	r.stop()
	r.path, r.source = path, next
	ctx, r.stop = context.WithCancel(ctx)
	if next != nil {
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
