package config

import (
	"time"

	"github.com/doorward/doorward/internal/destination"
)

// Egress is the check of requests that leave the servers.
type Egress struct {
	Listeners []EgressListener
	// Observe logs and counts what would be refused, and lets it pass.
	Observe bool
	// AllowUnknown lets requests to no destination pass after the check.
	AllowUnknown bool
	// AllowUnreadBody lets bodies pass that cannot be searched.
	AllowUnreadBody bool
	// CheckTimeout is the longest that a Check may take, an exchange included.
	CheckTimeout time.Duration
	// Handle is how an inbound allow carries its token for an exchange; nil without
	// key files.
	Handle       *Handle
	Destinations *destination.Table
}

// EgressListener is an address at which the Envoy on the way out of servers asks.
type EgressListener struct {
	// Listen is "host:port" or "unix:///absolute/path", a socket of mode 0600; see
	// [Network].
	Listen string
	// Resource is the name of the resource whose server calls; "" where Callers
	// says it.
	Resource string
	TLS      TLS
	// Peers are the URIs in client certificates that may connect; empty for a Unix
	// socket.
	Peers []string
	// Callers are names of resources by the value of source.principal.
	Callers map[string]string
}

// Handle is how an inbound allow carries its token, sealed, to the egress check.
type Handle struct {
	// Keys are of 32 bytes: the current one, then those that only open.
	Keys [][]byte
	// Baggage carries it in the W3C baggage header, instead of one of its own.
	Baggage bool
	// Lifetime is the longest that a handle may be opened.
	Lifetime time.Duration
	// MaxBytes bounds its text.
	MaxBytes int
}
