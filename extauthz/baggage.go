package extauthz

import (
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/folding"
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
	var members []string
	lines, isForged := in.headers.Values(baggageHeader), false
	for _, line := range lines {
		for member := range strings.SplitSeq(line, ",") {
			switch member = strings.Trim(member, " \t"); {
			case isHandleMember(member):
				isForged = true
			case member != "":
				members = append(members, member)
			}
		}
	}
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

// isHandleMember reports a member of baggage with a name that begins as those of
// doorward do, to some reader: OpenTelemetry decodes names in Python and JavaScript and
// does not in Go. A property after a ';' counts too.
func isHandleMember(member string) bool {
	return slices.ContainsFunc(strings.Split(member, ";"), func(part string) bool {
		name, _, _ := strings.Cut(part, "=")
		return isReservedMember(name) || isReservedMember(checkwire.Unescape(name))
	})
}

func isReservedMember(name string) bool {
	return strings.HasPrefix(strings.TrimLeft(folding.Header(name), "-"), identityPrefix)
}
