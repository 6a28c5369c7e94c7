// Package reason is the closed list of what a Check can end in, and what each
// end means on the wire: the HTTP status, the OAuth error code (RFC 6750,
// section 3.1; RFC 9470, section 3) and the fixed words a client and an operator read.
//
// A reason alone picks status and challenge; nothing a token, a request or a
// policy says can add to the list.
package reason

import "net/http"

// Reason is one entry of the closed list. The zero value is [Internal], which
// denies: a verdict that is not filled in is a refusal.
type Reason uint8

// The reasons. From [Misconfigured] on the order is that of precedence: where several
// apply to one request, the first is its answer.
const (
	Internal                       Reason = iota // a fault of ours, or a request without its parts
	Allowed                                      // the only reason that lets a request with a token through
	Metadata                                     // an RFC 9728 document was the answer
	Preflight                                    // a browser asked whether a page may send a request (CORS)
	AllowedAnonymous                             // an operation that needs no token, without a token
	Misconfigured                                // the mesh names a resource that is not configured
	NoResource                                   // authority and path belong to no resource
	OriginNotAllowed                             // Origin is present and not on the list
	InvalidRequest                               // more than one credential (RFC 6750, section 3.1)
	NoCredentials                                // no bearer token in the Authorization header
	TokenMalformed                               // not a compact JWS by the letter of RFC 7515
	AlgorithmNotAllowed                          // alg is not on the issuer's list, or not its key's
	TypeNotAllowed                               // typ or claims betray another kind of token
	IssuerUnknown                                // iss is not trusted for this resource
	ClaimsMissing                                // a required claim is absent or of the wrong type
	TokenExpired                                 // now is at or past exp, clock skew included
	TokenNotYetValid                             // nbf or iat lies in the future
	KeysUnavailable                              // the issuer's keys cannot be had now
	Overloaded                                   // too many signatures are being verified already
	KeyUnknown                                   // the issuer's set has no such key
	SignatureInvalid                             // the signature does not verify
	TokenRevoked                                 // a revocation names the token, its subject, client or key
	BindingUnproven                              // cnf demands a proof that is absent
	DPoPProofInvalid                             // the proof does not show possession (RFC 9449, section 4.3)
	DPoPNonceRequired                            // the proof carries no nonce of ours that holds (RFC 9449, section 9)
	AudienceMismatch                             // aud does not name this resource (RFC 8707)
	Passthrough                                  // the decision would leave the credential on the request
	NoDestination                                // egress: no destination is configured for authority and path
	OperationMalformed                           // the body is no JSON-RPC message that all readers read alike
	OperationUnknown                             // no source of the operation can be relied upon
	PolicyError                                  // the policy is undefined, failed, or of the wrong shape
	PolicyDenied                                 // a rule of the team denied it
	InsufficientUserAuthentication               // acr or auth_time is not what the operation needs (RFC 9470)
	InsufficientScope                            // the token lacks a scope of this operation
	ExchangeRefused                              // egress: there is no token for the destination, and will be none
	ExchangeUnavailable                          // egress: the authorization server gives no answer at the moment
	count
)

// meaning is one row of the list.
type meaning struct {
	code        string // what logs, labels and metadata show
	status      int    // HTTP status
	oauth       string // RFC 6750 error code, "" where there is none
	description string // what the client reads; no quote, backslash or equals sign
	advice      string // what the operator reads
}

const (
	invalidRequest    = "invalid_request"
	invalidToken      = "invalid_token"
	insufficientScope = "insufficient_scope"
	invalidDPoPProof  = "invalid_dpop_proof"
	useDPoPNonce      = "use_dpop_nonce"

	insufficientUserAuthentication = "insufficient_user_authentication" // RFC 9470, section 3
)

