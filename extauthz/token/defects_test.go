package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/reason"
)

// defect is one thing that is wrong with a token that is good in all else.
type defect struct {
	name  string
	alter alteration
	want  reason.Reason
}

// defectCount is asserted, so that a row cannot be lost unnoticed.
const defectCount = 243

// cited is a defect and the source of the rule that it breaks.
type cited struct {
	defect
	source string
}

func defects() []cited {
	tables := []struct {
		source string
		rows   []defect
	}{
		{"RFC 7515, 7.1; RFC 8725, 3.3 and 3.14 (J-6)", compactDefects()},
		{"RFC 7515, 4; RFC 7519, 4 (J-7)", jsonDefects()},
		{"RFC 7515, 4.1; RFC 7797", headerDefects()},
		{"RFC 8725, 3.1 and 3.2 (J-1, J-5)", algorithmDefects()},
		{"RFC 8725, 3.11 and 3.12 (J-2, X-6)", typeDefects()},
		{"RFC 7519, 4.1 (J-3)", claimDefects()},
		{"RFC 9068, 2.2", strictDefects()},
		{"RFC 7519, 2 and 4.1.4 to 4.1.6 (J-4)", dateDefects()},
		{"RFC 7515, 5.2; RFC 8725, 2.3 and 3.10; RFC 7800, 3", signatureDefects()},
	}
	var rows []cited
	for _, table := range tables {
		for _, row := range table.rows {
			rows = append(rows, cited{row, table.source})
		}
	}
	return rows
}

// TK-1, TK-3, TK-8: a token with one defect is refused, for that defect.
func TestEachDefectAlone(t *testing.T) {
	w := newWorld()
	rows := defects()
	if len(rows) != defectCount {
		t.Errorf("%d rows, want %d", len(rows), defectCount)
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			token := newDraft(w, row.alter).token()
			claims, refusal := w.verify(t, token)
			if claims != nil {
				t.Fatal("accepted")
			}
			if refusal.Reason != row.want {
				t.Errorf("refused as %v (%s), want %v", refusal.Reason, refusal.Detail, row.want)
			}
			t.Logf("%s, by %s", refusal.Reason, row.source)
			if refusal.Detail == "" {
				t.Error("no detail for the log")
			}
			if leak := leaked(refusal.Detail, token); leak != "" {
				t.Errorf("detail %q repeats %q of the token", refusal.Detail, leak)
			}
		})
	}
}

// compactDefects: RFC 7515, section 7.1; RFC 8725, sections 3.3 and 3.14 (J-6).
func compactDefects() []defect {
	bad := func(name string, change func(string) string) defect {
		return defect{"compact: " + name, sent(change), reason.TokenMalformed}
	}
	spliced := func(part int, change func(string) string) func(string) string {
		return func(token string) string {
			parts := strings.Split(token, ".")
			parts[part] = change(parts[part])
			return strings.Join(parts, ".")
		}
	}
	constant := func(text string) func(string) string { return func(string) string { return text } }
	appended := func(text string) func(string) string { return func(s string) string { return s + text } }
	return []defect{
		bad("nothing", constant("")),
		bad("one dot", constant(".")),
		bad("dots alone", constant("..")),
		bad("an opaque token", constant("oat_2YotnFZFEjr1zCsicMWpAA")),
		bad("two parts", func(s string) string { return s[:strings.LastIndexByte(s, '.')] }),
		bad("four parts", appended(".AAAA")),
		bad("five parts, as a JWE", appended(".AAAA.AAAA")),
		bad("flattened JSON serialisation", func(s string) string {
			p := strings.Split(s, ".")
			return fmt.Sprintf(`{"protected":"%s","payload":"%s","signature":"%s"}`, p[0], p[1], p[2])
		}),
		bad("general JSON serialisation", func(s string) string {
			p := strings.Split(s, ".")
			return fmt.Sprintf(`{"payload":"%s","signatures":[{"protected":"%s","signature":"%s"}]}`, p[1], p[0], p[2])
		}),
		bad("no header", spliced(0, constant(""))),
		bad("no payload, as in detached content", spliced(1, constant(""))),
		bad("a space in front", func(s string) string { return " " + s }),
		bad("a space behind", appended(" ")),
		bad("a line break behind", appended("\n")),
		bad("a line break inside the payload", spliced(1, func(s string) string { return s[:8] + "\r\n" + s[8:] })),
		bad("a NUL behind", appended("\x00")),
		bad("a comma behind", appended(",")),
		bad("padding on the payload", spliced(1, appended("="))),
		bad("padding on the signature", appended("==")),
		bad("the alphabet of plain base64: +", spliced(2, func(s string) string { return "+" + s[1:] })),
		bad("the alphabet of plain base64: /", spliced(2, func(s string) string { return "/" + s[1:] })),
		bad("a percent escape", spliced(2, func(s string) string { return "%41" + s[1:] })),
		bad("a letter outside ASCII", spliced(1, appended("é"))),
		bad("a signature whose unused bits are not zero", spliced(2, lastBitsSet)),
		bad("one character too many for a byte", appended("AAA")),
		bad("over the limit of bytes", constant(strings.Repeat("A", defaultMaxBytes+1))),
		bad("a mebibyte", spliced(1, constant(strings.Repeat("A", 1<<20)))),
	}
}

