package checkgrpc

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// WithDeadline is [context.WithDeadline] without a timer until a step waits for the
// context: the timer costs more than most Checks. Call the function when the Check is
// answered.
func WithDeadline(ctx context.Context, until time.Time) (context.Context, context.CancelFunc) {
	c := &deadline{parent: ctx, until: until}
	return c, c.end
}

// deadline is a context that is made when it is first looked at.
type deadline struct {
	parent context.Context
	until  time.Time

	once   sync.Once
	made   context.Context
	cancel context.CancelFunc // nil: no step looked at it
	isMade atomic.Bool
}

func (c *deadline) context() context.Context {
	c.once.Do(func() {
		c.made, c.cancel = context.WithDeadline(c.parent, c.until)
		c.isMade.Store(true)
	})
	return c.made
}

// ended is what a step sees that looks after the end.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func (c *deadline) end() {
	c.once.Do(func() { c.made = ended })
	if c.cancel != nil {
		c.cancel()
	}
}

// Deadline implements [context.Context].
func (c *deadline) Deadline() (time.Time, bool) {
	if parents, has := c.parent.Deadline(); has && parents.Before(c.until) {
		return parents, true
	}
	return c.until, true
}

// Done implements [context.Context].
func (c *deadline) Done() <-chan struct{} { return c.context().Done() }

// Err implements [context.Context].
func (c *deadline) Err() error { return c.context().Err() }

// Value implements [context.Context]. A value makes no timer: each span asks for one. Package
// context, which asks for Done before, finds the context that was made, so that contexts below
// need no goroutine.
func (c *deadline) Value(key any) any {
	if c.isMade.Load() {
		return c.made.Value(key)
	}
	return c.parent.Value(key)
}
