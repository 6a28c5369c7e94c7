package decisionlog

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// path is the rule that every decision asks, in the words of OPA's schema.
const path = "doorward/decision"

// form writes events as JSON, in the schema of OPA's decision logs (EventV1 of
// its plugins/logs). Its input is a part of what a policy sees as `input`, under
// the same names; `erased` and `masked` are what is left out of it and what is there
// in part, as JSON pointers into the event.
type form struct {
	opening string // all that is the same in every event
}

func newForm(labels map[string]string) (form, error) {
	text, err := json.Marshal(labels)
	if err != nil {
		return form{}, fmt.Errorf("labels: %w", err)
	}
	return form{`{"labels":` + string(text) + `,"path":"` + path + `"`}, nil
}

// append writes one event behind b. It makes no garbage but for claims that are
// no strings.
func (f form) append(b []byte, e *entry) []byte {
	b = append(b, f.opening...)
	b = appendID(appendName(b, "decision_id"), e.id)
	b = appendInput(appendName(b, "input"), e)
	b = appendResult(appendName(b, "result"), e)
	b = appendLeftOut(b, e)
	b = appendText(b, "requested_by", e.SourceAddress)
	b = append(appendName(b, "timestamp"), '"')
	b = append(e.Time.UTC().AppendFormat(b, time.RFC3339Nano), '"')
	b = append(appendName(b, "metrics"), '{')
	b = appendName(b, "timer_server_handler_ns") // OPA's name for the whole of a request
	b = append(strconv.AppendInt(b, e.Took.Nanoseconds(), 10), '}')
	b = strconv.AppendUint(appendName(b, "req_id"), e.number, 10)
	return append(b, '}')
}

func appendInput(b []byte, e *entry) []byte {
	b = append(appendName(append(b, '{'), "request"), '{')
	b = appendText(b, "id", e.RequestID)
	b = appendText(b, "method", e.Method)
	b = appendText(b, "host", e.Host)
	b = appendText(b, "path", e.Path)
	b = append(appendText(b, "source_address", e.SourceAddress), '}')
	if e.Resource != "" {
		b = append(appendName(b, "resource"), '{')
		b = append(appendText(b, "name", e.Resource), '}')
	}
	b = appendText(b, "direction", e.Direction)
	if e.Destination != "" {
		b = append(appendName(b, "destination"), '{')
		b = append(appendText(b, "host", e.Destination), '}')
	}
	if e.OperationSource != "" {
		b = append(appendName(b, "mcp"), '{')
		b = appendText(b, "method", e.OperationMethod)
		b = appendText(b, "name", e.OperationName)
		b = appendText(b, "protocol_version", e.OperationVersion)
		b = appendText(b, "source", e.OperationSource)
		b = append(strconv.AppendBool(appendName(b, "trusted"), e.OperationTrusted), '}')
	}
	if e.TokenDigest != [len(e.TokenDigest)]byte{} {
		b = append(appendName(b, "token"), '{')
		b = append(hex.AppendEncode(append(appendName(b, "digest"), '"'), e.TokenDigest[:]), '"')
		b = appendText(b, "issuer", e.Issuer)
		b = appendText(b, "client", e.Client)
		b = appendText(b, "bound_by", e.BoundBy)
		b = append(appendText(b, "key_id", e.KeyID), '}')
	}
	if len(e.claims) > 0 {
		b = append(appendName(b, "claims"), '{')
		for _, c := range e.claims {
			b = append(appendQuoted(appendComma(b), c.name), ':')
			b = appendValue(b, c.value)
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

func appendResult(b []byte, e *entry) []byte {
	b = strconv.AppendBool(appendName(append(b, '{'), "allow"), e.Allowed)
	b = appendText(b, "reason", e.Reason)
	b = strconv.AppendInt(appendName(b, "status"), int64(e.Status), 10)
	if e.Observed {
		b = strconv.AppendBool(appendName(b, "observed"), true)
	}
	b = appendText(b, "rule", e.Rule)
	b = appendText(b, "code", e.Code)
	b = appendTexts(b, "rules", e.Rules)
	b = appendTexts(b, "scopes", e.Scopes)
	return append(appendTexts(b, "warnings", e.Warnings), '}')
}

// appendLeftOut names what the input had and the event has not. Every request
// has headers.
func appendLeftOut(b []byte, e *entry) []byte {
	b = append(appendName(b, "erased"), `["/input/request/headers"`...)
	if e.HasQuery {
		b = append(b, `,"/input/request/query"`...)
	}
	b = append(b, ']')
	b = appendMasked(b, e.masked.claims, "/input/claims")
	b = appendMasked(b, e.masked.operationMethod, "/input/mcp/method")
	b = appendMasked(b, e.masked.operationName, "/input/mcp/name")
	b = appendMasked(b, e.masked.host, "/input/request/host")
	b = appendMasked(b, e.masked.method, "/input/request/method")
	b = appendMasked(b, e.masked.path, "/input/request/path")
	if e.masked != (masks{}) {
		b = append(b, ']')
	}
	return b
}

// appendMasked adds a pointer to the last member, which the first one begins.
func appendMasked(b []byte, masked bool, pointer string) []byte {
	if !masked {
		return b
	}
	if b[len(b)-1] == ']' {
		b = append(appendName(b, "masked"), '[')
	} else {
		b = append(b, ',')
	}
	return appendQuoted(b, pointer)
}

// appendComma parts a member from the one before.
func appendComma(b []byte) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return b
}

// appendName writes the name of a member. It is one of ours, in which nothing
// needs an escape.
func appendName(b []byte, name string) []byte {
	b = append(appendComma(b), '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

// appendText writes a member, unless its value is "".
func appendText(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendQuoted(appendName(b, name), value)
}

// appendTexts writes a member, unless it has no elements.
func appendTexts(b []byte, name string, values []string) []byte {
	if len(values) == 0 {
		return b
	}
	b = append(appendName(b, name), '[')
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, value)
	}
	return append(b, ']')
}

// appendQuoted writes a string, with U+FFFD for every byte that is no UTF-8.
func appendQuoted(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s) // the error is for such bytes alone
	return b
}

// appendValue writes a claim as its token had it.
func appendValue(b []byte, value any) []byte {
	if text, is := value.(string); is {
		return appendQuoted(b, text)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return append(b, "null"...) // what was decoded from JSON can be encoded
	}
	return append(b, text...)
}

// appendID writes a random UUID (RFC 9562, section 5.4).
func appendID(b []byte, id [16]byte) []byte {
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	b = append(b, '"')
	for i, end := range [...]int{4, 6, 8, 10, 16} {
		begin := [...]int{0, 4, 6, 8, 10}[i]
		if begin > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, id[begin:end])
	}
	return append(b, '"')
}
