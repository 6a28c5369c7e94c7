package extauthz

import (
	"context"
	"log/slog"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/denials"
	"github.com/doorward/doorward/internal/redact"
)

// denialLog writes one line per denial: what was wrong and what to do about it.
// Values of a client, a token or a rule are redacted and truncated. A line is
// composed only if the quota lets it be written.
type denialLog struct {
	*denials.Log
	log *slog.Logger
}

func newDenialLog(log *slog.Logger) *denialLog { return &denialLog{denials.New(log), log} }

func (j *denialLog) write(state *numberedState, req *request, v *verdict) {
	level, text := slog.LevelInfo, "denied"
	switch {
	case v.allowed() || v.reason == reason.Metadata || v.reason == reason.Preflight:
		level, text = slog.LevelDebug, "answered"
	case v.reason.HTTPStatus() == 503:
		level = slog.LevelError
	}
	j.Write(level, v.reason.String(), text, func() []slog.Attr { return v.attributes(state, req) })
	for _, warning := range v.decision.Warnings {
		if j.Allow("policy_warning") {
			j.log.LogAttrs(context.Background(), slog.LevelWarn, "policy warning", slog.String("resource", v.name()),
				slog.String("request_id", req.id), slog.String("code", denials.Truncate(redact.Text(warning.Code))),
				slog.String("message", denials.Truncate(redact.Text(warning.Message))))
		}
	}
}

// tooLarge logs an allow without the handle that its server needs for an exchange.
func (j *denialLog) tooLarge(req *request, v *verdict) {
	if !j.Allow("handle_too_large") {
		return
	}
	const advice = "have the authorization server issue smaller tokens, or raise egress.handle.max_bytes"
	j.log.LogAttrs(context.Background(), slog.LevelWarn,
		"the server gets no handle: it would be longer than max_bytes",
		slog.String("resource", v.name()), slog.String("request_id", req.id), slog.String("issuer", v.issuer),
		slog.String("client_id", denials.Truncate(redact.ID(v.claims.Client))), slog.Int("token_bytes", v.claims.Size),
		slog.String("advice", advice))
}

func (v *verdict) attributes(state *numberedState, req *request) []slog.Attr {
	attributes := []slog.Attr{slog.String("reason", v.reason.String()), slog.Int("status", v.status())}
	put := func(name, value string) {
		if value != "" {
			attributes = append(attributes, slog.String(name, denials.Truncate(value)))
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