var meanings = [count]meaning{
	Internal: {
		"internal", http.StatusServiceUnavailable, "",
		"The request could not be checked",
		"a fault inside doorward, or bytes that are no CheckRequest: see cause",
	},
	Allowed: {"allowed", http.StatusOK, "", "", ""},
	Metadata: {
		"metadata", http.StatusOK, "",
		"", "a protected resource metadata document was asked for",
	},
	Preflight: {
		"preflight", http.StatusNoContent, "",
		"", "a browser asked whether a page of an allowed origin may send a request",
	},
	AllowedAnonymous: {"allowed_anonymous", http.StatusOK, "", "", ""},
	Misconfigured: {
		"misconfigured", http.StatusServiceUnavailable, "",
		"The request could not be checked",
		"context_extensions names a resource that is not configured: correct the route in Envoy, or add the resource",
	},
	NoResource: {
		"no_resource", http.StatusForbidden, "",
		"No protected resource is served here",
		"authority and path match no resource: write the URL that clients type as a resource, " +
			"or stop routing it here. also_at is for a URL that a mesh uses and no client types: " +
			"clients refuse metadata that names another URL than they typed",
	},
	OriginNotAllowed: {
		"origin_not_allowed", http.StatusForbidden, "",
		"Requests from this origin are not allowed",
		"the Origin header is not on the list: add it to the resource's origins if the page is yours",
	},
	InvalidRequest: {
		"invalid_request", http.StatusBadRequest, invalidRequest,
		"The request carries a credential in more than one place",
		"the client sent two credentials, or hid a token behind a semicolon in the query: mend the client",
	},
	NoCredentials: {
		"no_credentials", http.StatusUnauthorized, "",
		"This resource needs a bearer token in the Authorization header",
		"the request has no Authorization header: the challenge starts the client's login",
	},
	TokenMalformed: {
		"token_malformed", http.StatusUnauthorized, invalidToken,
		"The access token is malformed",
		"not a compact JWS by the letter of RFC 7515: opaque and encrypted tokens cannot be verified here",
	},
	AlgorithmNotAllowed: {
		"algorithm_not_allowed", http.StatusUnauthorized, invalidToken,
		"The access token is signed with an algorithm that is not accepted",
		"alg is not in the issuer's algorithms, or is not the algorithm of the key that kid names",
	},
	TypeNotAllowed: {
		"type_not_allowed", http.StatusUnauthorized, invalidToken,
		"The token is not an access token",
		"typ or the claims show an ID token or another kind: send the access token, or see the issuer's profile",
	},
	IssuerUnknown: {
		"issuer_unknown", http.StatusUnauthorized, invalidToken,
		"The access token comes from an issuer that is not accepted here",
		"iss is not one of the issuers of this resource, byte for byte",
	},
	ClaimsMissing: {
		"claims_missing", http.StatusUnauthorized, invalidToken,
		"The access token lacks a required claim",
		"a claim that the issuer's profile demands is absent or of the wrong type: see cause",
	},
	TokenExpired: {
		"token_expired", http.StatusUnauthorized, invalidToken,
		"The access token expired",
		"exp has passed: the client should refresh; compare the clocks if it happens to fresh tokens",
	},
	TokenNotYetValid: {
		"token_not_yet_valid", http.StatusUnauthorized, invalidToken,
		"The access token is not valid yet",
		"nbf or iat lies in the future: compare the clocks, or raise clock_skew",
	},
	KeysUnavailable: {
		"keys_unavailable", http.StatusServiceUnavailable, "",
		"The keys of the issuer cannot be had at the moment",
		"the issuer's keys could not be fetched: see readyz and the last line about this issuer",
	},
	Overloaded: {
		"overloaded", http.StatusServiceUnavailable, "",
		"Too many requests are being checked at the moment",
		"more new tokens or DPoP proofs than can be verified: look for a flood of forged ones " +
			"(signature_invalid, dpop_proof_invalid), or add replicas",
	},
	KeyUnknown: {
		"key_unknown", http.StatusUnauthorized, invalidToken,
		"The access token is signed with a key that is not accepted",
		"the issuer's key set has no usable key of this kid and alg: " +
			"the token is forged, or its key was withdrawn or not published yet",
	},
	SignatureInvalid: {
		"signature_invalid", http.StatusUnauthorized, invalidToken,
		"The signature of the access token does not verify",
		"the token was changed or forged, or the issuer reused a key id for a new key",
	},
	TokenRevoked: {
		"token_revoked", http.StatusUnauthorized, invalidToken,
		"The access token was revoked",
		"the revocation list names the token, its subject, client or key, or a time before which it was issued",
	},
	DPoPProofInvalid: {
		"dpop_proof_invalid", http.StatusUnauthorized, invalidDPoPProof,
		"The DPoP proof is not valid for this request",
		"the proof is missing, malformed, used before, or for another key, method, URL, time or token: see cause",
	},
	DPoPNonceRequired: {
		"dpop_nonce_required", http.StatusUnauthorized, useDPoPNonce,
		"The DPoP proof must carry the nonce of this answer",
		"usual soon after a start: the client repeats its request with the nonce of the answer; " +
			"if one never does, it does not know nonces (RFC 9449, section 9)",
	},
	BindingUnproven: {
		"binding_unproven", http.StatusUnauthorized, invalidToken,
		"The access token is bound to a key whose possession was not proven",
		"the token is bound to a key (cnf, RFC 7800), or must be here, and nothing on the request proves it",
	},
	AudienceMismatch: {
		"audience_mismatch", http.StatusUnauthorized, invalidToken,
		"The access token was not issued for this resource",
		"aud does not make this a token for the resource: have the client ask for one with resource (RFC 8707)",
	},
	Passthrough: {
		"passthrough", http.StatusForbidden, "",
		"The request was refused",
		"the decision does not strip the credential: the built-in passthrough rule is missing or was changed",
	},
	NoDestination: {
		"no_destination", http.StatusForbidden, "",
		"Requests to this destination are not configured",
		"authority and path match no destination that this server may call: add it to egress.destinations, " +
			"or have the server not call it",
	},
	OperationMalformed: {
		"operation_malformed", http.StatusBadRequest, "",
		"The body is too large, or not a JSON-RPC message that every reader reads alike",
		"the body is malformed, too large, encoded, or a batch: see cause; a call that is larger than what Envoy " +
			"sends needs another source of its operation",
	},
	OperationUnknown: {
		"operation_unknown", http.StatusForbidden, "",
		"The operation that the request asks for is not known here",
		"the operation decides here, and no source of it can be relied upon, or no entry of operations is for it: " +
			"see cause; send the body with with_request_body, or configure a source under mcp",
	},
	PolicyError: {
		"policy_error", http.StatusServiceUnavailable, "",
		"The request could not be checked",
		"the policy failed, took too long, returned the wrong shape or is not there yet: see cause",
	},
	PolicyDenied: {
		"policy_denied", http.StatusForbidden, "",
		"The request was refused by policy",
		"a rule of the team's policy denied the request: see rule, and the code and message of a deny",
	},
	InsufficientUserAuthentication: {
		"insufficient_user_authentication", http.StatusUnauthorized, insufficientUserAuthentication,
		"The operation needs another or a more recent authentication of the user",
		"acr is none of acr_values, or auth_time is older than max_age: the client should log in with the parameters " +
			"of the challenge, and the authorization server must put acr and auth_time into access tokens",
	},
	InsufficientScope: {
		"insufficient_scope", http.StatusForbidden, insufficientScope,
		"The access token lacks a scope that this operation needs",
		"the client should ask for the scopes in the challenge, and the authorization server must grant them",
	},
	ExchangeRefused: {
		"exchange_refused", http.StatusForbidden, "",
		"No token for this destination could be obtained: the request needs the x-mcp-auth-handle of the " +
			"request that caused it",
		"the handle is missing or not valid here, its token is no longer valid, no exchange is configured for its " +
			"issuer, or the authorization server refused: see cause",
	},
	ExchangeUnavailable: {
		"exchange_unavailable", http.StatusServiceUnavailable, "",
		"No token for this destination can be obtained at the moment",
		"the authorization server of the destination did not answer, or its answer cannot be used: see cause",
	},
}

// All lists every reason once.
func All() []Reason {
	all := make([]Reason, count)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

func (r Reason) meaning() meaning {
	if r >= count {
		return meanings[Internal]
	}
	return meanings[r]
}

// String is the code that metrics, logs and dynamic metadata show.
func (r Reason) String() string { return r.meaning().code }

// HTTPStatus is the status of the answer. For [Metadata] it is the usual one;
// the document knows the exact one.
func (r Reason) HTTPStatus() int { return r.meaning().status }

// OAuthError is the error code of RFC 6750, section 3.1, or "" where the
// answer carries none.
func (r Reason) OAuthError() string { return r.meaning().oauth }

// Description is what the client reads, as `error_description` and in the
// body. It is fixed text without quote, backslash or equals sign, so that it
// needs no escaping in a quoted-string (RFC 9110, section 5.6.4).
func (r Reason) Description() string { return r.meaning().description }

// Advice is what an operator should know and do, for the log alone.
func (r Reason) Advice() string { return r.meaning().advice }
