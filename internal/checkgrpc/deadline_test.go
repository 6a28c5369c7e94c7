package checkgrpc_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/internal/checkgrpc"
)

type name struct{}

// TestWithDeadline: whoever looks at the context finds what context.WithDeadline makes, and no
// timer is made before.
func TestWithDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, stop := context.WithCancel(context.WithValue(context.Background(), name{}, "value"))
		defer stop()
		ctx, cancel := checkgrpc.WithDeadline(parent, time.Now().Add(time.Second))
		defer cancel()
		if until, has := ctx.Deadline(); !has || !until.Equal(time.Now().Add(time.Second)) {
			t.Errorf("the deadline: %v, %v", until, has)
		}
		below, cancelBelow := context.WithTimeout(ctx, time.Minute)
		defer cancelBelow()
		if ctx.Err() != nil || ctx.Value(name{}) != "value" {
			t.Errorf("it has ended: %v, or has no value", ctx.Err())
		}
		<-below.Done()
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) || !errors.Is(below.Err(), context.DeadlineExceeded) {
			t.Errorf("after a second: %v, below %v", ctx.Err(), below.Err())
		}

		sooner, cancelSooner := context.WithTimeout(parent, time.Millisecond)
		defer cancelSooner()
		ctx, cancel = checkgrpc.WithDeadline(sooner, time.Now().Add(time.Second))
		defer cancel()
		if until, _ := ctx.Deadline(); !until.Equal(time.Now().Add(time.Millisecond)) {
			t.Errorf("the caller's own deadline is sooner: %v", until)
		}

		ctx, cancel = checkgrpc.WithDeadline(parent, time.Now().Add(time.Second))
		stop()
		if <-ctx.Done(); !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("the caller has left: %v", ctx.Err())
		}
		cancel()

		ctx, cancel = checkgrpc.WithDeadline(context.Background(), time.Now().Add(time.Second))
		cancel()
		if <-ctx.Done(); !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("first looked at after its end: %v", ctx.Err())
		}
	})
	free := testing.AllocsPerRun(100, func() {
		ctx, cancel := checkgrpc.WithDeadline(context.Background(), time.Now().Add(time.Second))
		_ = ctx.Value(name{})
		cancel()
	})
	if free > 2 {
		t.Errorf("%v allocations where no step waits", free)
	}
}
