package service

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/decisionlog"
)

// flushWithin is how long the events that wait at the end may take.
const flushWithin = time.Second

// decisions keeps the one decision log. A reload that leaves its configuration
// as it is leaves it in place; another one opens a new log beside it, and the
// old one ends once no Check uses it.
type decisions struct {
	log     *slog.Logger
	stdout  io.Writer
	dropped *prometheus.CounterVec
	id      string // of this process, in every event
	version string // of doorward, in every event

	mu      sync.Mutex
	current openedLog
	lastUse time.Duration // how long a Check that uses current may run
	retired sync.WaitGroup
	ending  chan struct{} // closed when the process is about to end
}

// openedLog is a log and what it was made of.
type openedLog struct {
	*decisionlog.Log // nil: off
	config           config.DecisionLog
	ca               string // what its ca_file held
	insecureHosts    []string
}

func newDecisions(o Options, registry prometheus.Registerer) *decisions {
	d := &decisions{
		log: o.Log, stdout: o.Stdout, id: rand.Text(), version: o.Version,
		dropped: promauto.With(registry).NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_decision_log_dropped_total", Help: "Events of decisions that were not logged, for want of room or of a place that takes them.",
		}, []string{"verdict"}),
		current: openedLog{config: config.DecisionLog{To: config.Off}},
		ending:  make(chan struct{}),
	}
	for _, verdict := range []string{"allow", "deny"} {
		d.dropped.WithLabelValues(verdict)
	}
	return d
}

// open makes the log that cfg describes, or finds it open already. What it
// returns is given to adopt or to discard.
func (d *decisions) open(cfg config.DecisionLog, insecureHosts []string, ca string) (openedLog, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := openedLog{config: cfg, insecureHosts: insecureHosts, ca: ca}
	if reflect.DeepEqual(cfg, d.current.config) && next.ca == d.current.ca && slices.Equal(insecureHosts, d.current.insecureHosts) {
		return d.current, nil
	}
	if cfg.To == config.Off {
		return next, nil
	}
	allow, deny := d.dropped.WithLabelValues("allow"), d.dropped.WithLabelValues("deny")
	var err error
	next.Log, err = decisionlog.New(decisionlog.Options{
		To: cfg.To, Standard: d.stdout,
		TokenFile: cfg.TokenFile, CAFile: cfg.CAFile, CertFile: cfg.CertFile, KeyFile: cfg.KeyFile, InsecureHTTPHosts: insecureHosts,
		Claims: cfg.Claims, SampleAllows: cfg.SampleAllows, Buffer: int(cfg.Buffer),
		Labels: map[string]string{"id": d.id, "version": d.version},
		Log:    d.log,
		Dropped: func(allowed bool) {
			if allowed {
				allow.Inc()
			} else {
				deny.Inc()
			}
		},
	})
	return next, err
}

// activate makes next the log in force, for Checks that run no longer than lastUse.
// The one before ends when no Check that began with it can still run.
func (d *decisions) activate(next openedLog, lastUse time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old, wait := d.current, d.lastUse
	d.current, d.lastUse = next, lastUse
	if old.Log == next.Log {
		return
	}
	if next.Log != nil {
		d.log.Info("logging decisions", slog.String("to", next.config.To), list("claims", next.config.Claims),
			slog.Float64("sample_allows", next.config.SampleAllows))
	}
	d.retired.Go(func() {
		select {
		case <-time.After(wait):
		case <-d.ending:
		}
		old.end()
	})
}

// discard ends a log that nobody has used.
func (d *decisions) discard(next openedLog) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if next.Log != d.current.Log {
		next.end()
	}
}

// close delivers what waits, as far as it can be within flushWithin.
func (d *decisions) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.ending)
	d.retired.Go(d.current.end)
	d.current = openedLog{} // a reload may still come
	d.retired.Wait()
}

func (l openedLog) end() {
	if l.Log == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
	defer cancel()
	l.Close(ctx)
}
