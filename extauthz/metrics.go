package extauthz

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/doorward/doorward/internal/policy"
)

// metrics counts Checks. Every label value comes from configuration or from a
// closed list, never from a request.
type metrics struct {
	checks       *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	evaluation   *prometheus.HistogramVec
	denials      *prometheus.CounterVec
	warnings     *prometheus.CounterVec
	bound        *prometheus.CounterVec
	operations   *prometheus.CounterVec
	rules        ruleLabels
	queryRemoved *prometheus.CounterVec
	handles      handleResults
	tokens       tokenRequests
	decisions    decisionRequests
	factory      promauto.Factory
}

// counters are those that one answer increments: of its resource and reason, and
// of each rule of the team that denied or warned.
type counters struct {
	checks   prometheus.Counter
	duration prometheus.Observer
	rules    []prometheus.Counter

	operations prometheus.Counter // nil where no operation was read
	handles    prometheus.Counter // nil where no handle was wanted
}

// handleResults counts allows that were to have a handle.
type handleResults struct{ set, tooLarge prometheus.Counter }

// tokenRequests counts how tokens were verified.
type tokenRequests struct{ hit, miss, negativeHit prometheus.Counter }

// decisionRequests counts how decisions were found.
type decisionRequests struct{ hit, miss, uncacheable prometheus.Counter }

// newMetrics registers the metrics of one Server with registry, which has no others.
func newMetrics(registry *prometheus.Registry) *metrics {
	factory := promauto.With(registry)
	requests := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "doorward_token_cache_requests_total",
		Help: "Tokens by how they were verified: hit, miss, or negative_hit for one whose signature failed before.",
	}, []string{"result"})
	decisions := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "doorward_decision_cache_requests_total",
		Help: "Decisions by how they were found: hit, miss, or uncacheable where the rules must be evaluated each " +
			"time.",
	}, []string{"result"})
	return &metrics{
		factory: factory,
		handles: newHandleResults(factory),
		decisions: decisionRequests{
			hit: decisions.WithLabelValues("hit"), miss: decisions.WithLabelValues("miss"),
			uncacheable: decisions.WithLabelValues("uncacheable"),
		},
		tokens: tokenRequests{
			hit: requests.WithLabelValues("hit"), miss: requests.WithLabelValues("miss"),
			negativeHit: requests.WithLabelValues("negative_hit"),
		},
		checks: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_checks_total",
			Help: "Checks answered, by resource and reason.",
		}, []string{"resource", "reason"}),
		duration: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "doorward_check_duration_seconds",
			Help:    "Time from a decoded Check to its answer.",
			Buckets: durations(),
		}, []string{"resource"}),
		evaluation: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "doorward_policy_evaluation_duration_seconds",
			Help:    "Time one evaluation of the policy took.",
			Buckets: durations(),
		}, []string{"resource"}),
		denials: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_policy_denials_total",
			Help: "Rules of the team that denied a request: each that did, so one request may count several times.",
		}, []string{"resource", "rule", "code"}),
		warnings: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_policy_warnings_total",
			Help: "Elements of the team's warn rules.",
		}, []string{"resource", "rule", "code"}),
		bound: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_tokens_bound_total",
			Help: "Decisions by how the token showed that it is for the resource (aud, client, dedicated); " +
				"a decision that is repeated from the last verdict over the token is counted once.",
		}, []string{"resource", "by"}),
		operations: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_operations_total",
			Help: "Checks whose operation was read, by its source (headers, body, filter_metadata, none) and fault " +
				"(none, malformed, unknown).",
		}, []string{"resource", "source", "fault"}),
		queryRemoved: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "doorward_query_tokens_removed_total",
			Help: "Allowed requests from whose query an access_token was removed.",
		}, []string{"resource"}),
	}
}

func newHandleResults(factory promauto.Factory) handleResults {
	handles := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "doorward_handles_total",
		Help: "Allowed requests that were to have a handle: set, or too_large where it would be longer than max_bytes.",
	}, []string{"result"})
	return handleResults{set: handles.WithLabelValues("set"), tooLarge: handles.WithLabelValues("too_large")}
}

