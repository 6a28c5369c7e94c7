package bundles

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/download"
	"github.com/open-policy-agent/opa/v1/plugins"
)

// Source keeps the latest usable bundle of one location. [Source.Status] may be
// called from any number of goroutines; [Source.Run] is called once.
type Source struct {
	options Options
	log     *slog.Logger
	arrived func()

	mu      sync.Mutex
	latest  *Bundle
	success time.Time
	failure failure
}

// Status is the state of one bundle.
type Status struct {
	Latest *Bundle // the last valid one; nil before the first

	// LastSuccess is when Latest was last known to be what the location has.
	LastSuccess time.Time

	// Problem is why Latest is not what the location has now, or may not be; "" for
	// no problem. Refused: the bundle there was read and is invalid.
	Problem string
	Refused bool
}

// NewSource makes a Source for options without problems. log gets one line per
// event, never one per request. arrived is called after each new bundle; it
// must not wait.
func NewSource(o Options, log *slog.Logger, arrived func()) *Source {
	return &Source{options: o, log: log.With(slog.String("bundle", o.Name)), arrived: arrived}
}

// Status is the state now.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Latest: s.latest, LastSuccess: s.success, Problem: s.failure.String(), Refused: s.failure.refused}
}

// Run downloads new bundles until ctx ends.
func (s *Source) Run(ctx context.Context) {
	if s.options.File != "" {
		s.watch(ctx)
		return
	}
	d, clean, err := s.downloader(plugins.TriggerPeriodic)
	if err != nil {
		s.fail(failure{what: "cannot be downloaded", detail: err.Error()})
		return
	}
	defer clean()
	d.Start(ctx)
	<-ctx.Done()
	d.Stop(context.WithoutCancel(ctx))
}

// Fetch downloads the bundle of o once, as a [Source] does first, and returns the
// status of that Source. The options are without problems.
func Fetch(ctx context.Context, o Options) Status {
	s := NewSource(o, slog.New(slog.DiscardHandler), func() {})
	if o.File != "" {
		s.readIfChanged(&watched{})
		return s.Status()
	}
	d, clean, err := s.downloader(plugins.TriggerManual)
	if err != nil {
		s.fail(failure{what: "cannot be downloaded", detail: err.Error()})
		return s.Status()
	}
	defer clean()
	defer d.Stop(context.WithoutCancel(ctx))
	if d.Trigger(ctx) != nil && ctx.Err() != nil {
		s.fail(failure{what: "cannot be fetched: there was not time enough"})
	}
	return s.Status()
}

// downloader is the interface of both of OPA's downloaders.
type downloader interface {
	Start(context.Context)
	Trigger(context.Context) error
	Stop(context.Context)
}

// downloader composes OPA's parts; clean removes what it keeps on disk.
func (s *Source) downloader(trigger plugins.TriggerMode) (d downloader, clean func(), err error) {
	clean = func() {}
	u, err := url.Parse(s.options.URL)
	if err != nil {
		return nil, clean, err
	}
	client, err := newClient(s.options, u)
	if err != nil {
		return nil, clean, err
	}
	config, err := s.options.polling(trigger)
	if err != nil {
		return nil, clean, err
	}
	parsing := ast.ParserOptions{RegoVersion: ast.RegoV1}
	if u.Scheme != "oci" {
		return download.New(config, client, u.RequestURI()).
			WithCallback(s.updated).
			WithBundleVerificationConfig(s.options.verification()).
			WithBundleParserOpts(parsing), clean, nil
	}
	folder, err := os.MkdirTemp("", "doorward-oci-*")
	if err != nil {
		return nil, clean, fmt.Errorf("%w: an OCI artifact is kept in a folder for temporary files, "+
			"let TMPDIR name one that can be written", err)
	}
	clean = func() { _ = os.RemoveAll(folder) } // the system clears what remains
	return download.NewOCI(config, client, strings.TrimPrefix(s.options.URL, "oci://"), folder).
		WithCallback(s.updated).
		WithBundleVerificationConfig(s.options.verification()).
		WithBundleParserOpts(parsing), clean, nil
}

func (o Options) polling(trigger plugins.TriggerMode) (download.Config, error) {
	whole := func(d time.Duration) *int64 {
		seconds := int64(d / time.Second)
		return &seconds
	}
	config := download.Config{Trigger: &trigger}
	config.Polling.MinDelaySeconds, config.Polling.MaxDelaySeconds = whole(o.PollMin), whole(o.PollMax)
	if o.LongPoll > 0 {
		config.Polling.LongPollingTimeoutSeconds = whole(o.LongPoll)
	}
	return config, config.ValidateAndInjectDefaults()
}

// updated is called with every answer. It never returns an error: OPA's downloader
// would ask again at once, and the server would answer that nothing has changed.
func (s *Source) updated(ctx context.Context, update download.Update) error {
	if ctx.Err() == nil { // not stopped
		s.answered(update)
	}
	return nil
}

func (s *Source) answered(update download.Update) {
	switch {
	case update.Error != nil:
		s.fail(explain(update.Error))
	case update.Bundle == nil:
		s.unchanged()
	default:
		s.evaluate(update.Bundle)
	}
}

// evaluate accepts a bundle that OPA has read, if it is valid.
func (s *Source) evaluate(read *bundle.Bundle) {
	b, err := accept(s.options.Name, read)
	if err != nil {
		s.fail(failure{what: err.Error(), refused: true, stays: true})
		return
	}
	s.arrive(b)
}

func (s *Source) arrive(b *Bundle) {
	s.mu.Lock()
	news := !b.Same(s.latest)
	s.latest, s.success = b, time.Now()
	s.recover()
	s.mu.Unlock()
	if news {
		s.arrived()
	}
}

// unchanged handles the answer that the bundle is the same as before, which may be
// one that was refused.
func (s *Source) unchanged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure.stays {
		return
	}
	s.success = time.Now()
	s.recover()
}

// recover is called under the lock.
func (s *Source) recover() {
	if s.failure != (failure{}) {
		s.failure = failure{}
		s.log.Info("the bundle can be used again")
	}
}

// fail records why there is no new bundle, and logs it once.
func (s *Source) fail(f failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure.stays && !f.refused {
		return // the refusal of the bundle is more specific
	}
	if f.what != s.failure.what || f.refused && f.detail != s.failure.detail {
		message := "the bundle at this location cannot be used"
		if s.latest != nil {
			message += ": the one before stays"
		}
		s.log.Error(message, slog.String("problem", f.String()))
	}
	s.failure = f
}