// lastBitsSet changes the four bits that the last character of 86 has to spare:
// a lenient decoder sees the same 64 bytes.
func lastBitsSet(part string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, part[len(part)-1])
	return part[:len(part)-1] + string(alphabet[last|1])
}

// jsonDefects: RFC 7515, section 4; RFC 7519, section 4 (J-7).
func jsonDefects() []defect {
	const goodHeader = `"alg":"ES256","kid":"es","typ":"at+jwt"`
	bad := func(name string, alter alteration) defect {
		return defect{"json: " + name, alter, reason.TokenMalformed}
	}
	nested := func(depth int) alteration {
		return withMember(`"deep":` + strings.Repeat("[", depth) + strings.Repeat("]", depth))
	}
	return []defect{
		bad("the header is an array", headerText(`[]`)),
		bad("the header is null", headerText(`null`)),
		bad("the header is cut short", headerText(`{`+goodHeader)),
		bad("the header has a comma too many", headerText(`{`+goodHeader+`,}`)),
		bad("the header has bytes behind it", headerText(`{`+goodHeader+`}x`)),
		bad("the header is there twice", headerText(`{`+goodHeader+`}{`+goodHeader+`}`)),
		bad("the header has a byte order mark", headerText("\ufeff{"+goodHeader+`}`)),
		bad("a header name twice", headerText(`{`+goodHeader+`,"alg":"ES256"}`)),
		bad("a header name twice, once escaped", headerText(`{`+goodHeader+`,"\u0061lg":"ES256"}`)),
		bad("an ignored header name twice", headerText(`{`+goodHeader+`,"x":1,"x":1}`)),
		bad("a header name twice, nested", headerText(`{`+goodHeader+`,"jwk":{"kty":"EC","kty":"EC"}}`)),
		bad("invalid UTF-8 in the header", headerText("{"+goodHeader+",\"x\":\"\xff\"}")),
		bad("the header is nested too deeply", headerText(`{`+goodHeader+`,"x":`+strings.Repeat("[", 64)+strings.Repeat("]", 64)+`}`)),
		bad("the payload is no JSON", payload(`Example of Ed25519 signing`)),
		bad("the payload is a string", payload(`"alice"`)),
		bad("the payload is an array", payload(`[]`)),
		bad("the payload is null", payload(`null`)),
		bad("the payload is a JWS itself (nested JWT)", func(d *draft) {
			payload(d.key.SignAs(d.header, d.claims))(d)
			d.header["cty"] = "JWT"
		}),
		bad("the payload has bytes behind it", payload(`{"iss":"`+usualID+`"}x`)),
		bad("the payload is there twice", payload(`{"iss":"`+usualID+`"} {}`)),
		bad("a claim twice", withMember(`"sub":"mallory"`)),
		bad("a claim twice with the same value", withMember(`"sub":"alice"`)),
		bad("a claim twice, once escaped", withMember(`"\u0073ub":"mallory"`)),
		bad("a claim twice, nested in an ignored one", withMember(`"x":[{"a":1,"a":2}]`)),
		bad("invalid UTF-8 in a claim", withMember("\"x\":\"\xc3\x28\"")),
		bad("invalid UTF-8 in a name", withMember("\"\xff\":1")),
		bad("half a surrogate pair", withMember(`"x":"\ud800"`)),
		bad("a number that JSON does not have: a leading zero", withMember(`"x":01`)),
		bad("a number that JSON does not have: NaN", withMember(`"x":NaN`)),
		bad("a number that JSON does not have: Infinity", withMember(`"x":Infinity`)),
		bad("a comment", withMember(`"x":1/**/`)),
		bad("a raw control byte in a string", withMember("\"x\":\"\t\"")),
		bad("65 levels", nested(64)),
		bad("1000 levels", nested(1000)),
	}
}

