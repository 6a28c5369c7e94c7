package service

import (
	"regexp"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/internal/policy"
)

// metrics are those of the process around the Checks: keys and reloads.
type metrics struct {
	refreshes    *prometheus.CounterVec
	reloadOK     prometheus.Gauge
	reloadTime   prometheus.Gauge
	policyLoaded prometheus.Gauge
}

// newRegistry has the metrics of the Go runtime and of the process:
// go_cpu_classes_gc_total_cpu_seconds_total is the garbage collector's part of
// process_cpu_seconds_total.
func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	gc := collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile("^/cpu/classes/gc/total:cpu-seconds$")}
	registry.MustRegister(
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(gc)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

func newMetrics(o Options, registry *prometheus.Registry) *metrics {
	factory := promauto.With(registry)
	factory.NewGaugeVec(prometheus.GaugeOpts{
		Name: "doorward_build_info", Help: "Always 1; the labels say what was built.",
	}, []string{"version", "revision", "goversion"}).WithLabelValues(o.Version, o.Commit, runtime.Version()).Set(1)
	return &metrics{
		refreshes: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_jwks_refreshes_total", Help: "Fetches of an issuer's keys, by result, and by cause " +
				"where they failed.",
		}, []string{"issuer", "result", "cause"}),
		reloadOK: factory.NewGauge(prometheus.GaugeOpts{
			Name: "doorward_config_last_reload_successful", Help: "1 if the files as they are now are in force, 0 " +
				"if they were refused.",
		}),
		reloadTime: factory.NewGauge(prometheus.GaugeOpts{
			Name: "doorward_config_last_reload_success_timestamp_seconds", Help: "When a configuration last came " +
				"into force.",
		}),
		policyLoaded: factory.NewGauge(prometheus.GaugeOpts{
			Name: "doorward_policy_loaded_timestamp_seconds", Help: "When the policy in force was compiled.",
		}),
	}
}

func registerInFlight(registry *prometheus.Registry, checks *extauthz.Server) {
	promauto.With(registry).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "doorward_signatures_in_flight", Help: "Signatures being verified now, of tokens and of DPoP proofs.",
	}, func() float64 {
		state := checks.State()
		if state == nil {
			return 0
		}
		return float64(state.Verifier.InFlight() + state.Possession.InFlight())
	})
}

// registerMemory adds the decision cache to the metrics that extauthz has of its
// token cache.
func registerMemory(registry *prometheus.Registry, memory *policy.DecisionCache) {
	factory, label := promauto.With(registry), prometheus.Labels{"cache": "decision"}
	factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "doorward_cache_bytes", Help: "About what a cache holds, in bytes.", ConstLabels: label,
	}, func() float64 { return float64(memory.Bytes()) })
	factory.NewCounterFunc(prometheus.CounterOpts{
		Name: "doorward_cache_evictions_total", Help: "Entries that had to make room.", ConstLabels: label,
	}, func() float64 { return float64(memory.Evictions()) })
}

// issuerCollector reads each issuer's state at each scrape, so that an issuer that
// left the configuration leaves the metrics too.
type issuerCollector struct {
	statuses                   func() []jwks.Status
	lastSuccess, keys, skipped *prometheus.Desc
}

func newIssuerCollector(statuses func() []jwks.Status) *issuerCollector {
	label := []string{"issuer"}
	return &issuerCollector{
		statuses: statuses,
		lastSuccess: prometheus.NewDesc("doorward_jwks_last_success_timestamp_seconds",
			"When an issuer's keys were last known to be current.", label, nil),
		keys: prometheus.NewDesc("doorward_jwks_keys", "Usable keys of an issuer.", label, nil),
		skipped: prometheus.NewDesc("doorward_jwks_keys_skipped",
			"Keys that an issuer publishes and that are not usable.", label, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *issuerCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.lastSuccess
	out <- c.keys
	out <- c.skipped
}

// Collect implements prometheus.Collector.
func (c *issuerCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, issuer string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, issuer)
	}
	for _, status := range c.statuses() {
		gauge(c.keys, float64(status.Keys), status.Issuer)
		gauge(c.skipped, float64(len(status.Skipped)), status.Issuer)
		if !status.LastSuccess.IsZero() {
			gauge(c.lastSuccess, seconds(status.LastSuccess), status.Issuer)
		}
	}
}

// bundleCollector reads each bundle's state at each scrape.
type bundleCollector struct {
	states                  func() []bundleState
	activation, lastSuccess *prometheus.Desc
}

func newBundleCollector(states func() []bundleState) *bundleCollector {
	label := []string{"bundle"}
	return &bundleCollector{
		states: states,
		activation: prometheus.NewDesc("doorward_bundle_last_activation_successful",
			"1 if the last bundle that came is in force, 0 if it was refused or none has come.", label, nil),
		lastSuccess: prometheus.NewDesc("doorward_bundle_last_success_timestamp_seconds",
			"When a bundle that could be read was last known to be the newest.", label, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *bundleCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.activation
	out <- c.lastSuccess
}

// Collect implements prometheus.Collector.
func (c *bundleCollector) Collect(out chan<- prometheus.Metric) {
	for _, state := range c.states() {
		active := 0.0
		if state.State == "active" {
			active = 1
		}
		out <- prometheus.MustNewConstMetric(c.activation, prometheus.GaugeValue, active, state.Bundle)
		if state.lastSuccess != 0 {
			out <- prometheus.MustNewConstMetric(c.lastSuccess, prometheus.GaugeValue, state.lastSuccess, state.Bundle)
		}
	}
}

// hashCollector reads the hash of the configuration at each scrape, so that there
// is one at a time.
type hashCollector struct {
	hash func() string
	info *prometheus.Desc
}

func newHashCollector(hash func() string) *hashCollector {
	return &hashCollector{hash, prometheus.NewDesc("doorward_config_info",
		"Always 1; the label is the hash of the configuration and policy files in force.", []string{"hash"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *hashCollector) Describe(out chan<- *prometheus.Desc) { out <- c.info }

// Collect implements prometheus.Collector.
func (c *hashCollector) Collect(out chan<- prometheus.Metric) {
	if hash := c.hash(); hash != "" {
		out <- prometheus.MustNewConstMetric(c.info, prometheus.GaugeValue, 1, hash)
	}
}

// forget removes an issuer that left the configuration.
func (m *metrics) forget(issuer string) {
	m.refreshes.DeletePartialMatch(prometheus.Labels{"issuer": issuer})
}

// reloaded notes that the files as they are now are in force.
func (m *metrics) reloaded(at time.Time) {
	m.reloadOK.Set(1)
	m.reloadTime.Set(seconds(at))
}

func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }
