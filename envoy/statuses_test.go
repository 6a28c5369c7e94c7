package envoy_test

import (
	"slices"
	"testing"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// TestStatusesOfRefusals is CH-5 and T-9: clients take a 404 or 405 for an old
// server, and a 400 without a JSON-RPC error too; so there are two: that of two
// credentials, and that of a body which is no JSON-RPC message, with such an error.
func TestStatusesOfRefusals(t *testing.T) {
	for _, why := range reason.All() {
		status, oauth := why.HTTPStatus(), why.OAuthError()
		switch {
		case why == reason.Allowed, why == reason.AllowedAnonymous, why == reason.Metadata, why == reason.Preflight:
			continue
		case why == reason.OperationMalformed && status == 400 && oauth == "":
		case (status == 400) != (why == reason.InvalidRequest), (status == 400) != (oauth == "invalid_request"):
			t.Errorf("%s: %d, %q", why, status, oauth)
		case oauth == "invalid_token" && status != 401, oauth == "insufficient_scope" && status != 403,
			oauth == "insufficient_user_authentication" && status != 401:
			t.Errorf("%s: %d, %q", why, status, oauth)
		case !slices.Contains([]int{400, 401, 403, 503}, status):
			t.Errorf("%s: %d", why, status)
		}
	}
}

// TestKeysBelongToTheirIssuer is AU-6 and J-8: a token of one trusted issuer
// under another's key, or at a resource that does not trust it, is worth
// nothing, though both publish a key of the same id.
func TestKeysBelongToTheirIssuer(t *testing.T) {
	testenv.RequireEnvoy(t)
	const second = "https://second.example.com"
	ours, theirs := jwttest.NewKey("ES256", "key-1"), jwttest.NewKey("ES256", "key-1")
	p := standard(ours)
	source := jwks.NewSource(jwks.Options{Issuer: second, Static: jwttest.JWKS(theirs)}, jwks.Environment{})
	p.issuers[second] = trust(source)
	p.resources[0].Issuers = []string{issuerURL, second}
	behind := startUpstream(t)
	h := startEnvironment(t, behind.address)
	h.activate(t, p.state(t))
	from := func(iss string) map[string]any { return claims(map[string]any{"iss": iss}) }
	atOther := func(iss string) map[string]any { return claims(map[string]any{"iss": iss, "aud": otherURI}) }
	for _, r := range []struct {
		intent string
		ask    clientRequest
		reason reason.Reason
	}{
		{"each under its own key", bearer(ours.Sign(from(issuerURL))), reason.Allowed},
		{"the second too", bearer(theirs.Sign(from(second))), reason.Allowed},
		{"the second's key for the first", bearer(theirs.Sign(from(issuerURL))), reason.SignatureInvalid},
		{"the first's key for the second", bearer(ours.Sign(from(second))), reason.SignatureInvalid},
		{"the first at another resource", bearer(ours.Sign(atOther(issuerURL))).at("/other"), reason.Allowed},
		{"the second where it is not trusted", bearer(theirs.Sign(atOther(second))).at("/other"), reason.IssuerUnknown},
		{"the first in another spelling", bearer(ours.Sign(from(issuerURL + "/"))), reason.IssuerUnknown},
	} {
		got := h.send(t, r.ask)
		if access := h.logged(t, got); access["reason"] != r.reason.String() || got.status != r.reason.HTTPStatus() {
			t.Errorf("%s: %d, %v; want %s", r.intent, got.status, access["reason"], r.reason)
		}
	}
}