// headerDefects: RFC 7515, section 4.1; RFC 7797.
func headerDefects() []defect {
	bad := func(name string, alter alteration) defect {
		return defect{"header: " + name, alter, reason.TokenMalformed}
	}
	return []defect{
		bad("no alg", inHeader("alg", gone)),
		bad("alg is null", inHeader("alg", nil)),
		bad("alg is a number", inHeader("alg", 256)),
		bad("alg is an array", inHeader("alg", []string{"ES256"})),
		bad("Alg is not alg", all(inHeader("Alg", "ES256"), inHeader("alg", gone))),
		bad("kid is null", inHeader("kid", nil)),
		bad("kid is a number", inHeader("kid", 1)),
		bad("kid is an array", inHeader("kid", []string{"es"})),
		bad("crit names an extension", inHeader("crit", []string{"exp"})),
		bad("crit names b64", all(inHeader("crit", []string{"b64"}), inHeader("b64", false))),
		bad("crit names b64, and b64 is true", all(inHeader("crit", []string{"b64"}), inHeader("b64", true))),
		bad("crit is empty", inHeader("crit", []string{})),
		bad("crit is null", inHeader("crit", nil)),
		bad("crit is a string", inHeader("crit", "exp")),
		bad("b64 is false without crit", inHeader("b64", false)),
		bad("b64 is null", inHeader("b64", nil)),
		bad("b64 is the string true", inHeader("b64", "true")),
		bad("b64 is an object", inHeader("b64", map[string]any{})),
	}
}

// algorithmDefects: RFC 8725, sections 3.1 and 3.2 (J-1, J-5).
func algorithmDefects() []defect {
	bad := func(name string, alter alteration) defect {
		return defect{"algorithm: " + name, alter, reason.AlgorithmNotAllowed}
	}
	unsigned := sent(func(s string) string { return s[:strings.LastIndexByte(s, '.')+1] })
	return []defect{
		bad("none, unsigned", all(inHeader("alg", "none"), unsigned)),
		bad("none, with a signature", inHeader("alg", "none")),
		bad("None", all(inHeader("alg", "None"), unsigned)),
		bad("empty", inHeader("alg", "")),
		bad("lower case", inHeader("alg", "es256")),
		bad("a space behind", inHeader("alg", "ES256 ")),
		bad("HS256 with the PEM of the RSA key as secret", hmacWithPublicKey("rs")),
		bad("HS256 with the PEM of the EC key as secret", hmacWithPublicKey("es")),
		bad("HS384", inHeader("alg", "HS384")),
		bad("HS512", inHeader("alg", "HS512")),
		bad("secp256k1", inHeader("alg", "ES256K")),
		bad("Ed448", inHeader("alg", "Ed448")),
		bad("an encryption algorithm", inHeader("alg", "RSA-OAEP")),
		bad("dir", inHeader("alg", "dir")),
		bad("unknown", inHeader("alg", "XX999")),
		bad("an RS256 key as RS384", signedWith("rs", "RS384")),
		bad("an RS256 key as PS256", signedWith("rs", "PS256")),
		bad("a PS256 key as RS256", signedWith("ps", "RS256")),
		bad("an RSA key's kid under ES256", inHeader("kid", "rs")),
		bad("an EC key's kid under RS256", inHeader("alg", "RS256")),
		bad("an EC key's kid under EdDSA", inHeader("alg", "EdDSA")),
		bad("the key of another curve: ES384's under ES256", all(signedWith("es384", "ES384"), inHeader("alg", "ES256"))),
		bad("the key of another curve: ES256's under ES512", inHeader("alg", "ES512")),
		bad("an RSA key without alg under ES256", inHeader("kid", "rsa-any")),
		bad("not on the issuer's own list", all(strict, inHeader("alg", "ES384"))),
		bad("RS256, not on the issuer's own list", all(strict, inHeader("alg", "RS256"))),
	}
}

