package explain

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/mcp"
	"github.com/doorward/doorward/internal/redact"
)

// operationReport is the operation of --mcp-method, and what the configuration needs
// for it besides what every request needs.
type operationReport struct {
	Method    string   `json:"method"`
	Name      string   `json:"name,omitempty"`  // may be absent
	Entry     string   `json:"entry,omitempty"` // "operations[2]", the first that matches; may be absent
	Matches   string   `json:"matches"`         // the entry's method and name, or why there is no entry
	Scopes    []string `json:"scopes"`          // of the entry
	ACRValues []string `json:"acr_values"`      // of the entry
	MaxAge    int64    `json:"max_age"`         // of the entry, in seconds; 0: any
	Anonymous bool     `json:"anonymous"`       // it needs no token
}

// SetOperation makes the request one for an operation of MCP, with a body as clients
// send it; "" leaves it without a body. The errors name the flag that is wrong.
func (q *Request) SetOperation(method, name string) error {
	switch {
	case method == "" && name != "":
		return errors.New("--mcp-name without --mcp-method: write the method too, such as tools/call")
	case method == "":
		return nil
	case q.method != http.MethodPost:
		return errors.New("--mcp-method is of a POST: leave --method out")
	}
	message := map[string]any{"jsonrpc": "2.0", "id": 1, "method": method}
	if parameters := parametersOf(method, name); parameters != nil {
		message["params"] = parameters
	}
	if strings.HasPrefix(method, "notifications/") {
		delete(message, "id")
	}
	body, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("--mcp-method and --mcp-name: %w", err)
	}
	read := mcp.Read(mcp.Request{Method: http.MethodPost, Headers: onlyJSON, Body: body}, mcp.Trust{})
	switch {
	case read.Fault == mcp.Malformed && name == "":
		return fmt.Errorf("--mcp-method %s without --mcp-name: write the tool, prompt, URI or reference", method)
	case name != "" && len(read.Operations) == 1 && read.Operations[0].Name == "":
		return fmt.Errorf("--mcp-name with --mcp-method %s, which has no name: leave it out", method)
	}
	q.operation, q.body = mcp.Operation{Method: method, Name: name}, body
	if _, present := q.headers["content-type"]; !present {
		q.headers["content-type"] = "application/json"
	}
	q.headers["x-envoy-auth-partial-body"] = "false"
	return nil
}

// onlyJSON are the headers of a request that has its content type alone.
func onlyJSON(name string) []string {
	if name == "content-type" {
		return []string{"application/json"}
	}
	return nil
}

// parametersOf writes a name where the method has it.
func parametersOf(method, name string) map[string]any {
	switch {
	case name == "":
		return nil
	case strings.HasPrefix(method, "resources/"):
		return map[string]any{"uri": name}
	case method != "completion/complete":
		return map[string]any{"name": name}
	case strings.Contains(name, "://"):
		return map[string]any{"ref": map[string]any{"type": "ref/resource", "uri": name}}
	}
	return map[string]any{"ref": map[string]any{"type": "ref/prompt", "name": name}}
}

// operationReport is nil for a request without an operation or a resource.
func (q *Request) operationReport(res *resource.Resource) *operationReport {
	if q.body == nil || res == nil {
		return nil
	}
	o := q.operation
	r := &operationReport{
		Method: redact.Text(o.Method), Name: redact.Text(o.Name), Scopes: []string{}, ACRValues: []string{},
		Anonymous: res.AllowsAnonymous(o.Method, o.Name),
	}
	entry := res.OperationFor(o.Method, o.Name)
	switch {
	case o.IsExempt():
		r.Matches = "no entry: it needs what every request needs"
	case entry == nil && res.RefusesUnlisted():
		r.Matches, r.Anonymous = "no entry, and operations_default: deny refuses it", false
	case entry == nil:
		r.Matches = "no entry: it needs what every request needs"
	default:
		for i := range res.Operations {
			if &res.Operations[i] == entry {
				r.Entry = fmt.Sprintf("operations[%d]", i)
			}
		}
		r.Matches = strings.TrimSpace(entry.Method + " " + entry.Name)
		r.Scopes, r.ACRValues = orEmptyList(entry.Scopes), orEmptyList(entry.ACRValues)
		r.MaxAge = int64(entry.MaxAge.Seconds())
	}
	return r
}

// operation is a section of the text.
func (n *textRenderer) operation(o *operationReport) {
	if o == nil {
		return
	}
	n.heading("operation")
	n.row("method", o.Method)
	n.row("name", o.Name)
	n.row("entry", strings.TrimPrefix(o.Entry+": "+o.Matches, ": "))
	n.row("scopes", strings.Join(o.Scopes, " "))
	n.row("acr", strings.Join(o.ACRValues, " "))
	if o.MaxAge > 0 {
		n.row("max age", fmt.Sprintf("%d s", o.MaxAge))
	}
	if o.Anonymous {
		n.row("anonymous", "it needs no token")
	}
}
