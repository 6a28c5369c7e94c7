package egress

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/doorward/doorward/internal/exchange"
)

// metrics counts Checks. Every label value comes from configuration or from a closed
// list, never from a request.
type metrics struct {
	registry  *prometheus.Registry
	checks    *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	exchanges *prometheus.CounterVec
}

func newMetrics() *metrics {
	registry := prometheus.NewRegistry()
	factory := promauto.With(registry)
	return &metrics{
		registry: registry,
		checks: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_egress_checks_total",
			Help: "Checks of requests that leave a server, by the resource of the server, the destination and the " +
				"reason. With observed=\"true\" the request passed, though the reason refuses it.",
		}, []string{"resource", "destination", "reason", "observed"}),
		duration: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name: "doorward_egress_seconds",
			Help: "Time that a Check of a request that leaves a server took, an exchange included.",
			Buckets: []float64{
				.000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5,
			},
		}, []string{"resource"}),
		exchanges: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_exchanges_total",
			Help: "Tokens for destinations by the issuer of the entry and by result: ok, remembered, refused or " +
				"unavailable.",
		}, []string{"issuer", "result"}),
	}
}

func (m *metrics) observe(v *verdict, took time.Duration) {
	observed := strconv.FormatBool(v.observed)
	m.checks.WithLabelValues(v.resource, v.destination(), v.reason.String(), observed).Inc()
	m.duration.WithLabelValues(v.resource).Observe(took.Seconds())
}

// CountExchange counts what became of a call for a token. It is the Observe of an
// [exchange.Environment].
func (s *Server) CountExchange(issuer string, result exchange.Result) {
	s.metrics.exchanges.WithLabelValues(issuer, string(result)).Inc()
}