// hmacWithPublicKey signs with what everybody knows, the confusion of RFC 8725,
// section 2.1.
func hmacWithPublicKey(kid string) alteration {
	return func(d *draft) {
		d.header["alg"], d.header["kid"] = "HS256", kid
		d.raw = func(header, payload []byte) string {
			der, err := x509.MarshalPKIXPublicKey(d.world.keys[kid].Public())
			if err != nil {
				panic(err)
			}
			input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
			mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
			mac.Write([]byte(input))
			return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
		}
	}
}

// typeDefects: RFC 8725, sections 3.11 and 3.12 (J-2, X-6).
func typeDefects() []defect {
	bad := func(name string, alter alteration) defect {
		return defect{"type: " + name, alter, reason.TypeNotAllowed}
	}
	var rows []defect
	for _, typ := range []any{
		"id_token", "logout+jwt", "dpop+jwt", "secevent+jwt", "oauth-id-jag+jwt", "rt+jwt",
		"token-introspection+jwt", "oauth-authz-req+jwt", "JOSE", "JWE", "at", "at+jwt ", "at+jwt;v=1",
		"text/at+jwt", "application/application/at+jwt", "application/", "", nil, 1, true,
		[]string{"at+jwt"},
	} {
		rows = append(rows, bad(fmt.Sprintf("typ %#v", typ), inHeader("typ", typ)))
	}
	for _, name := range []string{"nonce", "at_hash", "c_hash", "s_hash", "events"} {
		rows = append(rows, bad("claim "+name, all(inHeader("typ", "JWT"), claim(name, "x"))))
	}
	return append(rows,
		bad("claim nonce, null, under at+jwt", claim("nonce", nil)),
		bad("Cognito's ID token", all(inHeader("typ", gone), claim("token_use", "id"))),
		bad("Keycloak's ID token", all(inHeader("typ", "JWT"), claim("typ", "ID"))),
		bad("Keycloak's refresh token", all(inHeader("typ", "JWT"), claim("typ", "Refresh"))),
		bad("Keycloak's offline token", all(inHeader("typ", "JWT"), claim("typ", "Offline"))),
		bad("Keycloak's logout token", all(inHeader("typ", "JWT"), claim("typ", "Logout"))),
		bad("payload typ that is no string", claim("typ", 1)),
		bad("rfc9068: typ JWT", all(strict, inHeader("typ", "JWT"))),
		bad("rfc9068: no typ", all(strict, inHeader("typ", gone))),
		bad("a known-bad typ of an unknown issuer", all(inHeader("typ", "dpop+jwt"), claim("iss", "https://x.example"))),
	)
}

