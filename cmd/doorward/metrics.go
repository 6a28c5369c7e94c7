package main

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/jwks"
)

// metrics are those of the process around the Checks: keys and reloads.
type metrics struct {
	refreshes    *prometheus.CounterVec
	lastSuccess  *prometheus.GaugeVec
	keys         *prometheus.GaugeVec
	reloadOK     prometheus.Gauge
	reloadTime   prometheus.Gauge
	policyLoaded prometheus.Gauge
}

func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

func newMetrics(registry *prometheus.Registry) *metrics {
	factory := promauto.With(registry)
	b := thisBuild()
	factory.NewGaugeVec(prometheus.GaugeOpts{
		Name: "doorward_build_info", Help: "Always 1; the labels say what was built.",
	}, []string{"version", "revision", "goversion"}).WithLabelValues(b.version, b.revision, runtime.Version()).Set(1)
	return &metrics{
		refreshes: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_jwks_refreshes_total", Help: "Fetches of an issuer's keys, by result.",
		}, []string{"issuer", "result"}),
		lastSuccess: factory.NewGaugeVec(prometheus.GaugeOpts{
			Name: "doorward_jwks_last_success_timestamp_seconds", Help: "When an issuer's keys were last known to be current.",
		}, []string{"issuer"}),
		keys: factory.NewGaugeVec(prometheus.GaugeOpts{
			Name: "doorward_jwks_keys", Help: "Usable keys of an issuer.",
		}, []string{"issuer"}),
		reloadOK: factory.NewGauge(prometheus.GaugeOpts{
			Name: "doorward_config_last_reload_successful", Help: "1 if the files as they are now are in force, 0 if they were refused.",
		}),
		reloadTime: factory.NewGauge(prometheus.GaugeOpts{
			Name: "doorward_config_last_reload_success_timestamp_seconds", Help: "When a configuration last came into force.",
		}),
		policyLoaded: factory.NewGauge(prometheus.GaugeOpts{
			Name: "doorward_policy_loaded_timestamp_seconds", Help: "When the policy in force was compiled.",
		}),
	}
}

func registerInFlight(registry *prometheus.Registry, checks *extauthz.Server) {
	promauto.With(registry).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "doorward_signatures_in_flight", Help: "Signatures being verified now.",
	}, func() float64 {
		state := checks.State()
		if state == nil {
			return 0
		}
		return float64(state.Verifier.InFlight())
	})
}

// refreshed counts one fetch of an issuer's keys.
func (m *metrics) refreshed(issuer, result string, keys int, at time.Time) {
	m.refreshes.WithLabelValues(issuer, result).Inc()
	m.keys.WithLabelValues(issuer).Set(float64(keys))
	if result == jwks.ResultOK || result == jwks.ResultNotModified {
		m.lastSuccess.WithLabelValues(issuer).Set(seconds(at))
	}
}

// given notes keys that came with the configuration.
func (m *metrics) given(issuer string, keys int, at time.Time) {
	m.keys.WithLabelValues(issuer).Set(float64(keys))
	m.lastSuccess.WithLabelValues(issuer).Set(seconds(at))
}

// forget removes an issuer that left the configuration.
func (m *metrics) forget(issuer string) {
	label := prometheus.Labels{"issuer": issuer}
	m.refreshes.DeletePartialMatch(label)
	m.lastSuccess.DeletePartialMatch(label)
	m.keys.DeletePartialMatch(label)
}

func (m *metrics) adopted(at time.Time) {
	m.reloadOK.Set(1)
	m.reloadTime.Set(seconds(at))
	m.policyLoaded.Set(seconds(at))
}

func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }
