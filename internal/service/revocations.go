package service

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/doorward/doorward/extauthz/revocation"
)

// revocations keeps the one list. A reload that names the same file leaves it
// in place: it follows its file by itself, more often than the rest. A list from
// a bundle changes with its bundle alone.
type revocations struct {
	lifetimes[single, revocationSource, *revocation.Source]
	log     *slog.Logger
	serial  prometheus.Gauge
	entries prometheus.Gauge
	ok      prometheus.Gauge
}

// revocationSource is where a list comes from: a bundle, else a file. The zero
// value is no list.
type revocationSource struct {
	list *revocation.List // from a bundle
	path string
}

func newRevocations(log *slog.Logger, registry prometheus.Registerer) *revocations {
	factory := promauto.With(registry)
	gauge := func(name, help string) prometheus.Gauge {
		return factory.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	r := &revocations{
		log:     log,
		serial:  gauge("doorward_revocation_serial", "Serial of the revocation list in force, 0 for none."),
		entries: gauge("doorward_revocation_entries", "Entries of the revocation list in force."),
		ok: gauge("doorward_revocation_last_load_successful",
			"1 if the revocation file as it is now is in force, or none is configured."),
	}
	r.key, r.keep, r.start = func(revocationSource) single { return single{} }, keepRevocations, r.startSource
	r.ok.Set(1)
	return r
}

// keepRevocations keeps the source of the same file, and that of lists from
// bundles.
func keepRevocations(source *revocation.Source, have, wanted revocationSource) bool {
	if have.list != nil && wanted.list != nil && have.list != wanted.list {
		source.Replace(wanted.list)
	}
	return have.path == wanted.path && (have.list == nil) == (wanted.list == nil)
}

func (r *revocations) startSource(
	ctx context.Context, next, _ *lifetime[revocationSource, *revocation.Source],
) (err error) {
	switch o := next.options; {
	case o.list != nil:
		next.value = revocation.NewStaticSource(o.list, r.log, r.loaded)
	case o.path == "":
		r.loaded(0, 0, true)
	default:
		if next.value, err = revocation.NewSource(o.path, r.log, r.loaded); err != nil {
			return fmt.Errorf("revocation_file: %w", err)
		}
		go next.value.Run(ctx)
	}
	return nil
}

func (r *revocations) loaded(serial int64, entries int, ok bool) {
	r.serial.Set(float64(serial))
	r.entries.Set(float64(entries))
	r.ok.Set(0)
	if ok {
		r.ok.Set(1)
	}
}
