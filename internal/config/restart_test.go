package config_test

import (
	"slices"
	"testing"

	"github.com/doorward/doorward/internal/config"
)

func TestRestartKeys(t *testing.T) {
	for _, row := range []struct {
		intent string
		change func(*config.Config)
		want   []string
	}{
		{"nothing", func(*config.Config) {}, nil},
		{"addresses", func(c *config.Config) { c.Listen.GRPC, c.Listen.HTTP, c.Listen.Debug = "a:1", "b:1", "c:1" }, []string{"listen.grpc", "listen.http", "listen.debug"}},
		{"the socket's mode", func(c *config.Config) { c.Listen.SocketMode = 0o600 }, []string{"listen.socket_mode"}},
		{"TLS, where there was none", func(c *config.Config) { c.Listen.TLS.CertFile = "a" }, []string{"listen.tls"}},
		{"what is read at every reload", func(c *config.Config) { c.Limits.CheckTimeout, c.Limits.TokenBytes, c.Log.Level = 1, 1, 8 }, nil},
		{"the rest", func(c *config.Config) {
			c.Log.Format, c.Limits.ReceiveBytes, c.Limits.SignaturesInFlight, c.Limits.SignaturesWaiting = "text", 1, 1, 1
		}, []string{"log.format", "limits.signatures_in_flight", "limits.signatures_waiting", "limits.receive_bytes"}},
		{"an egress listener, where there was none", func(c *config.Config) { c.Egress = listening(config.EgressListener{Listen: "a:1"}) }, []string{"egress.listeners"}},
	} {
		now, next := new(config.Config), new(config.Config)
		row.change(next)
		if got := now.RestartKeys(next); !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, not %q", row.intent, got, row.want)
		}
	}
	before, after := new(config.Config), new(config.Config)
	before.Listen.TLS.CertFile, after.Listen.TLS.CertFile = "a", "b"
	if got := before.RestartKeys(after); got != nil {
		t.Errorf("another certificate: %q", got)
	}
	mine := config.EgressListener{Listen: "a:1", TLS: config.TLS{CertFile: "a"}, Peers: []string{"spiffe://a/b"}, Resource: "weather"}
	for intent, row := range map[string]struct {
		change func(*config.EgressListener)
		want   []string
	}{
		"nothing":                  {func(*config.EgressListener) {}, nil},
		"another address":          {func(l *config.EgressListener) { l.Listen = "a:2" }, []string{"egress.listeners"}},
		"TLS, which is turned off": {func(l *config.EgressListener) { l.TLS = config.TLS{} }, []string{"egress.listeners"}},
		"another certificate":      {func(l *config.EgressListener) { l.TLS.CertFile = "b" }, nil},
		"other peers":              {func(l *config.EgressListener) { l.Peers = nil }, nil},
		"another resource":         {func(l *config.EgressListener) { l.Resource = "calendar" }, nil},
		"other callers":            {func(l *config.EgressListener) { l.Callers = map[string]string{"a": "weather"} }, nil},
	} {
		next := mine
		row.change(&next)
		now, then := &config.Config{Egress: listening(mine)}, &config.Config{Egress: listening(next)}
		if got := now.RestartKeys(then); !slices.Equal(got, row.want) {
			t.Errorf("an egress listener with %s: %q, not %q", intent, got, row.want)
		}
	}
}

func listening(at config.EgressListener) *config.Egress {
	return &config.Egress{Listeners: []config.EgressListener{at}}
}
