package exchange

import "github.com/doorward/doorward/extauthz/token"

// Refused is the error where the authorization server refuses, or the token itself
// does. Its text may be logged.
type Refused struct {
	// Code is that of the server (RFC 6749, section 5.2), such as "invalid_target",
	// and "unreadable" for one that no log may hold. CodeMayAct and CodeIssuer are
	// ours, and no server was asked.
	Code string
}

// The codes of refusals before a server is asked.
const (
	CodeMayAct = "may_act" // may_act of the token names another actor (RFC 8693, section 4.4)
	CodeIssuer = "issuer"  // the token is of another issuer than the entry
)

// Error implements error.
func (r *Refused) Error() string {
	switch r.Code {
	case CodeMayAct:
		return "may_act of the token names another actor than this client"
	case CodeIssuer:
		return "no exchange is configured for tokens of this issuer"
	}
	return "the authorization server refused: " + r.Code
}

// mayAct reports whether a may_act claim allows us to act for the subject: it is
// absent, or each of the members that identify the actor is ours. Who acts is the
// subject of the actor token, or else the client.
func (e Entry) mayAct(claim any) bool {
	if claim == nil {
		return true
	}
	members, isObject := claim.(map[string]any)
	if !isObject {
		return false
	}
	own := map[string]any{"sub": e.ClientID, "client_id": e.ClientID, "iss": e.server()}
	if actor, isJWT := token.ReadUnverified(e.actorToken()); isJWT {
		own["sub"], own["iss"] = actor.Subject, actor.Issuer
	}
	identified := false
	for name, value := range members {
		expected, known := own[name]
		if known && (value != expected || expected == "") {
			return false
		}
		identified = identified || known && name != "iss"
	}
	return identified
}
