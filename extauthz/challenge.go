package extauthz

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/token"
)

// challenges are the WWW-Authenticate lines of a refusal (RFC 6750, section 3;
// RFC 9449, section 7.1; RFC 9728, section 5.1). There is no line where a new token
// would not help. The first one, of the scheme that the client used, carries the
// error.
func (v *verdict) challenges() []string {
	oauth := v.reason.OAuthError()
	if oauth == "" && v.reason != reason.NoCredentials {
		return nil
	}
	var lines []string
	for _, scheme := range v.schemes() {
		lines = append(lines, v.challenge(scheme, oauth))
		oauth = ""
	}
	return lines
}

// schemes are those that a client may use next: the one that it used or, without
// one, all that the resource accepts. Bearer comes first, since there are
// clients that read the first challenge alone. A bound token that came as a
// bearer token gets both: the client has to change to DPoP (RFC 9449, section
// 7.2).
func (v *verdict) schemes() []string {
	switch {
	case !v.resource.TakesDPoP():
		return []string{token.SchemeBearer}
	case v.resource.RequiresDPoP(), v.scheme == token.SchemeDPoP, v.binding == "dpop":
		return []string{token.SchemeDPoP}
	case v.reason == reason.NoCredentials, v.reason == reason.BindingUnproven && v.boundToKey():
		return []string{token.SchemeBearer, token.SchemeDPoP}
	}
	return []string{token.SchemeBearer}
}

func (v *verdict) boundToKey() bool {
	return v.claims != nil && v.claims.Confirmation().Thumbprint != ""
}

// challenge is one line, made from the reason and configured values alone:
// configuration admits no character into them that a quoted-string (RFC 9110,
// section 5.6.4) would have to escape, and the naive parsers in the field need
// error_description, the only free text, to come last.
func (v *verdict) challenge(scheme, oauth string) string {
	var challenge strings.Builder
	parameter := func(name, value string) {
		challenge.WriteString(name + `="` + value + `"`)
	}
	parameter(scheme+` resource_metadata`, v.resource.MetadataURL)
	// An empty scope parameter makes strict clients drop the whole header.
	if scope := v.challengedScope(); scope != "" {
		parameter(`, scope`, scope)
	}
	if scheme == token.SchemeDPoP {
		parameter(`, algs`, strings.Join(v.resource.ProofAlgorithms, " "))
	}
	if v.stepUp != nil && v.reason == reason.InsufficientUserAuthentication {
		if len(v.stepUp.ACRValues) > 0 {
			parameter(`, acr_values`, strings.Join(v.stepUp.ACRValues, " "))
		}
		if v.stepUp.MaxAge > 0 {
			parameter(`, max_age`, strconv.FormatInt(int64(v.stepUp.MaxAge/time.Second), 10))
		}
	}
	if oauth != "" {
		parameter(`, error`, oauth)
		parameter(`, error_description`, v.reason.Description())
	}
	return challenge.String()
}

// challengedScope is what the client should ask for: all scopes of this
// operation after the policy has decided, before that those of the resource. A
// request with two credentials or a bad proof needs no other token, so no scope is
// asked for. A policy may need offline_access, and still no challenge asks for it.
func (v *verdict) challengedScope() string {
	switch v.reason {
	case reason.InvalidRequest, reason.DPoPProofInvalid, reason.DPoPNonceRequired:
		return ""
	case reason.InsufficientScope, reason.InsufficientUserAuthentication:
		isOffline := func(scope string) bool { return scope == "offline_access" }
		needed := append(slices.Clone(v.decision.Scopes), v.grantedBeside(v.decision.Scopes)...)
		return strings.Join(v.resource.AskedScopes(slices.DeleteFunc(needed, isOffline)), " ")
	default:
		return strings.Join(v.resource.AskedScopes(v.resource.NeededScopes()), " ")
	}
}

// grantedBeside are the scopes of the token beside needed that the resource has a use
// for, where its clients replace their scopes with those of a challenge.
func (v *verdict) grantedBeside(needed []string) []string {
	if !v.resource.ChallengesWithGranted() || v.claims == nil {
		return nil
	}
	configured := v.resource.ConfiguredScopes()
	return slices.DeleteFunc(slices.Clone(v.resource.HeldScopes(v.claims.Scopes)), func(scope string) bool {
		return slices.Contains(needed, scope) || !slices.Contains(configured, scope)
	})
}
