package extauthz

import (
	"crypto/sha256"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/decisionlog"
)

// decided gives a Check that began at start to the decision log: every one but
// those that a metadata document answered, where nothing was decided. The log
// copies what it is given.
func (state *numberedState) decided(req *request, v *verdict, start time.Time) {
	if state == nil || state.Decisions == nil || v.reason == reason.Metadata || !state.Decisions.Logs(v.allowed()) {
		return
	}
	event := decisionlog.Event{
		Time:    start,
		Took:    time.Since(start),
		Allowed: v.allowed(),

		Reason: v.reason.String(),
		Status: v.status(),
		Rule:   v.decision.Rule,
		Code:   v.decision.Code,
		Scopes: v.decision.Scopes,

		RequestID:     req.id,
		Method:        req.method,
		Host:          req.authority,
		Path:          req.path,
		HasQuery:      strings.Trim(req.rawQuery, "&") != "",
		SourceAddress: req.sourceAddress,

		Resource: v.name(),

		TokenDigest: v.tokenDigest(req),
		Issuer:      v.issuer,
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

// panicked gives the log a Check that ended in a fault of ours. That may have
// been here, and a second panic would end the process.
func (state *numberedState) panicked(start time.Time) {
	defer func() { _ = recover() }()
	state.decided(&request{}, &verdict{}, start)
}

// tokenDigest stands for the token. What nobody has found to be one has none:
// it may be a password, which a digest gives away to whoever tries out a list.
func (v *verdict) tokenDigest(req *request) [sha256.Size]byte {
	if v.claims == nil && v.reason <= reason.TokenMalformed {
		return [sha256.Size]byte{}
	}
	return req.tokenDigest
}