// signatureDefects: RFC 7515, section 5.2; RFC 8725, sections 2.3 and 3.10.
func signatureDefects() []defect {
	bad := func(name string, alter alteration) defect {
		return defect{"signature: " + name, alter, reason.SignatureInvalid}
	}
	forged := func(d *draft) { d.key = d.world.forger }
	signature := func(bytes []byte) alteration {
		return sent(func(s string) string {
			return s[:strings.LastIndexByte(s, '.')+1] + base64.RawURLEncoding.EncodeToString(bytes)
		})
	}
	changed := func(s string) string {
		other := newDraft(newWorld(), claim("sub", "mallory")).token()
		parts, others := strings.Split(s, "."), strings.Split(other, ".")
		return parts[0] + "." + others[1] + "." + parts[2]
	}
	return []defect{
		bad("a forger's", forged),
		bad("a forger's, with the forger's key as jwk", all(forged, func(d *draft) { d.header["jwk"] = d.key.JWK() })),
		bad("a forger's, with jku and x5u", all(forged, inHeader("jku", "https://evil.example.com"), inHeader("x5u", "https://evil.example.com"))),
		bad("a forger's, with x5c", all(forged, inHeader("x5c", []string{"MIIB"}))),
		bad("another issuer's, whose key has the same kid", func(d *draft) { d.key = d.world.strictKey }),
		bad("another issuer's, the other way round", all(strict, func(d *draft) { d.key = d.world.keys["es"] })),
		bad("of another payload", sent(changed)),
		bad("empty", signature(nil)),
		bad("psychic: r and s zero, ES256", signature(make([]byte, 64))),
		bad("psychic: r and s zero, ES384", all(signedWith("es384", "ES384"), signature(make([]byte, 96)))),
		bad("psychic: r and s zero, ES512", all(signedWith("es512", "ES512"), signature(make([]byte, 132)))),
		bad("zero, EdDSA", all(signedWith("ed", "EdDSA"), signature(make([]byte, 64)))),
		bad("zero, RS256", all(signedWith("rs", "RS256"), signature(make([]byte, 256)))),
		bad("ES256: DER instead of r and s", signature(append([]byte{0x30, 0x44, 2, 32}, make([]byte, 66)...))),
		bad("ES256: one byte short", signature(make([]byte, 63))),
		bad("ES256: of the length of ES512", signature(make([]byte, 132))),
		bad("RS256: one byte short", all(signedWith("rs", "RS256"), signature(make([]byte, 255)))),
		bad("RS256: a zero in front", all(signedWith("rs", "RS256"), signature(make([]byte, 257)))),
		bad("EdDSA: a byte behind", all(signedWith("ed", "EdDSA"), sent(func(s string) string { return s + "AA" }))),
		bad("PS256's under RS256 by a key for both", all(signedWith("rsa-any", "PS256"), inHeader("alg", "RS256"))),
		bad("RS256's under PS256 by a key for both", all(signedWith("rsa-any", "RS256"), inHeader("alg", "PS256"))),
		bad("RS256's under RS512 by a key for both", all(signedWith("rsa-any", "RS256"), inHeader("alg", "RS512"))),
		{"key: unknown kid", inHeader("kid", "unknown"), reason.KeyUnknown},
		{"key: kid in another case", inHeader("kid", "ES"), reason.KeyUnknown},
		{"key: empty kid", inHeader("kid", ""), reason.KeyUnknown},
		{"key: kid as a path", inHeader("kid", "../../dev/null"), reason.KeyUnknown},
		{"key: a kid of another issuer's set", all(strict, inHeader("kid", "ed")), reason.KeyUnknown},
		bad("of none of the keys that fit, without kid", all(signedWith("rs", "RS256"), inHeader("kid", gone), signature(make([]byte, 256)))),
		{"binding: DPoP (X-1)", claim("cnf", map[string]any{"jkt": "x"}), reason.BindingUnproven},
		{"binding: mTLS (X-3)", claim("cnf", map[string]any{"x5t#S256": "x"}), reason.BindingUnproven},
		{"binding: empty", claim("cnf", map[string]any{}), reason.BindingUnproven},
		{"binding: rfc9068", all(strict, claim("cnf", map[string]any{"jkt": "x"})), reason.BindingUnproven},
	}
}

// leaked is a stretch of more than 8 bytes of the token that the detail repeats.
func leaked(detail, token string) string {
	const window = 9
	for i := 0; i+window <= len(token); i++ {
		if strings.Contains(detail, token[i:i+window]) {
			return token[i : i+window]
		}
	}
	return ""
}