// registerCache exports the size and the evictions of the token cache.
func (m *metrics) registerCache(a *tokenCache) {
	label := prometheus.Labels{"cache": "token"}
	m.factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "doorward_cache_bytes", Help: "About what a cache holds, in bytes.", ConstLabels: label,
	}, func() float64 { return float64(a.tokens.WeightedSize()) })
	m.factory.NewCounterFunc(prometheus.CounterOpts{
		Name: "doorward_cache_evictions_total", Help: "Entries that had to make room.", ConstLabels: label,
	}, func() float64 { return float64(a.evictions.Snapshot().Evictions) })
}

// countDecision counts one decision; a cached one took no evaluation.
func (m *metrics) countDecision(resource string, found policy.CacheResult, took time.Duration) {
	switch found {
	case policy.Remembered:
		m.decisions.hit.Inc()
		return
	case policy.Uncacheable:
		m.decisions.uncacheable.Inc()
	default:
		m.decisions.miss.Inc()
	}
	m.evaluation.WithLabelValues(resource).Observe(took.Seconds())
}

// durations spans 25 us to 1 s.
func durations() []float64 {
	return []float64{
		.000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1,
	}
}

// countersFor looks up the counters of a verdict, which may cache them.
func (m *metrics) countersFor(v *verdict, o *operation) *counters {
	resource := v.name()
	c := &counters{
		checks: m.checks.WithLabelValues(resource, v.reason.String()), duration: m.duration.WithLabelValues(resource),
		rules: m.rulesOf(resource, &v.decision),
	}
	if o.isRead {
		c.operations = m.operations.WithLabelValues(resource, o.Source.String(), o.faultLabel())
	}
	switch {
	case v.issued.tooLarge:
		c.handles = m.handles.tooLarge
	case v.issued.handle != "":
		c.handles = m.handles.set
	}
	return c
}

// rulesOf are the counters of the rules that denied or warned. Few decisions have
// such rules.
func (m *metrics) rulesOf(resource string, decision *policy.Decision) []prometheus.Counter {
	var counters []prometheus.Counter
	for _, at := range [...]struct {
		counter *prometheus.CounterVec
		notes   []policy.Message
	}{{m.denials, decision.Denials}, {m.warnings, decision.Warnings}} {
		for _, note := range at.notes {
			rule, code := m.rules.bounded(resource, note)
			counters = append(counters, at.counter.WithLabelValues(resource, rule, code))
		}
	}
	return counters
}

// maxRuleSeries bounds the series that rules make in the life of a process, in which
// policies come and go.
const maxRuleSeries = 2000

// ruleLabels are the labels of rules that are in use.
type ruleLabels struct {
	mu   sync.Mutex
	used map[[3]string]bool
}

// bounded are the labels of a rule and its code. All that come after the most
// share "other".
func (l *ruleLabels) bounded(resource string, note policy.Message) (rule, code string) {
	key := [...]string{resource, note.Rule, note.Label}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.used[key] {
		return note.Rule, note.Label
	}
	if len(l.used) >= maxRuleSeries {
		return "other", ""
	}
	if l.used == nil {
		l.used = map[[3]string]bool{}
	}
	l.used[key] = true
	return note.Rule, note.Label
}

func (m *metrics) observe(v *verdict, in *request, took time.Duration) {
	at := v.counters
	if at == nil {
		at = m.countersFor(v, &in.operation)
	}
	at.checks.Inc()
	at.duration.Observe(took.Seconds())
	if at.operations != nil {
		at.operations.Inc()
	}
	if at.handles != nil {
		at.handles.Inc()
	}
	for _, rule := range at.rules {
		rule.Inc()
	}
	if v.allowed() && len(in.tokens) > 0 {
		m.queryRemoved.WithLabelValues(v.name()).Inc()
	}
}
