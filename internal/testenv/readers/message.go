package readers

import (
	"encoding/json"
	"fmt"
)

// Operation is what a server runs for one message. Its JSON is that of the
// programs in envoy/interop/messages.
type Operation struct {
	Method   string `json:"method,omitempty"`
	Name     string `json:"name,omitempty"`
	Response bool   `json:"response,omitempty"`
}

// Reading is what a reader of MCP messages makes of a document.
type Reading struct {
	Refused    string      // "text": no JSON to it; "message": JSON, and no message to it; "": Operations
	Operations []Operation // one of each message
}

// UnmarshalJSON reads a line of the programs in envoy/interop/messages.
func (r *Reading) UnmarshalJSON(line []byte) error {
	if len(line) > 0 && line[0] == '"' {
		return json.Unmarshal(line, &r.Refused)
	}
	return json.Unmarshal(line, &r.Operations)
}

// MarshalJSON writes such a line.
func (r Reading) MarshalJSON() ([]byte, error) {
	if r.Refused != "" {
		return json.Marshal(r.Refused)
	}
	return json.Marshal(r.Operations)
}

// Differs says how a reading differs from the operations of another reader that
// accepted the document; "" where it does not. A reader that finds no JSON
// differs: the bytes then have more than one meaning. One that finds no message
// runs nothing.
func (r Reading) Differs(accepted []Operation) string {
	switch {
	case r.Refused == "message":
		return ""
	case r.Refused != "":
		return "it finds no JSON"
	case len(r.Operations) != len(accepted):
		return fmt.Sprintf("it reads %d messages, not %d", len(r.Operations), len(accepted))
	}
	for i, theirs := range r.Operations {
		if theirs != accepted[i] {
			return fmt.Sprintf("it reads %q %q (response %v), not %q %q (response %v)",
				theirs.Method, theirs.Name, theirs.Response, accepted[i].Method, accepted[i].Name, accepted[i].Response)
		}
	}
	return ""
}
