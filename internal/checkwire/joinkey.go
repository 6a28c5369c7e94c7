package checkwire

import (
	"strings"

	"github.com/doorward/doorward/internal/redact"
)

// JoinKey returns the id that joins the log line to Envoy's: the x-request-id, else the id
// of the stream. The first comes from the client, so only a short value of
// visible ASCII is taken, which is no token. Envoy joins what a client repeats
// with a comma in `headers` and keeps it apart in `header_map`; joining both
// makes them one.
func (a *Attributes) JoinKey() string {
	const longest = 128
	visible := func(r rune) bool { return r > 0x20 && r < 0x7f }
	key, found := "", false
	for i := range a.mapped {
		if a.mapped[i].Name == "x-request-id" {
			key, found = a.mapped[i].Value, true
		}
	}
	for i := range a.listed {
		switch {
		case a.listed[i].Name != "x-request-id":
			continue
		case found && len(key)+1+len(a.listed[i].Value) > longest:
			return a.ID
		case found:
			key += "," + a.listed[i].Value
		default:
			key, found = a.listed[i].Value, true
		}
	}
	if len(key) > longest {
		return a.ID
	}
	if key == "" || redact.ID(key) != key || strings.ContainsFunc(key, func(r rune) bool { return !visible(r) }) {
		return a.ID
	}
	return key
}
