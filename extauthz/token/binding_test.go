package token

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/extauthz/reason"
)

func TestReadConfirmation(t *testing.T) {
	digest, other := hashOf("a"), hashOf("b")
	unknown := Confirmation{Present: true, Unknown: true}
	rows := []struct {
		intent string
		claims map[string]any
		want   Confirmation
	}{
		{"no cnf demands nothing", map[string]any{"sub": "alice"}, Confirmation{}},
		{"no claims at all", nil, Confirmation{}},
		{"jkt", cnf("jkt", digest), Confirmation{Present: true, Thumbprint: digest}},
		{"x5t#S256", cnf("x5t#S256", digest), Confirmation{Present: true, Certificate: digest}},
		{"both", cnf("jkt", digest, "x5t#S256", other), Confirmation{Present: true, Thumbprint: digest, Certificate: other}},
		{"an empty cnf is no absent one", cnf(), unknown},
		{"cnf is null", map[string]any{"cnf": nil}, unknown},
		{"cnf is a string", map[string]any{"cnf": digest}, unknown},
		{"cnf is an array", map[string]any{"cnf": []any{cnf("jkt", digest)}}, unknown},
		{"jkt is empty", cnf("jkt", ""), unknown},
		{"jkt is null", cnf("jkt", nil), unknown},
		{"jkt is an array", cnf("jkt", []any{digest}), unknown},
		{"jkt is no digest", cnf("jkt", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9X"), unknown},
		{"jkt is padded", cnf("jkt", digest+"="), unknown},
		{"jkt is of plain base64", cnf("jkt", "+"+digest[1:]), unknown},
		{"jkt has a line break", cnf("jkt", digest+"\n"), unknown},
		{"jkt has spare bits that are not zero", cnf("jkt", digest[:42]+"B"), unknown},
		{"jkt is of SHA-512", cnf("jkt", strings.Repeat("A", 86)), unknown},
		{"x5t#S256 is a number", cnf("x5t#S256", 1), unknown},
		{"x5t#S256 in hexadecimal", cnf("x5t#S256", strings.Repeat("ab", 32)), unknown},
		{"a key itself (RFC 7800, section 3.2)", cnf("jwk", map[string]any{"kty": "EC"}), unknown},
		{"a name of another case", cnf("JKT", digest), unknown},
		{"one known and one unknown", cnf("jkt", digest, "kid", "x"), Confirmation{Present: true, Thumbprint: digest, Unknown: true}},
		{"one well and one badly shaped", cnf("jkt", digest, "x5t#S256", ""), Confirmation{Present: true, Thumbprint: digest, Unknown: true}},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			if diff := cmp.Diff(row.want, readConfirmation(row.claims)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// cnf is claims with a confirmation of these names and values.
func cnf(pairs ...any) map[string]any {
	members := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		members[name] = pairs[i+1]
	}
	return map[string]any{"cnf": members}
}

// every demand of cnf under every scheme and mode, each with a good
// proof and a good certificate at hand. What is not listed is refused.
func TestWhatProvesWhat(t *testing.T) {
	certificate := sha256.Sum256([]byte("certificate"))
	jkt, x5t := newExchange().confirmation.Thumbprint, base64.RawURLEncoding.EncodeToString(certificate[:])
	demands := map[string]Confirmation{
		"none":    {},
		"jkt":     {Present: true, Thumbprint: jkt},
		"x5t":     {Present: true, Certificate: x5t},
		"both":    {Present: true, Thumbprint: jkt, Certificate: x5t},
		"empty":   {Present: true},
		"unknown": {Present: true, Unknown: true},
		"partly":  {Present: true, Thumbprint: jkt, Certificate: x5t, Unknown: true},
	}
	modes := map[string]DPoPMode{"off": DPoPOff, "optional": DPoPOptional, "required": DPoPRequired, "": "", "7": "7"}
	accepted := map[string]string{
		"none Bearer off": "none", "none Bearer optional": "none", "none Bearer ": "none",
		"x5t Bearer off": "mtls", "x5t Bearer optional": "mtls", "x5t Bearer ": "mtls",
		"jkt DPoP optional": "dpop", "jkt DPoP required": "dpop", "jkt DPoP 7": "dpop",
		"both DPoP optional": "dpop", "both DPoP required": "dpop", "both DPoP 7": "dpop",
	}
	for demand, confirmation := range demands {
		for _, scheme := range []string{"Bearer", "DPoP", "dpop", "Basic", ""} {
			for name, mode := range modes {
				row := demand + " " + scheme + " " + name
				x := newExchange(func(x *exchange) {
					x.confirmation, x.mode, x.presentation.Scheme = confirmation, mode, scheme
					x.presentation.CertificateSHA256, x.presentation.HasCertificate = certificate, true
				})
				binding, refusal := x.prove(t, binderAt(newClock()))
				if binding != accepted[row] {
					t.Errorf("%s: binding %q, want %q", row, binding, accepted[row])
				}
				if refusal != nil && (refusal.Reason != reason.BindingUnproven || refusal.Detail == "") {
					t.Errorf("%s: %+v, want binding_unproven with a detail", row, refusal)
				}
			}
		}
	}
}

// RFC 8705, section 3.
func TestCertificateMustMatch(t *testing.T) {
	own := sha256.Sum256([]byte("own"))
	zero := base64.RawURLEncoding.EncodeToString(make([]byte, sha256.Size))
	demanded := base64.RawURLEncoding.EncodeToString(own[:])
	last := own
	last[sha256.Size-1] ^= 1
	rows := []struct {
		intent    string
		demanded  string
		presented [sha256.Size]byte
		has       bool
		want      string
	}{
		{"the client's own", demanded, own, true, bindingMTLS},
		{"none", demanded, [sha256.Size]byte{}, false, ""},
		{"one that was not shown, whatever the digest says", demanded, own, false, ""},
		{"none, and a digest of zeros is demanded", zero, [sha256.Size]byte{}, false, ""},
		{"another", demanded, sha256.Sum256([]byte("other")), true, ""},
		{"another in the last bit", demanded, last, true, ""},
	}
	for _, row := range rows {
		for _, thumbprint := range []string{"", newExchange().confirmation.Thumbprint} {
			x := newExchange(func(x *exchange) {
				x.confirmation = Confirmation{Present: true, Certificate: row.demanded, Thumbprint: thumbprint}
				x.presentation.CertificateSHA256, x.presentation.HasCertificate = row.presented, row.has
				if thumbprint == "" {
					x.presentation.Scheme = SchemeBearer
				}
			})
			want := row.want
			if want != "" && thumbprint != "" {
				want = bindingDPoP
			}
			b := binderAt(newClock())
			binding, refusal := x.prove(t, b)
			if binding != want {
				t.Errorf("%s: %q, %+v, want %q", row.intent, binding, refusal, want)
			}
			if refusal != nil && refusal.Reason != reason.BindingUnproven {
				t.Errorf("%s: %v", row.intent, refusal.Reason)
			}
			if refusal != nil && len(b.replays.seen) > 0 {
				t.Errorf("%s: the proof was spent", row.intent)
			}
		}
	}
}
