package service

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/config"
)

// issuers keeps one source of keys per issuer. A reload that leaves an issuer as
// it was leaves its keys in place.
type issuers struct {
	lifetimes[string, jwks.Options, *jwks.Source]
	log       *slog.Logger
	metrics   *metrics
	readiness *readiness
}

type (
	issuerSource  = lifetime[jwks.Options, *jwks.Source]
	issuerSources = instances[string, jwks.Options, *jwks.Source]
)

func newIssuers(log *slog.Logger, metrics *metrics, readiness *readiness) *issuers {
	i := &issuers{log: log, metrics: metrics, readiness: readiness}
	i.key, i.keep, i.start = func(o jwks.Options) string { return o.Issuer }, keepKeys, i.startSource
	readiness.statuses = i.statuses
	return i
}

// follow prepares the sources of the issuers that are wanted, and what a Check
// reads of them. It cannot fail.
func (i *issuers) follow(ctx context.Context, wanted []config.Issuer) (issuerSources, map[string]*token.Issuer) {
	var options []jwks.Options
	for _, issuer := range wanted {
		options = append(options, issuer.Keys)
	}
	sources, _ := i.prepare(ctx, options...)
	trusted := map[string]*token.Issuer{}
	for _, issuer := range wanted {
		id := issuer.Keys.Issuer
		trusted[id] = issuer.Rules(sources[id].value)
	}
	return sources, trusted
}

// keepKeys keeps a source, also with a new key file.
func keepKeys(source *jwks.Source, have, wanted jwks.Options) bool {
	if have.Equal(wanted) {
		return true
	}
	keys := wanted.Static
	if have.Static == nil || keys == nil {
		return false
	}
	have.Static, wanted.Static = nil, nil
	if !have.Equal(wanted) {
		return false
	}
	source.Replace(keys)
	return true
}

func (i *issuers) startSource(ctx context.Context, next, before *issuerSource) error {
	source := jwks.NewSource(next.options, jwks.Environment{Log: i.log, Refreshed: i.refreshed})
	next.value = source
	next.end = func() {
		source.Close()
		if i.inForce()[next.options.Issuer] == nil {
			i.metrics.forget(next.options.Issuer)
		}
	}
	if before != nil && source.Inherit(before.value) {
		before.end = func() {} // a Check that runs may still need the keys
	}
	go source.Run(ctx)
	return nil
}

// fitToKeepKeys refuses a folder that others can write, before anything of it is
// read. "" is no folder.
func fitToKeepKeys(dir string) error {
	if faults := (jwks.Options{CacheDir: dir}).CheckCacheDir(); len(faults) > 0 {
		return fmt.Errorf("jwks_cache_dir is not usable: %s", strings.Join(faults, "; "))
	}
	return nil
}

func (i *issuers) refreshed(r jwks.Refresh) {
	i.metrics.refreshes.WithLabelValues(r.Issuer, r.Result, string(r.Cause)).Inc()
	i.readiness.review()
}

// statuses are those of every issuer, sorted by its name.
func (i *issuers) statuses() []jwks.Status {
	var all []jwks.Status
	for _, running := range i.inForce() {
		all = append(all, running.value.Status())
	}
	slices.SortFunc(all, func(a, b jwks.Status) int { return strings.Compare(a.Issuer, b.Issuer) })
	return all
}
