package exchange

import (
	"context"
	"errors"
	"time"
)

// flightTime bounds a request with its wait for a slot and the discovery before it.
const flightTime = 10 * time.Second

// outcome is a token or an error.
type outcome struct {
	token Token
	err   error
}

func (o outcome) isRefusal() bool {
	var refused *Refused
	return errors.As(o.err, &refused)
}

func (o outcome) result() Result {
	switch {
	case o.err == nil:
		return ResultOK
	case o.isRefusal():
		return ResultRefused
	}
	return ResultUnavailable
}

// flight is the one request under way for a key. Callers come and leave; once it has
// a slot it goes on without them, so that its answer is remembered.
type flight struct {
	request
	done    chan struct{} // closed once outcome is final
	outcome outcome

	// Under Source.mu.
	callers int
	entered bool               // it has a slot
	abandon context.CancelFunc // ends the wait for one
}

var (
	errCrowded = errors.New("too many requests wait for the authorization server, or for too long")
	errPanic   = errors.New("the exchange panicked")
)

// join returns the flight of the key, and starts it where there is none. An answer
// may have come since the caller looked, and the flight is then over already.
func (s *Source) join(r request) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flights[r.key]
	if f == nil {
		f = &flight{request: r, done: make(chan struct{})}
		if known, ok := s.store.find(r.key, s.environment.Now()); ok {
			f.outcome = known
			close(f.done)
			return f
		}
		ctx, abandon := context.WithTimeout(context.Background(), flightTime)
		f.abandon = abandon
		s.flights[r.key] = f
		go s.fly(ctx, f)
	}
	f.callers++
	return f
}

// leave takes a caller away. A flight without callers does not wait for a slot any
// longer, and the next caller begins another one.
func (s *Source) leave(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.callers--
	if f.callers == 0 && !f.entered {
		s.land(f)
	}
}

// land takes a flight from those under way. s.mu is locked.
func (s *Source) land(f *flight) {
	f.abandon()
	if s.flights[f.key] == f {
		delete(s.flights, f.key)
	}
	if s.closed && len(s.flights) == 0 {
		s.finder.closeIdle()
	}
}

func (s *Source) fly(ctx context.Context, f *flight) {
	o := outcome{err: errCrowded}
	if s.queue.enter(ctx) {
		if s.enters(f) {
			o = s.ask(ctx, f.request)
		}
		s.queue.leave()
	}
	s.environment.Observe(s.entry.Issuer, o.result())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store.remember(f.key, o, s.environment.Now(), f.until)
	s.land(f)
	f.outcome = o
	close(f.done)
}

// enters reports whether anyone waits for a flight that has got its slot.
func (s *Source) enters(f *flight) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.entered = f.callers > 0
	return f.entered
}

// ask sends one request. A panic is an answer that cannot be used.
func (s *Source) ask(ctx context.Context, r request) (o outcome) {
	defer func() {
		if recover() != nil {
			o = outcome{err: errPanic}
		}
	}()
	p, err := r.parameters()
	if err != nil {
		return outcome{err: err}
	}
	e, err := s.finder.find(ctx)
	if err != nil {
		return outcome{err: err}
	}
	token, err := s.send(ctx, e, p)
	if err == nil && s.environment.IsOurs(token.Access) {
		err = errOurs
	}
	if err != nil {
		return outcome{err: err}
	}
	return outcome{token: token}
}
