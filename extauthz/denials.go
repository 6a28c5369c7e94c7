package extauthz

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/redact"
)

// linesPerSecond bounds the lines of one reason; a flood of denials becomes a
// count and does not fill a disk.
const linesPerSecond = 10

// denialLog writes one line per denial: what was wrong and what to do about it.
// Values of a client, a token or a rule are redacted and truncated. A line is
// composed only if the quota lets it be written.
type denialLog struct {
	log     *slog.Logger
	mu      sync.Mutex
	reasons map[string]*quota
}

// quota is what one reason has written in the current second.
type quota struct {
	written, dropped int
}

func newDenialLog(log *slog.Logger) *denialLog {
	return &denialLog{log: log, reasons: map[string]*quota{}}
}

func (j *denialLog) write(state *numberedState, req *request, v *verdict) {
	level, text := slog.LevelInfo, "denied"
	switch {
	case v.allowed() || v.reason == reason.Metadata || v.reason == reason.Preflight:
		level, text = slog.LevelDebug, "answered"
	case v.reason.HTTPStatus() == 503:
		level = slog.LevelError
	}
	ctx := context.Background()
	if j.log.Enabled(ctx, level) && (level == slog.LevelDebug || j.allow(v.reason.String())) {
		j.log.LogAttrs(ctx, level, text, v.attributes(state, req)...)
	}
	for _, warning := range v.decision.Warnings {
		if j.allow("policy_warning") {
			j.log.LogAttrs(ctx, slog.LevelWarn, "policy warning", slog.String("resource", v.name()),
				slog.String("request_id", req.id), slog.String("code", truncate(redact.Text(warning.Code))),
				slog.String("message", truncate(redact.Text(warning.Message))))
		}
	}
}

// panicked logs a panic in a Check: its type only, because the value may hold a
// secret.
func (j *denialLog) panicked(fault any) {
	if j.allow(reason.Internal.String()) {
		j.log.LogAttrs(context.Background(), slog.LevelError, "a Check panicked and was refused: please report this",
			slog.String("fault", fmt.Sprintf("%T", fault)))
	}
}

// tooLarge logs an allow without the handle that its server needs for an exchange.
func (j *denialLog) tooLarge(req *request, v *verdict) {
	if !j.allow("handle_too_large") {
		return
	}
	const advice = "have the authorization server issue smaller tokens, or raise egress.handle.max_bytes"
	j.log.LogAttrs(context.Background(), slog.LevelWarn,
		"the server gets no handle: it would be longer than max_bytes",
		slog.String("resource", v.name()), slog.String("request_id", req.id), slog.String("issuer", v.issuer),
		slog.String("client_id", truncate(redact.ID(v.claims.Client))), slog.Int("token_bytes", v.claims.Size),
		slog.String("advice", advice))
}

// allow takes one line from the quota of kind. The first line starts a timer that
// resets the quota after a second and logs how many lines were dropped.
func (j *denialLog) allow(kind string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	q := j.reasons[kind]
	if q == nil {
		q = &quota{}
		j.reasons[kind] = q
		time.AfterFunc(time.Second, func() { j.reportDropped(kind) })
	}
	if q.written == linesPerSecond {
		q.dropped++
		return false
	}
	q.written++
	return true
}

func (j *denialLog) reportDropped(kind string) {
	j.mu.Lock()
	dropped := j.reasons[kind].dropped
	delete(j.reasons, kind)
	j.mu.Unlock()
	if dropped > 0 {
		j.log.LogAttrs(context.Background(), slog.LevelWarn, "more of the same within a second, not written",
			slog.String("reason", kind), slog.Int("count", dropped))
	}
}

func (v *verdict) attributes(state *numberedState, req *request) []slog.Attr {
	attributes := []slog.Attr{slog.String("reason", v.reason.String()), slog.Int("status", v.status())}
	put := func(name, value string) {
		if value != "" {
			attributes = append(attributes, slog.String(name, truncate(value)))
		}
	}
	put("resource", v.name())
	put("request_id", req.id) // see joinKey
	put("method", redact.Text(req.method))
	put("authority", redact.Host(req.authority))
	put("path", redact.Path(req.path))
	methods, names := req.operation.names()
	put("mcp_method", redact.Text(methods))
	put("mcp_name", redact.Text(names))
	put("issuer", v.issuer)
	if v.claims != nil {
		put("subject", redact.ID(v.claims.Subject))
		put("client_id", redact.ID(v.claims.Client))
		put("token_id", redact.ID(v.claims.ID))
		put("key_id", v.claims.KeyID) // of the issuer's set
	}
	put("rule", v.decision.Rule)
	if rules := v.decision.Rules(); rules != "" {
		attributes = append(attributes, slog.String("rules", redact.Text(rules)))
	}
	put("code", redact.Text(v.decision.Code))
	put("message", redact.Text(v.decision.Message))
	put("cause", v.cause)
	denial := newDenialAdvice(state, req, v)
	for _, fact := range denial.facts {
		put(fact.Name, fact.Value)
	}
	if denial.advice != "" {
		attributes = append(attributes, slog.String("advice", denial.advice))
	}
	return attributes
}

// truncate bounds the length of one value of a token or a policy.
func truncate(value string) string { return truncateTo(256, value) }

// truncateTo does so to this many bytes, and parts no character.
func truncateTo(longest int, value string) string {
	if len(value) <= longest {
		return value
	}
	return strings.ToValidUTF8(value[:longest], "") + "..."
}
