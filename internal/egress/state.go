package egress

import (
	"strings"
	"time"

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
