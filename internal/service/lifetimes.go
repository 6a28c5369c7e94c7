package service

import (
	"context"
	"sync"
)

// lifetimes keeps what runs longer than one configuration, such as the source of
// an issuer's keys: one value per key, made of options. A reload prepares the
// values that it needs. It then activates them, which ends the others, or
// discards them, which ends those that it started.
//
// One goroutine at a time prepares, activates and discards.
type lifetimes[K comparable, O any, V comparable] struct {
	key func(O) K
	// keep reports whether a value that runs with options have serves those that
	// are wanted. It makes the changes to the value that this needs.
	keep func(value V, have, wanted O) bool
	// start sets the value of next from its options, and the end if it needs one.
	// ctx ends with next. before has the same key; it is nil where nothing has.
	start func(ctx context.Context, next, before *lifetime[O, V]) error

	mu      sync.Mutex
	running instances[K, O, V]
}

// lifetime is a value that runs.
type lifetime[O any, V comparable] struct {
	options O
	value   V
	stop    context.CancelFunc
	end     func() // called after stop, when what comes next runs
}

// instances are values by key. They do not change.
type instances[K comparable, O any, V comparable] map[K]*lifetime[O, V]

// prepare starts what is wanted and cannot be kept.
func (l *lifetimes[K, O, V]) prepare(ctx context.Context, wanted ...O) (instances[K, O, V], error) {
	running, all := l.inForce(), instances[K, O, V]{}
	for _, o := range wanted {
		key := l.key(o)
		before := running[key]
		if before != nil && l.keep(before.value, before.options, o) {
			all[key] = &lifetime[O, V]{o, before.value, before.stop, before.end}
			continue
		}
		ctx, stop := context.WithCancel(ctx)
		next := &lifetime[O, V]{options: o, stop: stop, end: func() {}}
		if err := l.start(ctx, next, before); err != nil {
			stop()
			l.discard(all)
			return nil, err
		}
		all[key] = next
	}
	return all, nil
}

// activate makes next what runs, and ends what is not in it.
func (l *lifetimes[K, O, V]) activate(next instances[K, O, V]) {
	l.mu.Lock()
	before := l.running
	l.running = next
	l.mu.Unlock()
	before.endWithout(next)
}

// discard ends what was started for next.
func (l *lifetimes[K, O, V]) discard(next instances[K, O, V]) { next.endWithout(l.inForce()) }

// inForce is what runs now.
func (l *lifetimes[K, O, V]) inForce() instances[K, O, V] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running
}

func (all instances[K, O, V]) endWithout(kept instances[K, O, V]) {
	for key, one := range all {
		if now := kept[key]; now == nil || now.value != one.value {
			one.stop()
			one.end()
		}
	}
}

// single is the key where one value runs.
type single struct{}
