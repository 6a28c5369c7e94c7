package extauthz

import (
	"strings"

	"github.com/doorward/doorward/internal/checkwire"
)

// baggageHeader carries a handle as one of its members where State.HandleBaggage is
// set (W3C Baggage, section 3.2).
const baggageHeader = "baggage"

// setBaggage adds to the headers that the server gets the client's baggage without what
// a reader could take for a handle, and with the handle. It reports whether baggage is
// to be removed: where no member is left, and where the mesh shows none, since it may
// show a part of the headers only.
func (v *verdict) setBaggage(set [][2]string, in *request) (all [][2]string, removed bool) {
	if !v.usesBaggage {
		return set, false
	}
	members, isForged := checkwire.Baggage(in.headers.Values(baggageHeader))
	if v.issued.handle != "" {
		members = append(members, handleHeader+"="+v.issued.handle)
	} else if len(members) > 0 && !isForged {
		return set, false
	}
	if len(members) == 0 {
		return set, true
	}
	return append(set, [2]string{baggageHeader, strings.Join(members, ",")}), false
}
