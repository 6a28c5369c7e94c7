package extauthz

import (
	"encoding/json"
	"net/http"

	"github.com/doorward/doorward/extauthz/reason"
)

// The codes of a JSON-RPC error. Those of a denial are outside the range that
// JSON-RPC 2.0 reserves.
const (
	invalidJSONRPC = -32600
	deniedJSONRPC  = http.StatusForbidden
)

// jsonRPCError is the body of a refusal that an MCP client reads as the answer to its
// message, so that it does not end its session.
type jsonRPCError struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Error   struct {
		Code    int              `json:"code"`
		Message string           `json:"message"`
		Data    jsonRPCErrorData `json:"data"`
	} `json:"error"`
}

// jsonRPCErrorData is what the other form of a body has.
type jsonRPCErrorData struct {
	Reason string `json:"reason"`
	Error  string `json:"error,omitempty"`
	Scope  string `json:"scope,omitempty"`
	Code   string `json:"code,omitempty"` // of a rule of the team
}

// isJSONRPC reports whether the body of a refusal is a JSON-RPC error: that of a
// malformed message, and where the resource says so, a 403 to a client that has
// logged in.
func (v *verdict) isJSONRPC() bool {
	return v.reason == reason.OperationMalformed ||
		v.claims != nil && v.resource.MCP.JSONRPCDenials && v.reason.HTTPStatus() == http.StatusForbidden
}

func (v *verdict) jsonRPCError(in *request) []byte {
	body := jsonRPCError{Version: "2.0", ID: json.RawMessage("null")}
	body.Error.Code, body.Error.Message = deniedJSONRPC, v.reason.Description()
	if v.reason == reason.OperationMalformed {
		body.Error.Code = invalidJSONRPC
	} else if len(in.operation.ID) > 0 {
		body.ID = in.operation.ID
	}
	body.Error.Data = jsonRPCErrorData{Reason: v.reason.String(), Error: v.reason.OAuthError()}
	switch v.reason {
	case reason.InsufficientScope:
		body.Error.Data.Scope = v.challengedScope()
	case reason.PolicyDenied:
		body.Error.Data.Code = v.decision.Code
	default: // nothing more to say
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil // the id was read as JSON; an empty body is still a refusal
	}
	return encoded
}
