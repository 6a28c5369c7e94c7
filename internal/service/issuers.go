package service

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/config"
)

// issuers keeps one living key source per issuer. A reload that leaves an
// issuer as it was leaves its keys in place.
type issuers struct {
	log       *slog.Logger
	metrics   *metrics
	readiness *readiness

	mu      sync.Mutex
	running map[string]*runningSource
}

type runningSource struct {
	options      jwks.Options
	keys         *jwks.Source
	stop         context.CancelFunc
	inheritsKeys bool // keys began with those of the source before
}

func newIssuers(log *slog.Logger, metrics *metrics, readiness *readiness) *issuers {
	i := &issuers{log: log, metrics: metrics, readiness: readiness, running: map[string]*runningSource{}}
	readiness.statuses = i.statuses
	return i
}

// activate brings the sources in line with wanted: what is new starts, what is
// unchanged stays. It returns what a Check reads, and retire, which ends the
// sources that nobody needs and is to be called once no new Check can.
func (i *issuers) activate(ctx context.Context, wanted []config.Issuer) (trusted map[string]*token.Issuer, retire func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.running
	i.running = map[string]*runningSource{}
	trusted = map[string]*token.Issuer{}
	for _, issuer := range wanted {
		id := issuer.Keys.Issuer
		i.running[id] = i.source(ctx, issuer.Keys, before[id])
		trusted[id] = &token.Issuer{
			ID:         id,
			Profile:    issuer.Profile,
			Algorithms: issuer.Algorithms,
			Keys:       i.running[id].keys,
		}
	}
	return trusted, func() { i.retire(before) }
}

// source is the running source where it can go on, also with a new key file,
// and a new one otherwise.
func (i *issuers) source(ctx context.Context, wanted jwks.Options, running *runningSource) *runningSource {
	if running != nil && running.options.Equal(wanted) {
		return running
	}
	if running != nil && onlyKeysDiffer(running.options, wanted) {
		running.keys.Replace(wanted.Static)
		return &runningSource{options: wanted, keys: running.keys, stop: running.stop}
	}
	ctx, stop := context.WithCancel(ctx)
	keys := jwks.NewSource(wanted, jwks.Environment{Log: i.log, Refreshed: i.refreshed})
	heir := running != nil && keys.Inherit(running.keys)
	go keys.Run(ctx)
	return &runningSource{wanted, keys, stop, heir}
}

// fitToKeepKeys refuses a folder that others can write, before anything of it is
// read. "" is none.
func fitToKeepKeys(dir string) error {
	if faults := (jwks.Options{CacheDir: dir}).CheckCacheDir(); len(faults) > 0 {
		return fmt.Errorf("jwks_cache_dir is not usable: %s", strings.Join(faults, "; "))
	}
	return nil
}

func onlyKeysDiffer(a, b jwks.Options) bool {
	if a.Static == nil || b.Static == nil {
		return false
	}
	a.Static, b.Static = nil, nil
	return a.Equal(b)
}

func (i *issuers) refreshed(r jwks.Refresh) {
	i.metrics.refreshes.WithLabelValues(r.Issuer, r.Result, string(r.Cause)).Inc()
	i.readiness.review()
}

func (i *issuers) retire(before map[string]*runningSource) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for id, old := range before {
		now, still := i.running[id]
		if still && now.keys == old.keys {
			continue
		}
		old.stop()
		if !still || !now.inheritsKeys {
			old.keys.Close()
		}
		if !still {
			i.metrics.forget(id)
		}
	}
}

// statuses are those of every issuer, sorted by its name.
func (i *issuers) statuses() []jwks.Status {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []jwks.Status
	for _, running := range i.running {
		all = append(all, running.keys.Status())
	}
	slices.SortFunc(all, func(a, b jwks.Status) int { return strings.Compare(a.Issuer, b.Issuer) })
	return all
}
