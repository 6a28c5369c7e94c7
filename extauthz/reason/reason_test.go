package reason

import (
	"regexp"
	"strings"
	"testing"
)

// TestTheListIsWhole: every reason has a code of its own, a status that refuses
// unless it allows, and words for client and operator.
func TestTheListIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range All() {
		code := r.String()
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(code) || seen[code] {
			t.Errorf("%d has the code %q", r, code)
		}
		seen[code] = true
		answered := r == Allowed || r == AllowedAnonymous || r == Metadata || r == Preflight
		if (r.HTTPStatus() < 400) != answered {
			t.Errorf("%s is answered with %d", r, r.HTTPStatus())
		}
		if !answered && (r.Description() == "" || r.Advice() == "") {
			t.Errorf("%s says nothing", r)
		}
	}
}

// TestDescriptionsNeedNoEscaping: within error_description of RFC 6750, and
// past the naive parsers in the field that look for name="value" (CH-11).
func TestDescriptionsNeedNoEscaping(t *testing.T) {
	for _, r := range All() {
		for _, c := range []byte(r.Description()) {
			if c < 0x20 || c > 0x7e || strings.IndexByte("\"\\=", c) >= 0 {
				t.Errorf("%s: %q holds %q", r, r.Description(), c)
			}
		}
	}
}

// TestStatusFollowsTheError is RFC 6750, section 3.1 (CH-5).
func TestStatusFollowsTheError(t *testing.T) {
	status := map[string]int{"invalid_request": 400, "invalid_token": 401, "insufficient_scope": 403, "invalid_dpop_proof": 401, "use_dpop_nonce": 401, "insufficient_user_authentication": 401}
	for _, r := range All() {
		if code := r.OAuthError(); code != "" && status[code] != r.HTTPStatus() {
			t.Errorf("%s: %s is answered with %d", r, code, r.HTTPStatus())
		}
	}
}

// TestTheZeroReasonDenies, and so does one that is not on the list.
func TestTheZeroReasonDenies(t *testing.T) {
	var zero Reason
	for _, r := range []Reason{zero, count, 255} {
		if r.HTTPStatus() != 503 || r.String() != "internal" {
			t.Errorf("%d: %s, %d", r, r, r.HTTPStatus())
		}
	}
}
