package extauthz

import (
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
)

// challenge is the WWW-Authenticate value of a refusal (RFC 6750, section 3;
// RFC 9728, section 5.1), or "" where a new token would not help. It is made
// from the reason and configured values alone: configuration admits no
// character into them that a quoted-string (RFC 9110, section 5.6.4) would
// have to escape, and the naive parsers in the field need error_description,
// the only free text, to come last.
func (v *verdict) challenge() string {
	var challenge strings.Builder
	parameter := func(name, value string) {
		challenge.WriteString(name + `="` + value + `"`)
	}
	oauth := v.reason.OAuthError()
	if oauth == "" && v.reason != reason.NoCredentials {
		return ""
	}
	if v.reason == reason.DPoPProofInvalid {
		return v.proofChallenge()
	}
	parameter(`Bearer resource_metadata`, v.resource.MetadataURL)
	// An empty scope parameter makes strict clients drop the whole header.
	if scope := v.challengedScope(); scope != "" {
		parameter(`, scope`, scope)
	}
	if oauth != "" {
		parameter(`, error`, oauth)
		parameter(`, error_description`, v.reason.Description())
	}
	return challenge.String()
}

// proofChallenge asks for a proof by a scheme of its own, with the algorithms
// it may be signed with (RFC 9449, section 7.1).
func (v *verdict) proofChallenge() string {
	return `DPoP resource_metadata="` + v.resource.MetadataURL +
		`", algs="` + strings.Join(v.resource.ProofAlgorithms, " ") +
		`", error="` + v.reason.OAuthError() +
		`", error_description="` + v.reason.Description() + `"`
}

// challengedScope is what the client should ask for: all scopes of this
// operation once a policy has said them, before that those of the resource.
// A request with two credentials needs no other token, so it names none. A
// policy may need offline_access, and still no challenge asks for it.
func (v *verdict) challengedScope() string {
	switch v.reason {
	case reason.InvalidRequest:
		return ""
	case reason.InsufficientScope:
		isOffline := func(scope string) bool { return scope == resource.OfflineAccess }
		return strings.Join(slices.DeleteFunc(slices.Clone(v.decision.Scopes), isOffline), " ")
	default:
		return strings.Join(v.resource.Scopes, " ")
	}
}
