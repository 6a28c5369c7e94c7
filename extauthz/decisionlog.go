package extauthz

import (
	"crypto/sha256"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/decisionlog"
)

// logDecision puts a Check that began at start into the decision log, unless a
// metadata document answered it. The log copies the event.
func (state *numberedState) logDecision(req *request, v *verdict, start time.Time) {
	if state == nil || state.Decisions == nil || v.reason == reason.Metadata || v.reason == reason.Preflight ||
		!state.Decisions.Logs(v.allowed()) {
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
	if read := &req.operation; read.isRead {
		event.OperationMethod, event.OperationName = read.names()
		event.OperationVersion, event.OperationSource = read.ProtocolVersion, read.Source.String()
		event.OperationTrusted = read.Trusted
	}
	if v.isBound() {
		event.BoundBy = v.boundBy
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

// logPanic puts a Check that panicked into the decision log. The panic may have
// been in logDecision, and a second one would end the process.
func (state *numberedState) logPanic(start time.Time) {
	defer func() { _ = recover() }()
	state.logDecision(&request{}, &verdict{}, start)
}

// tokenDigest returns the digest that identifies the token in the log; zero for a
// malformed token, which may be a password that its digest would let be guessed.
func (v *verdict) tokenDigest(req *request) [sha256.Size]byte {
	if v.claims == nil && v.reason <= reason.TokenMalformed {
		return [sha256.Size]byte{}
	}
	return req.tokenDigest
}
