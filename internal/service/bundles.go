package service

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/doorward/doorward/internal/bundles"
)

// bundleSources keeps one living source per place that a bundle comes from. A
// reload that leaves an entry as it was leaves its source in place.
type bundleSources struct {
	log     *slog.Logger
	arrived chan struct{} // holds one word that there is something new
	ended   sync.WaitGroup

	mu      sync.Mutex
	running map[bundles.Options]*runningBundle
	refused map[string]string // by name: why the latest bundle is not in force
}

type runningBundle struct {
	source *bundles.Source
	stop   context.CancelFunc
}

func newBundleSources(log *slog.Logger) *bundleSources {
	return &bundleSources{
		log: log, arrived: make(chan struct{}, 1),
		running: map[bundles.Options]*runningBundle{},
		refused: map[string]string{},
	}
}

// start begins what is wanted and not yet running.
func (b *bundleSources) start(ctx context.Context, wanted []bundles.Options) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range wanted {
		if b.running[o] != nil {
			continue
		}
		ctx, stop := context.WithCancel(ctx)
		source := bundles.NewSource(o, b.log, b.tell)
		b.running[o] = &runningBundle{source, stop}
		b.ended.Go(func() { source.Run(ctx) })
	}
}

// tell leaves word; one is enough, however many have come.
func (b *bundleSources) tell() {
	select {
	case b.arrived <- struct{}{}:
	default:
	}
}

// retire ends what is not wanted any more.
func (b *bundleSources) retire(wanted []bundles.Options) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for o, running := range b.running {
		if !slices.Contains(wanted, o) {
			running.stop()
			delete(b.running, o)
		}
	}
}

// latest are the newest usable bundles by name, those that have arrived.
func (b *bundleSources) latest(wanted []bundles.Options) map[string]*bundles.Bundle {
	b.mu.Lock()
	defer b.mu.Unlock()
	have := map[string]*bundles.Bundle{}
	for _, o := range wanted {
		if running := b.running[o]; running != nil {
			if latest := running.source.Status().Latest; latest != nil {
				have[o.Name] = latest
			}
		}
	}
	return have
}

// recordRefusals notes which of the latest bundles are not in force and why, and says
// each refusal once.
func (b *bundleSources) recordRefusals(refused map[string]string, inForce *Revision) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range sortedKeys(refused) {
		if b.refused[name] != refused[name] {
			said := "the bundle was refused, and none is in force"
			if inForce != nil && inForce.parts.Bundles[name] != nil {
				said = "the bundle was refused: the one before stays in force"
			}
			b.log.Error(said, slog.String("bundle", name), slog.String("problem", refused[name]))
		}
	}
	b.refused = refused
}

// bundleState is what /readyz and the metrics say of a bundle.
type bundleState struct {
	Bundle   string `json:"bundle"`
	State    string `json:"state"` // "missing", "active", or "outdated" where a newer one is of no use
	Revision string `json:"revision,omitempty"`
	Serial   int64  `json:"serial,omitempty"`
	Problem  string `json:"problem,omitempty"`

	lastSuccess float64 // seconds since 1970; 0 for never
}

// states are those of the bundles of the plan in force, in its order.
func (b *bundleSources) states(p *Revision) []bundleState {
	if p == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []bundleState
	for _, o := range p.Config.Bundles {
		state := bundleState{Bundle: o.Name, State: "missing"}
		if active := p.parts.Bundles[o.Name]; active != nil {
			state.State, state.Revision, state.Serial = "active", active.Revision, active.Serial
		}
		refusal := b.refused[o.Name]
		if running := b.running[o]; running != nil {
			status := running.source.Status()
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

// activated says which bundles of a plan were not in force before it.
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
