package service

import (
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/jwks"
)

// patience is how long after start a missing issuer keeps the others from
// being served.
const patience = 10 * time.Second

// readiness is what gRPC health and /readyz answer. Once ready, the service stays
// so until it drains: a Check whose issuer has no current keys is refused by itself.
type readiness struct {
	health   *health.Server
	patient  atomic.Bool // the first 10 s
	ready    atomic.Bool
	mu       sync.Mutex
	drained  bool
	statuses func() []jwks.Status
	missing  func() []string // bundles without which nothing is decided
}

func newReadiness(server *health.Server) *readiness {
	r := &readiness{
		health:   server,
		statuses: func() []jwks.Status { return nil },
		missing:  func() []string { return nil },
	}
	r.patient.Store(true)
	r.publish(healthpb.HealthCheckResponse_NOT_SERVING)
	return r
}

// start begins the count of the first 10 s; a policy without bundles is compiled
// by now.
func (r *readiness) start() {
	time.AfterFunc(patience, func() {
		r.patient.Store(false)
		r.review()
	})
	r.review()
}

// review looks whether the service has become ready. It is called whenever an
// issuer's keys or a bundle may have arrived.
func (r *readiness) review() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.drained || r.ready.Load() || len(r.missing()) > 0 || !enough(r.statuses(), r.patient.Load()) {
		return
	}
	r.ready.Store(true)
	r.publish(healthpb.HealthCheckResponse_SERVING)
}

// enough is every issuer, or after the first 10 s at least one.
func enough(statuses []jwks.Status, patient bool) bool {
	have := 0
	for _, status := range statuses {
		if status.Keys > 0 {
			have++
		}
	}
	return have > 0 && (have == len(statuses) || !patient)
}

// drain makes the service not ready for good.
func (r *readiness) drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drained = true
	r.ready.Store(false)
	r.health.Shutdown()
}

func (r *readiness) publish(status healthpb.HealthCheckResponse_ServingStatus) {
	r.health.SetServingStatus("", status)
	r.health.SetServingStatus(extauthz.ServiceName, status)
}
