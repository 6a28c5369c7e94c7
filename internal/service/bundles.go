package service

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/doorward/doorward/internal/bundles"
)

// bundleSources keeps one source per place that a bundle comes from. A reload
// that leaves an entry as it was leaves its source in place. A source runs before
// its configuration is in force, which may wait for the bundle.
type bundleSources struct {
	lifetimes[bundles.Options, bundles.Options, *bundles.Source]
	log     *slog.Logger
	arrived chan struct{} // holds one message that there is something new
	ended   sync.WaitGroup

	mu      sync.Mutex
	refused map[string]string // by name: why the latest bundle is not in force
}

func newBundleSources(log *slog.Logger) *bundleSources {
	b := &bundleSources{log: log, arrived: make(chan struct{}, 1)}
	b.key = func(o bundles.Options) bundles.Options { return o }
	b.keep = func(*bundles.Source, bundles.Options, bundles.Options) bool { return true }
	b.start = func(ctx context.Context, next, _ *lifetime[bundles.Options, *bundles.Source]) error {
		next.value = bundles.NewSource(next.options, b.log, b.notify)
		b.ended.Go(func() { next.value.Run(ctx) })
		return nil
	}
	return b
}

// follow starts what is wanted and does not run yet. Nothing ends.
func (b *bundleSources) follow(ctx context.Context, wanted []bundles.Options) {
	b.followOnly(ctx, slices.AppendSeq(slices.Clone(wanted), maps.Keys(b.inForce())))
}

// followOnly is follow, and ends what is not wanted.
func (b *bundleSources) followOnly(ctx context.Context, wanted []bundles.Options) {
	next, _ := b.prepare(ctx, wanted...) // which cannot fail
	b.activate(next)
}

// notify leaves one message, however many bundles have arrived.
func (b *bundleSources) notify() {
	select {
	case b.arrived <- struct{}{}:
	default:
	}
}

// latest are the newest usable bundles by name, those that have arrived.
func (b *bundleSources) latest(wanted []bundles.Options) map[string]*bundles.Bundle {
	have, running := map[string]*bundles.Bundle{}, b.inForce()
	for _, o := range wanted {
		if one := running[o]; one != nil && one.value.Status().Latest != nil {
			have[o.Name] = one.value.Status().Latest
		}
	}
	return have
}

// recordRefusals notes which of the latest bundles are not in force and why. It logs
// each refusal once.
func (b *bundleSources) recordRefusals(refused map[string]string, inForce *Revision) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range sortedKeys(refused) {
		if b.refused[name] != refused[name] {
			message := "the bundle was refused, and none is in force"
			if inForce != nil && inForce.parts.Bundles[name] != nil {
				message = "the bundle was refused: the one before stays in force"
			}
			b.log.Error(message, slog.String("bundle", name), slog.String("problem", refused[name]))
		}
	}
	b.refused = refused
}

// bundleState is a bundle in /readyz and in the metrics.
type bundleState struct {
	Bundle   string `json:"bundle"`
	State    string `json:"state"` // "missing", "active", or "outdated" where a newer one was refused
	Revision string `json:"revision,omitempty"`
	Serial   int64  `json:"serial,omitempty"`
	Problem  string `json:"problem,omitempty"`

	lastSuccess float64 // seconds since 1970; 0 for never
}

// states are those of the bundles of the revision in force, in its order.
func (b *bundleSources) states(p *Revision) []bundleState {
	if p == nil {
		return nil
	}
	running := b.inForce()
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []bundleState
	for _, o := range p.Config.Bundles {
		state := bundleState{Bundle: o.Name, State: "missing"}
		if active := p.parts.Bundles[o.Name]; active != nil {
			state.State, state.Revision, state.Serial = "active", active.Revision, active.Serial
		}
		refusal := b.refused[o.Name]
		if one := running[o]; one != nil {
			status := one.value.Status()
			state.Problem = status.Problem
			if status.Refused {
				refusal = status.Problem
			}
			if !status.LastSuccess.IsZero() {
				state.lastSuccess = seconds(status.LastSuccess)
			}
		}
		if refusal != "" {
			state.Problem = refusal
			if state.State == "active" {
				state.State = "outdated"
			}
		}
		all = append(all, state)
	}
	return all
}

// activated logs the bundles of a revision that were not in force before it.
func (b *bundleSources) activated(before, now *Revision) {
	for _, o := range now.Config.Bundles {
		bundle := now.parts.Bundles[o.Name]
		if bundle == nil || before != nil && bundle.Same(before.parts.Bundles[o.Name]) {
			continue
		}
		attrs := []any{slog.String("bundle", o.Name), list("roots", bundle.Content.Roots)}
		if bundle.Revision != "" {
			attrs = append(attrs, slog.String("revision", bundle.Revision))
		}
		if bundle.Serial != 0 {
			attrs = append(attrs, slog.Int64("serial", bundle.Serial))
		}
		b.log.Info("the bundle is in force", attrs...)
	}
}
