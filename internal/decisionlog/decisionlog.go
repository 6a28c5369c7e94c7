// Package decisionlog writes one structured event per decision, in the schema
// of OPA's decision logs, to standard output, a file, or an HTTP service.
//
// It can neither slow nor stop a decision: [Log.Put] copies an event into a
// bounded queue and never waits, and one goroutine encodes and delivers what
// is there. Where the queue is full, the oldest allow makes room; a denial is
// dropped only where nothing but denials waits. Every drop is counted.
//
// It is redacted by what it does not hold: an [Event] has no room for a token,
// a header or a query, and of the claims only those on a list are kept.
//
// The package knows OPA's schema and its protocol, and nothing of Envoy or of
// how a decision comes about.
package decisionlog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// The two kinds of place beside a URL that [Options.To] can name.
const (
	Stdout     = "stdout"
	FilePrefix = "file:"
)

// Options are where events go and what is in them.
type Options struct {
	// To is [Stdout]; [FilePrefix] and the path of a file, which is made where
	// it is missing and made anew where it was moved away; or the URL of a
	// service that takes batches as OPA sends them, at URL/logs.
	To string
	// Standard is the standard output. Needed for [Stdout] alone.
	Standard io.Writer
	// TokenFile holds a bearer token for the service, read at every request; ""
	// sends no token. At most one of TokenFile and CertFile is set.
	TokenFile string
	// CAFile holds the PEM certificates that are trusted instead of the
	// system's; "": the system's.
	CAFile string
	// CertFile and KeyFile are our certificate for the service, in PEM, read at
	// every handshake. Both or neither.
	CertFile, KeyFile string
	// InsecureHTTPHosts are the hosts that may be written to without TLS: exact,
	// with or without port, or "loopback".
	InsecureHTTPHosts []string

	// Claims are names of claims that are logged besides sub and jti.
	Claims []string
	// SampleAllows is the share of the allows that is logged, 0 to 1. Denials
	// always are.
	SampleAllows float64
	// Buffer bounds what the events that wait may take, in bytes. An event is
	// at least 704 bytes, so that this bounds their number, too.
	Buffer int
	// Labels are in every event: OPA has the "id" and the "version" of the
	// process that decides.
	Labels map[string]string

	// Log gets a line when events cannot be delivered, and when they can be again;
	// nil: nothing is logged.
	Log *slog.Logger
	// Dropped is called for every event that is lost. It must not wait. Nil: it is
	// not called.
	Dropped func(allowed bool)
	// Random is where sampling and decision ids come from; nil: math/rand/v2.
	// It must be safe for concurrent use.
	Random func() uint64
}

// Log is a decision log. Make it with [New]; all of its methods may be called
// from any number of goroutines.
type Log struct {
	claims []string
	sample float64
	random func() uint64
	queue  *queue
	writer *writer
	cancel context.CancelFunc
}

// sink is where events go to. It is called by one goroutine.
type sink interface {
	// deliver delivers as many of these events as it can, from the first on, and
	// returns their number. An error is why it was not all.
	deliver(ctx context.Context, events []*entry) (int, error)
	close()
}

// New opens the place that o names and starts to write. It fails where a file
// cannot be opened, or the files for a service cannot be read; that the service
// is not there is no error, since it may come.
func New(o Options) (*Log, error) {
	o = o.withDefaults()
	to, err := o.open()
	if err != nil {
		return nil, fmt.Errorf("decision log: %w", err)
	}
	return start(o, to, usualPace()), nil
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Dropped == nil {
		o.Dropped = func(bool) {}
	}
	if o.Random == nil {
		o.Random = rand.Uint64
	}
	return o
}

func (o Options) open() (sink, error) {
	form, err := newForm(o.Labels)
	if err != nil {
		return nil, err
	}
	switch path, isFile := strings.CutPrefix(o.To, FilePrefix); {
	case o.To == Stdout:
		return &lines{form: form, out: o.Standard}, nil
	case isFile:
		return openFile(form, path)
	default:
		return newService(form, o, 10*time.Second)
	}
}

func start(o Options, to sink, pace pace) *Log {
	q := newQueue(o.Buffer, o.Dropped)
	w := &writer{
		queue: q, to: to, pace: pace, failures: newFailureLog(o.Log.With(slog.String("to", o.To))),
		closing: make(chan struct{}), ended: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	go w.run(ctx)
	listed := append([]string{"sub", "jti"}, o.Claims...)
	slices.Sort(listed)
	return &Log{
		claims: slices.Compact(listed), sample: o.SampleAllows, random: o.Random,
		queue: q, writer: w, cancel: cancel,
	}
}

// Logs reports whether the event of a decision is to be logged: of a denial
// always, of an allow at random. Ask once a decision, before its event is made.
func (l *Log) Logs(allowed bool) bool {
	if !allowed || l.sample >= 1 {
		return true
	}
	const digits = 53 // of a float64
	return float64(l.random()>>(64-digits))/(1<<digits) < l.sample
}

// Put logs an event. It never waits: where there is no room, an event is
// dropped. It copies what it keeps, so that e and the memory its strings lie in
// are the caller's again when Put returns; the values of Claims are kept and
// must never change.
func (l *Log) Put(e *Event) {
	l.queue.put(l.keep(e))
}

// Close ends the log. It tries once to deliver what waits, until ctx ends; what
// could not be delivered is dropped and counted, as is everything that is put
// from now on. It is called once.
func (l *Log) Close(ctx context.Context) {
	l.queue.close()
	close(l.writer.closing)
	select {
	case <-l.writer.ended:
	case <-ctx.Done():
	}
	l.cancel()
	if allows, denials := l.queue.abandon(); allows+denials > 0 {
		l.writer.failures.abandoned(allows, denials)
	}
}

// pace is how fast the writer goes about its work.
type pace struct {
	look             time.Duration // between two looks at a queue that is not full enough to call
	retry, retryMost time.Duration // after a failure: the first pause, and the longest
	stalled          time.Duration // a delivery that takes longer is logged
}

func usualPace() pace {
	return pace{
		look: 500 * time.Millisecond, retry: 100 * time.Millisecond,
		retryMost: 10 * time.Second, stalled: 5 * time.Second,
	}
}
