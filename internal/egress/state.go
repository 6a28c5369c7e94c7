package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/doorward/doorward/internal/assertion"
	"github.com/doorward/doorward/internal/decisionlog"
	"github.com/doorward/doorward/internal/destination"
	"github.com/doorward/doorward/internal/exchange"
	"github.com/doorward/doorward/internal/handle"
	"github.com/doorward/doorward/internal/tokensearch"
)

// State is what a Check decides by, besides the State of the inbound Server. It must not be
// changed after the Swap.
type State struct {
	Listeners    map[string]Callers // by address
	Destinations *destination.Table // required

	Observe         bool // what would be refused is logged and counted, and passes
	AllowUnknown    bool // requests to no destination pass after the search
	AllowUnreadBody bool // bodies that cannot be searched pass
	CheckTimeout    time.Duration

	Handles       *handle.Sealer // nil: no handle opens
	HandleBaggage bool           // a handle is a member of baggage
	// Sources are those of the entries of Destinations.
	Sources map[*exchange.Entry]*exchange.Source
	// Assertions are what signs for an exchange with subject: assertion, by the name of the
	// resource. Each assertion that is found in a request is refused.
	Assertions map[string]*assertion.Signer
	Now        func() time.Time // nil: time.Now

	Decisions *decisionlog.Log // nil: decisions are not logged
}

// Callers are the names of the resources whose servers call at a listener: Resource, or
// one for each source.principal.
type Callers struct {
	Resource   string
	Principals map[string]string
	Peers      []string // URIs of certificates with which an Envoy may ask; nil: any Envoy, as on a Unix socket
}

var errPeer = errors.New("the certificate of the client has no URI that is one of peers")

// CheckPeer accepts a connection whose client has a certificate, which is verified, with
// one of the URIs of Peers and no other (SPIFFE X509-SVID, section 2).
func (all Callers) CheckPeer(connection tls.ConnectionState) error {
	if len(connection.PeerCertificates) == 0 {
		return errPeer
	}
	uris := connection.PeerCertificates[0].URIs
	if len(uris) != 1 || !slices.Contains(all.Peers, uris[0].String()) {
		return errPeer
	}
	return nil
}

// accepts reports whether the Envoy that asks may ask now: a connection outlives a reload.
func (all Callers) accepts(ctx context.Context) bool {
	if len(all.Peers) == 0 {
		return true
	}
	asking, hasPeer := peer.FromContext(ctx)
	if !hasPeer {
		return false
	}
	info, isTLS := asking.AuthInfo.(credentials.TLSInfo)
	return isTLS && all.CheckPeer(info.State) == nil
}

func (state *State) now() time.Time {
	if state.Now == nil {
		return time.Now()
	}
	return state.Now()
}

// isAssertion reports an assertion of doorward: by its typ, and by its issuer, since a
// receiver may not look at typ.
func (state *State) isAssertion(candidate tokensearch.Candidate) bool {
	typ, _ := candidate.Header["typ"].(string)
	typ = strings.ToLower(strings.TrimSpace(typ))
	if strings.TrimPrefix(typ, "application/") == assertion.Type {
		return true
	}
	iss, isText := candidate.Claims["iss"].(string)
	if !isText {
		return false
	}
	for _, signer := range state.Assertions {
		if signer.Issuer() == iss {
			return true
		}
	}
	return false
}
