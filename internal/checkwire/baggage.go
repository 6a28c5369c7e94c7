package checkwire

import (
	"slices"
	"strings"

	"github.com/doorward/doorward/internal/folding"
)

// Reserved is how the names of the headers and of the members of baggage begin that
// doorward sets for a server.
const Reserved = "x-mcp-auth-"

// Baggage parts the lines of a baggage header (W3C Baggage, section 3.2) into members and
// leaves those out that a reader could take for one of doorward's; reserved reports that
// there were some.
func Baggage(lines []string) (members []string, reserved bool) {
	for _, line := range lines {
		for member := range strings.SplitSeq(line, ",") {
			switch member = strings.Trim(member, " \t"); {
			case isReservedMember(member):
				reserved = true
			case member != "":
				members = append(members, member)
			}
		}
	}
	return members, reserved
}

// isReservedMember reports a member with a name that begins as those of doorward do, to
// some reader: OpenTelemetry decodes names in Python and JavaScript and does not in Go. A
// property after a ';' counts too.
func isReservedMember(member string) bool {
	return slices.ContainsFunc(strings.Split(member, ";"), func(part string) bool {
		name, _, _ := strings.Cut(part, "=")
		return isReserved(name) || isReserved(Unescape(name))
	})
}

func isReserved(name string) bool {
	return strings.HasPrefix(strings.TrimLeft(folding.Header(name), "-"), Reserved)
}
