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
// log before ends when no Check uses it any more.
type decisions struct {
	lifetimes[single, logOptions, *decisionlog.Log]
	log     *slog.Logger
	stdout  io.Writer
	dropped map[bool]prometheus.Counter // of allows, and of denials
	id      string                      // of this process, in every event
	version string                      // of doorward, in every event

	lastUse time.Duration // how long a Check that uses the log in force may run
	retired sync.WaitGroup
	ending  chan struct{} // closed when the process is about to end
}

// logOptions are what a log is made of.
type logOptions struct {
	config.DecisionLog
	insecureHosts []string
	ca            string // what ca_file holds
}

func newDecisions(o Options, registry prometheus.Registerer) *decisions {
	dropped := promauto.With(registry).NewCounterVec(prometheus.CounterOpts{
		Name: "doorward_decision_log_dropped_total",
		Help: "Events of decisions that were dropped, because the buffer was full or the destination failed.",
	}, []string{"verdict"})
	d := &decisions{
		log: o.Log, stdout: o.Stdout, id: rand.Text(), version: o.Version, ending: make(chan struct{}),
		dropped: map[bool]prometheus.Counter{
			true: dropped.WithLabelValues("allow"), false: dropped.WithLabelValues("deny"),
		},
	}
	d.key, d.start = func(logOptions) single { return single{} }, d.open
	d.keep = func(_ *decisionlog.Log, have, wanted logOptions) bool {
		return reflect.DeepEqual(have.DecisionLog, wanted.DecisionLog) && have.ca == wanted.ca &&
			slices.Equal(have.insecureHosts, wanted.insecureHosts)
	}
	return d
}

func (d *decisions) open(_ context.Context, next, _ *lifetime[logOptions, *decisionlog.Log]) (err error) {
	o := next.options
	if o.To == config.Off {
		return nil
	}
	next.end = func() { d.retire(next.value, d.lastUse) }
	next.value, err = decisionlog.New(decisionlog.Options{
		To: o.To, Standard: d.stdout,
		TokenFile: o.TokenFile, CAFile: o.CAFile, CertFile: o.CertFile, KeyFile: o.KeyFile,
		InsecureHTTPHosts: o.insecureHosts,
		Claims:            o.Claims, SampleAllows: o.SampleAllows, Buffer: int(o.Buffer),
		Labels:  map[string]string{"id": d.id, "version": d.version},
		Log:     d.log,
		Dropped: func(allowed bool) { d.dropped[allowed].Inc() },
	})
	return err
}

// use makes next the log in force, for Checks that run no longer than lastUse.
func (d *decisions) use(next instances[single, logOptions, *decisionlog.Log], lastUse time.Duration) {
	before, now := d.inForce()[single{}], next[single{}]
	d.activate(next)
	d.lastUse = lastUse
	if o := now.options; now.value != nil && (before == nil || before.value != now.value) {
		d.log.Info("logging decisions", slog.String("to", o.To), list("claims", o.Claims),
			slog.Float64("sample_allows", o.SampleAllows))
	}
}

// retire ends a log when no Check that began with it can still run.
func (d *decisions) retire(log *decisionlog.Log, lastUse time.Duration) {
	d.retired.Go(func() {
		select {
		case <-time.After(lastUse):
		case <-d.ending:
		}
		ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
		defer cancel()
		log.Close(ctx)
	})
}

// close delivers what waits, as far as it can be within flushWithin. No reload
// follows it.
func (d *decisions) close() {
	close(d.ending)
	d.activate(nil)
	d.retired.Wait()
}
