package decisionlog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// within bounds every wait for something real; what takes longer has failed.
const within = 20 * time.Second

// denial is an event with a value in every field that a denial can have.
func denial() *Event {
	return &Event{
		Time: time.Date(2026, 11, 25, 12, 0, 0, 123456789, time.FixedZone("CET", 3600)), Took: 21 * time.Microsecond,
		Reason: "policy_denied", Status: 403, Rule: "authz.deny", Code: "no_deletes", Rules: []string{"authz.deny:no_deletes", "authz.require.a"}, Scopes: []string{"mcp:read", "mcp:write"}, Warnings: []string{"soon"},
		RequestID: "join-me", Method: "POST", Host: "mcp.example.com", Path: "/mcp", HasQuery: true, SourceAddress: "10.1.2.3",
		Resource: "weather", TokenDigest: sha256.Sum256([]byte("token")), Issuer: "https://as.example.com", Client: "app", KeyID: "key-1",
		Claims: map[string]any{
			"sub": "alice", "jti": "id-1", "email": "canary@example.com", "groups": []any{"staff", json.Number("7"), map[string]any{"a": nil}},
		},
	}
}

func allow() *Event {
	e := denial()
	e.Allowed, e.Reason, e.Status, e.Rule, e.Code, e.Rules = true, "allowed", 200, "", "", nil
	return e
}

// counted is the drops that a log reported.
type counted struct{ allows, denials atomic.Int64 }

func (c *counted) drop(allowed bool) {
	if allowed {
		c.allows.Add(1)
	} else {
		c.denials.Add(1)
	}
}

// journal is the service's own log.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// messages are the lines without time and attributes.
func (j *journal) messages(t *testing.T) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(j.String()) {
		var said struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatal(err)
		}
		all = append(all, said.Level+" "+said.Msg)
	}
	return all
}

const (
	saidFailed    = "ERROR decisions cannot be logged: traffic is served, and their events wait as long as there is room"
	saidDelivered = "INFO decisions are logged again"
	saidDropped   = "WARN events of decisions are dropped, allows before denials: see doorward_decision_log_dropped_total"
	saidAbandoned = "ERROR events of decisions were not delivered before the end"
)

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(j, nil)) }

// place is a sink that a test controls.
type place func(ctx context.Context, events []*entry) (int, error)

func (p place) deliver(ctx context.Context, events []*entry) (int, error) { return p(ctx, events) }

func (place) close() {}

// closeNow gives up on what waits.
func closeNow(l *Log) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	l.Close(ctx)
}

// closeAll waits until all is delivered.
func closeAll(t *testing.T, l *Log) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	l.Close(ctx)
	if ctx.Err() != nil {
		t.Fatal("the log does not end")
	}
}
