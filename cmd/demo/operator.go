package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// logged is how long a log line may take to appear.
const logged = 5 * time.Second

// accessLine is what the demo reads of a line of Envoy's access log.
type accessLine struct {
	RequestID string `json:"request_id"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	Status    int    `json:"status"`
	Details   string `json:"details"`
	Reason    string `json:"reason"` // doorward's, from the dynamic metadata of its answer
	Client    string `json:"client_id"`
	Direction string `json:"direction"` // [egress] for what leaves the MCP server
}

// denialLine is what the demo reads of a line of doorward's own log.
type denialLine struct {
	Reason    string `json:"reason"`
	Status    int    `json:"status"`
	RequestID string `json:"request_id"`
	Advice    string `json:"advice"`

	// Of what leaves the MCP server alone.
	Direction   string `json:"direction"`
	Destination string `json:"destination"`
	Place       string `json:"place"` // where the token was
	TokenFor    string `json:"token_for"`
}

// accessed finds the request of a client address in Envoy's access log.
func (p *parts) accessed(ctx context.Context, client string) (accessLine, error) {
	return p.accessLine(ctx, fmt.Sprintf(`"client":%q`, client))
}

// left finds a request of the MCP server in Envoy's access log.
func (p *parts) left(ctx context.Context, path string) (accessLine, error) {
	return p.accessLine(ctx, fmt.Sprintf(`"direction":%q`, egress), fmt.Sprintf(`"path":%q`, path))
}

// accessLine finds the first line that has all of these.
func (p *parts) accessLine(ctx context.Context, members ...string) (line accessLine, err error) {
	ctx, cancel := context.WithTimeout(ctx, logged)
	defer cancel()
	text, err := p.envoy.AccessLog.Wait(ctx, members...)
	if err != nil {
		return line, fmt.Errorf("envoy's access log: %w", err)
	}
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		return line, fmt.Errorf("envoy's access log: %w", err)
	}
	return line, nil
}

// denied finds a request in doorward's log: the request id is the join key
// between the two.
func (p *parts) denied(ctx context.Context, requestID string) (line denialLine, err error) {
	ctx, cancel := context.WithTimeout(ctx, logged)
	defer cancel()
	// Also "would be denied", of what is observed.
	text, err := p.doorward.Log.Wait(ctx, `denied",`, fmt.Sprintf(`"request_id":%q`, requestID))
	if err != nil {
		return line, fmt.Errorf("doorward's log: %w", err)
	}
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		return line, fmt.Errorf("doorward's log: %w", err)
	}
	return line, nil
}

// operator adds to a report what the operator reads of a request, and compares
// the reason. A refusal is in both logs, the rest in Envoy's alone.
func (w *walk) operator(ctx context.Context, r *report, e exchange, reason string) {
	line, err := w.parts.accessed(ctx, e.client)
	if err != nil {
		r.fault(err)
		return
	}
	r.verdict += " " + line.Reason
	r.row("operator", fmt.Sprintf("%s, request %s", orNone(line.Reason), line.RequestID))
	r.expect("the reason in Envoy's access log", line.Reason, reason)
	if line.Reason == "allowed" || line.Reason == "metadata" {
		return
	}
	denial, err := w.parts.denied(ctx, line.RequestID)
	if err != nil {
		r.fault(err)
		return
	}
	r.row("", denial.Advice)
	r.expect("the reason in doorward's log", denial.Reason, reason)
}
