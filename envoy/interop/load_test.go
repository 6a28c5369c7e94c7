package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/internal/testenv"
)

// The stream of good requests: bounded in number and in time.
const (
	loadRate   = 200 // a second
	loadLength = 10 * time.Second
	loadLead   = time.Second // of stream before the event, and so after it
)

// load sends a steady stream of requests with one good token, lets something
// happen meanwhile, and counts the requests that failed. They are sent at their
// time, whether the one before has its answer or not, so that a service that
// stalls shows.
func (d *service) load(ctx context.Context, token string, happens func(context.Context) (outcome, error)) (outcome, error) {
	var (
		all     sync.WaitGroup
		mu      sync.Mutex
		took    []time.Duration
		failed  int
		failure string
		event   outcome
		problem error
	)
	all.Go(func() {
		lead := time.NewTimer(loadLead)
		defer lead.Stop()
		select {
		case <-lead.C:
			event, problem = happens(ctx)
		case <-ctx.Done():
			problem = ctx.Err()
		}
	})
	tick := time.NewTicker(time.Second / loadRate)
	defer tick.Stop()
	for range loadRate * int(loadLength/time.Second) {
		<-tick.C
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			began := time.Now()
			status, err := d.call(ctx, "/mcp/load", token)
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(began))
			if err == nil && status == http.StatusOK {
				return
			}
			failed++
			failure = fmt.Sprintf("; the last one: %d %v", status, err)
		})
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return outcome{}, errors.Join(err, problem)
	}
	slices.Sort(took)
	latency := fmt.Sprintf("%d requests, median %v, 99%% %v, slowest %v", len(took),
		millis(took[len(took)/2]), millis(took[len(took)*99/100]), millis(took[len(took)-1]))
	return outcome{
		got:  fmt.Sprintf("%d failed; %s", failed, event.got),
		note: latency + failure + "; " + event.note,
	}, problem
}

func millis(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// refused waits until a token that was good is not, and says as what.
func (d *service) refused(ctx context.Context, token string) (o outcome, err error) {
	began := time.Now()
	err = testenv.Poll(ctx, func(ctx context.Context) (bool, error) {
		o, err = d.send(ctx, token)
		return err != nil || o.got != "200 allowed", err
	})
	o.note = fmt.Sprintf("after %.1f s", time.Since(began).Seconds())
	return o, err
}

// withdrawn is refused, for a token whose key has just been taken away.
func (d *service) withdrawn(ctx context.Context, token string) (outcome, error) {
	o, err := d.refused(ctx, token)
	return outcome{got: "old key " + o.got, note: "refused " + o.note}, err
}

// answers stands in for Envoy and for doorward's HTTP listener.
type answers func(*http.Request) (status int, body string, err error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body, err := a(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func standIn(a answers) *service {
	client := &http.Client{Transport: a}
	return &service{client: client, issuer: "http://as", listen: "envoy", doorward: &testenv.Doorward{HTTP: "doorward", Client: client}}
}

func nothing(context.Context) (outcome, error) { return outcome{got: "nothing", note: "at all"}, nil }

func TestLoadCountsWhatFails(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(n int64) (int, error)
		want   string
	}{
		{"all well", func(int64) (int, error) { return 200, nil }, "0 failed; nothing"},
		{"one refused", func(n int64) (int, error) { return map[bool]int{true: 503, false: 200}[n == 1000], nil }, "1 failed; nothing"},
		{"some unanswered", func(n int64) (int, error) {
			if n <= 3 {
				return 0, errors.New("gone")
			}
			return 200, nil
		}, "3 failed; nothing"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var n atomic.Int64
			d := standIn(func(r *http.Request) (int, string, error) {
				status, err := test.answer(n.Add(1))
				return status, "", err
			})
			o, err := d.load(t.Context(), "a token", nothing)
			if err != nil || o.got != test.want || n.Load() != 2000 {
				t.Errorf("%s: %q after %d requests, %v", test.name, o.got, n.Load(), err)
			}
		})
	}
}

// TestLoadDoesNotWait: a service that stalls receives the next requests, and the
// note has its latency.
func TestLoadDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := standIn(func(*http.Request) (int, string, error) {
			time.Sleep(3 * time.Second)
			return 200, "", nil
		})
		began := time.Now()
		o, err := d.load(t.Context(), "a token", nothing)
		if took := time.Since(began); err != nil || took != loadLength+3*time.Second {
			t.Errorf("took %v, %v", took, err)
		}
		if !strings.HasPrefix(o.note, "2000 requests, median 3s, 99% 3s, slowest 3s; at all") {
			t.Errorf("note %q", o.note)
		}
	})
}

func TestLoadEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		d := standIn(func(*http.Request) (int, string, error) { return 200, "", nil })
		began := time.Now()
		_, err := d.load(ctx, "a token", nothing)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 200*time.Millisecond {
			t.Errorf("took %v, %v", took, err)
		}
	})
}

// TestSettle waits for the one time in which an unknown key id causes a fetch
// and doorward itself does none.
func TestSettle(t *testing.T) {
	for _, test := range []struct{ age, want time.Duration }{
		{0, settled},
		{11 * time.Second, 0},
		{14 * time.Second, time.Second + settled},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			d := standIn(func(*http.Request) (int, string, error) {
				age := test.age + time.Since(began)
				fetched := time.Now().Add(-age % refreshEvery).UnixMilli()
				return 200, fmt.Sprintf("a{issuer=\"http://other\"} 1\ndoorward_jwks_last_success_timestamp_seconds{issuer=\"http://as\"} %v\n", float64(fetched)/1000), nil
			})
			err := d.settle(t.Context())
			if took := time.Since(began); err != nil || took < test.want || took > test.want+100*time.Millisecond {
				t.Errorf("keys %v old: it took %v, %v", test.age, took, err)
			}
		})
	}
}

func TestStateIsWhatReadyzSays(t *testing.T) {
	d := standIn(func(*http.Request) (int, string, error) {
		return 503, `{"ready":false,"issuers":[{"issuer":"http://as","state":"missing","keys":0,"problem":"as did not answer"}]}`, nil
	})
	o, err := d.tellsOfOutage(t.Context())
	if err != nil || o.got != "not ready, missing, problem told" || o.note != "as did not answer" {
		t.Errorf("%+v, %v", o, err)
	}
}
