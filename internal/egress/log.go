package egress

import (
	"log/slog"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/decisionlog"
	"github.com/doorward/doorward/internal/denials"
	"github.com/doorward/doorward/internal/destination"
	"github.com/doorward/doorward/internal/redact"
)

// direction is what logs and rules call a request that leaves a server.
const direction = "egress"

// write logs a Check: a refusal always, within the quota of its reason.
func (s *Server) write(req *request, v *verdict) {
	attributes := func() []slog.Attr { return v.attributes(req) }
	level, text := slog.LevelInfo, "denied"
	switch {
	case v.reason == reason.Allowed: // without a quota, which a kind is for
		s.log.Write(slog.LevelDebug, "", "answered", attributes)
		return
	case v.observed:
		level, text = slog.LevelWarn, "would be denied"
	case v.status() == 503:
		level = slog.LevelError
	}
	s.log.Write(level, direction+" "+v.reason.String(), text, attributes)
}

func (v *verdict) attributes(req *request) []slog.Attr {
	attributes := []slog.Attr{
		slog.String("reason", v.reason.String()), slog.Int("status", v.status()), slog.String("direction", direction),
	}
	put := func(name, value string) {
		if value != "" {
			attributes = append(attributes, slog.String(name, denials.Truncate(value)))
		}
	}
	if v.observed {
		attributes = append(attributes, slog.Bool("observed", true))
	}
	put("resource", v.resource)
	put("destination", v.destination())
	put("place", v.place)
	put("token_for", values(v.tokenFor))
	put("request_id", req.id)
	put("method", redact.Text(req.method))
	put("authority", redact.Host(req.authority))
	put("path", redact.Path(req.path))
	put("principal", redact.Text(req.principal))
	put("named_destination", redact.Host(req.destination))
	put("issuer", v.issuer)
	if v.claims != nil {
		put("subject", redact.ID(v.claims.Subject))
		put("client_id", redact.ID(v.claims.Client))
		put("token_id", redact.ID(v.claims.ID))
	}
	put("rule", v.decision.Rule)
	if rules := v.decision.Rules(); rules != "" {
		attributes = append(attributes, slog.String("rules", redact.Text(rules)))
	}
	put("code", redact.Text(v.decision.Code))
	put("message", redact.Text(v.decision.Message))
	put("cause", v.cause)
	if advice := v.advice(); advice != "" {
		attributes = append(attributes, slog.String("advice", advice))
	}
	return attributes
}

// advice is what to do about a refusal. Where egress has none of its own, it is that of
// the reason.
func (v *verdict) advice() string {
	switch v.reason {
	case reason.Misconfigured:
		if v.resource != "" {
			return "context_extensions of the route in Envoy names named_destination: write a host of " +
				"egress.destinations there, letter for letter, or add the destination"
		}
		return "egress.listeners says whose server calls, by resource or by callers: compare it with the Envoy that " +
			"asks here, and with principal"
	case reason.Passthrough:
		switch {
		case len(v.tokenFor) > 0 && v.to != nil && v.to.Token == destination.Exchange:
			return "the server passes on the token that it received, or another one of a resource: have it send " +
				"the header x-mcp-auth-handle of the request that it works for instead"
		case len(v.tokenFor) > 0:
			return "the server passes on the token that it received, or another one of a resource: have it send " +
				"the header x-mcp-auth-handle of the request that it works for instead, and configure token: " +
				"exchange for this destination"
		case v.isUnread && v.place == "body":
			return "the body cannot be searched: have Envoy send it with with_request_body, or write unread_body: " +
				"allow for this destination if it streams, and know that a token in the body then leaves"
		}
		return "the server sends what may leave it under no destination: see cause and place"
	case reason.PolicyDenied:
		return "a rule of the team's policy denied a request that leaves: see rule, and the code and message of a " +
			"deny. Rules decide on both directions; where this one was written for requests that arrive, add to it " +
			"input.direction == \"inbound\""
	case reason.InsufficientScope:
		return "the token in the handle lacks a scope that is needed now: compare the scopes of the resource, and " +
			"what rules need, with those in force when the token came in"
	case reason.ExchangeRefused:
		if v.claims == nil {
			return "the server has to send the header x-mcp-auth-handle of the request that it works for, once " +
				"and within egress.handle.lifetime: see cause"
		}
		return "the handle is good, and no token came of it: see cause. Where the authorization server refused, " +
			"compare client_id, its secret or key, resource, audience and scope of exchange with what it lets " +
			"this client ask for"
	default: // below
	}
	return v.reason.Advice()
}

// logDecision puts a Check that began at start into the decision log.
func (state *State) logDecision(req *request, v *verdict, start time.Time) {
	if state == nil || state.Decisions == nil || !state.Decisions.Logs(v.passes() && !v.observed) {
		return
	}
	event := decisionlog.Event{
		Time: start, Took: time.Since(start), Allowed: v.passes(),
		Direction: direction, Destination: v.destination(), Observed: v.observed,

		Reason: v.reason.String(), Status: v.status(),
		Rule: v.decision.Rule, Code: v.decision.Code, Scopes: v.decision.Scopes,

		RequestID: req.id, Method: req.method, Host: req.authority, Path: req.path,
		HasQuery: strings.Trim(req.rawQuery, "&") != "", SourceAddress: req.sourceAddress,

		Resource: v.resource, TokenDigest: v.digest, Issuer: v.issuer,
	}
	for _, denial := range v.decision.Denials {
		event.Rules = append(event.Rules, denial.String())
	}
	for _, warning := range v.decision.Warnings {
		event.Warnings = append(event.Warnings, warning.Code)
	}
	if v.claims != nil {
		event.Client, event.KeyID, event.Claims = v.claims.Client, v.claims.KeyID, v.claims.All
	}
	state.Decisions.Put(&event)
}

// logPanic puts a Check that panicked into the decision log. The panic may have been in
// logDecision, and a second one would end the process.
func (state *State) logPanic(start time.Time) {
	defer func() { _ = recover() }()
	state.logDecision(&request{}, &verdict{}, start)
}
