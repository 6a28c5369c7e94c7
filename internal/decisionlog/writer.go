package decisionlog

import (
	"context"
	"time"
)

// writer delivers what waits in the queue, and goes on trying where that fails.
type writer struct {
	queue    *queue
	to       sink
	pace     pace
	failures *failureLog
	closing  chan struct{} // closed when the log is
	ended    chan struct{} // closed when run is over
}

// run works until the log is closed, and then delivers what is left, once.
func (w *writer) run(ctx context.Context) {
	defer close(w.ended)
	defer w.to.close()
	pause := w.pace.retry
	for w.wait(w.pace.look, w.queue.enough) {
		if w.deliver(ctx) {
			pause = w.pace.retry
			continue
		}
		if !w.wait(pause, nil) {
			break
		}
		pause = min(2*pause, w.pace.retryMost)
	}
	w.deliver(ctx)
}

// wait returns after a while, or as soon as it is called for. It is false once the
// log is closed.
func (w *writer) wait(while time.Duration, call <-chan struct{}) bool {
	timer := time.NewTimer(while)
	defer timer.Stop()
	select {
	case <-w.closing:
		return false
	case <-call:
	case <-timer.C:
	}
	return true
}

// deliver hands over batches until nothing waits. It is false after the first
// that fails.
func (w *writer) deliver(ctx context.Context) bool {
	defer func() { w.failures.losses(w.queue.losses()) }()
	for {
		events := w.queue.take()
		if len(events) == 0 {
			return true
		}
		late := time.AfterFunc(w.pace.stalled, w.failures.stalled)
		delivered, err := w.to.deliver(ctx, events)
		late.Stop()
		w.queue.settle(delivered)
		if err != nil {
			w.failures.failed(err)
			return false
		}
		w.failures.delivered(w.queue.losses())
	}
}
