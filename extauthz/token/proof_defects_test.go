package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// proofDefect is one thing that is wrong with an exchange that is good in all
// else.
type proofDefect struct {
	name   string
	change twist
	detail string // what the log must say
}

// proofDefectCount is asserted, so that a row cannot be lost unnoticed.
const proofDefectCount = 138

func proofDefects() []proofDefect {
	tables := [][]proofDefect{
		proofHeaderDefects(), proofCompactDefects(), proofJOSEDefects(), proofKeyDefects(),
		proofClaimDefects(), proofTargetDefects(), proofTimeDefects(), proofSignatureDefects(),
	}
	var rows []proofDefect
	for _, table := range tables {
		rows = append(rows, table...)
	}
	return rows
}

// proofHeaderDefects: RFC 9449, section 4.3, check 1.
func proofHeaderDefects() []proofDefect {
	header := func(name, detail string, change func(string) []string) proofDefect {
		return proofDefect{"the header: " + name, proofSent(change), detail}
	}
	return []proofDefect{
		header("absent", "absent", func(string) []string { return []string{} }),
		header("twice", "more than one", func(s string) []string { return []string{s, s} }),
		header("twice, one empty", "more than one", func(s string) []string { return []string{s, ""} }),
		header("twice, joined by Envoy", "more than one", func(s string) []string { return []string{s + "," + s} }),
		header("a comma behind", "more than one", func(s string) []string { return []string{s + ","} }),
		header("a comma in front", "more than one", func(s string) []string { return []string{"," + s} }),
		header("empty", "not three parts", func(string) []string { return []string{""} }),
	}
}

// proofCompactDefects: RFC 9449, section 4.3, check 2, as strict as for tokens.
func proofCompactDefects() []proofDefect {
	sent := func(name, detail string, change func(string) string) proofDefect {
		return proofDefect{"compact: " + name, proofSent(func(s string) []string { return []string{change(s)} }), detail}
	}
	appended := func(text string) func(string) string { return func(s string) string { return s + text } }
	const alphabet, json = "a character outside base64url", "not strict JSON"
	withHeader := func(member string) twist {
		return proofHeaderText(func(s string) string { return "{" + member + "," + s[1:] })
	}
	withClaim := func(member string) twist {
		return proofPayload(func(s string) string { return "{" + member + "," + s[1:] })
	}
	constant := func(text string) func(string) string { return func(string) string { return text } }
	return []proofDefect{
		sent("a space in front", alphabet, func(s string) string { return " " + s }),
		sent("a space behind", alphabet, appended(" ")),
		sent("a line break behind", alphabet, appended("\n")),
		sent("padding", alphabet, appended("=")),
		sent("two parts", "not three parts", func(s string) string { return s[:strings.LastIndexByte(s, '.')] }),
		sent("four parts", "not three parts", appended(".AAAA")),
		sent("spare bits that are not zero", "not canonical base64url", func(s string) string {
			cut := strings.LastIndexByte(s, '.') + 1
			return s[:cut] + lastBitsSet(s[cut:])
		}),
		sent("over 8 KiB", "over the limit", func(s string) string { return s + strings.Repeat("A", maxProofBytes-len(s)+1) }),
		sent("flattened JSON serialisation", "more than one", func(s string) string {
			p := strings.Split(s, ".")
			return fmt.Sprintf(`{"protected":"%s","payload":"%s","signature":"%s"}`, p[0], p[1], p[2])
		}),
		{"json: a header name twice", withHeader(`"typ":"dpop+jwt"`), json},
		{"json: a name twice in jwk", proofHeaderText(func(s string) string { return strings.Replace(s, `"kty":`, `"kty":"EC","kty":`, 1) }), json},
		{"json: a claim twice", withClaim(`"jti":"p-1"`), json},
		{"json: a claim twice, once escaped", withClaim(`"\u006ati":"p-2"`), json},
		{"json: invalid UTF-8", withClaim("\"x\":\"\xff\""), json},
		{"json: bytes behind the payload", proofPayload(func(s string) string { return s + "x" }), "more than one JSON value"},
		{"json: the payload is an array", proofPayload(constant(`[]`)), "not a JSON object"},
		{"json: the header is an array", proofHeaderText(constant(`[]`)), "not a JSON object"},
	}
}

// proofJOSEDefects: RFC 9449, section 4.3, checks 4 and 5.
func proofJOSEDefects() []proofDefect {
	const typ, alg = "typ: not dpop+jwt", "alg: none, symmetric or unknown"
	header := func(name, detail, member string, value any) proofDefect {
		return proofDefect{"header: " + name, proofHeader(member, value), detail}
	}
	return []proofDefect{
		header("no typ", typ, "typ", gone),
		header("typ is null", typ, "typ", nil),
		header("typ is an array", typ, "typ", []string{"dpop+jwt"}),
		header("typ JWT", typ, "typ", "JWT"),
		header("typ of an access token", typ, "typ", "at+jwt"),
		header("typ of another tree", typ, "typ", "text/dpop+jwt"),
		header("typ with the prefix twice", typ, "typ", "application/application/dpop+jwt"),
		header("typ with a parameter", typ, "typ", "dpop+jwt; v=1"),
		header("typ with a space", typ, "typ", "dpop+jwt "),
		header("no alg", "alg: absent", "alg", gone),
		header("alg is a number", "alg: absent", "alg", 256),
		header("alg none", alg, "alg", "none"),
		header("alg HS256", alg, "alg", "HS256"),
		header("alg of another case", alg, "alg", "es256"),
		header("alg ES256K", alg, "alg", "ES256K"),
		header("alg RSA-OAEP", alg, "alg", "RSA-OAEP"),
		header("crit", "crit: present", "crit", []string{"exp"}),
		header("an empty crit", "crit: present", "crit", []string{}),
		header("b64 false", "b64: not true", "b64", false),
		header("kid is a number", "kid: not a string", "kid", 1),
		header("no jwk", "jwk: absent", "jwk", gone),
		header("jwk is null", "jwk: absent", "jwk", nil),
		header("jwk is a string", "jwk: absent", "jwk", string(jsonOf(publicJWK(newWorld().keys["es"])))),
		header("jwk is an array", "jwk: absent", "jwk", []any{publicJWK(newWorld().keys["es"])}),
		header("jwk is a key set", "jwk: kty", "jwk", map[string]any{"keys": []any{publicJWK(newWorld().keys["es"])}}),
		{"header: the key is in jku and x5c instead", twists(proofHeader("jwk", gone),
			proofHeader("jku", "https://mcp.example.com/jwks"), proofHeader("x5c", []string{"AAAA"})), "jwk: absent"},
	}
}

// proofKeyDefects: RFC 9449, section 4.3, check 7, and section 6.1.
func proofKeyDefects() []proofDefect {
	w := newWorld()
	jwk := func(name, detail, member string, value any) proofDefect {
		return proofDefect{"jwk: " + name, inJWK(member, value), detail}
	}
	const private = "jwk: a private or symmetric key"
	secret := jwttest.NewKey("HS256", "")
	fits := "alg: not an algorithm of the key"
	return []proofDefect{
		jwk("with d", private, "d", "AAAA"),
		jwk("with a null d", private, "d", nil),
		jwk("with p", private, "p", "AAAA"),
		jwk("with k", private, "k", "AAAA"),
		{"jwk: symmetric", twists(boundTo(secret, "HS256"), proofHeader("alg", "ES256")), private},
		jwk("of use enc", "jwk: use", "use", "enc"),
		jwk("for signing alone", "jwk: key_ops", "key_ops", []string{"sign"}),
		jwk("off its curve", "jwk:", "y", base64.RawURLEncoding.EncodeToString(make([]byte, 32))),
		jwk("without y", "jwk:", "y", gone),
		jwk("of an unknown curve", "jwk:", "crv", "secp256k1"),
		jwk("of another curve than its point", "jwk:", "crv", "P-384"),
		jwk("of an unknown type", "jwk: kty", "kty", "ec"),
		jwk("with another alg", "jwk: alg", "alg", "ES384"),
		jwk("with an alg that is no string", "jwk: alg", "alg", 1),
		{"jwk: another key than the token's", func(x *exchange) { // a whole proof by a thief
			x.key, x.header["jwk"] = w.forger, publicJWK(w.forger)
		}, "jwk: not the key that the token is bound to"},
		{"jwk: the token's key, but of another token", func(x *exchange) {
			x.confirmation.Thumbprint = thumbprintOf(w.strictKey)
		}, "jwk: not the key that the token is bound to"},
		{"jwk: of RSA, and alg ES256", twists(boundTo(w.keys["rs"], "RS256"), proofHeader("alg", "ES256")), fits},
		{"jwk: of P-256, and alg RS256", proofHeader("alg", "RS256"), fits},
		{"jwk: of P-256, and alg ES384", proofHeader("alg", "ES384"), fits},
		{"jwk: of P-256, and alg EdDSA", proofHeader("alg", "EdDSA"), fits},
		{"jwk: of alg RS256, and alg PS256", twists(boundTo(w.keys["rs"], "PS256"), inJWK("alg", "RS256")), fits},
		{"jwk: an RSA exponent of 1", twists(boundTo(w.keys["rs"], "RS256"), inJWK("e", "AQ")), "jwk: RSA exponent"},
		{"jwk: an RSA modulus of 1024 bits", twists(boundTo(w.keys["rs"], "RS256"), inJWK("n", strings.Repeat("_", 171))), "jwk: RSA modulus of 1024 bits"},
		{"jwk: an RSA modulus of 4104 bits", twists(boundTo(w.keys["rs"], "RS256"), inJWK("n", strings.Repeat("_", 684))), "jwk: RSA modulus of 4104 bits"},
		{"jwk: an RSA modulus of 16392 bits", twists(boundTo(w.keys["rs"], "RS256"), inJWK("n", strings.Repeat("_", 2732))), "jwk: RSA modulus of 16392 bits"},
		{"jwk: an RSA exponent of 3", twists(boundTo(w.keys["rs"], "RS256"), inJWK("e", "Aw")), "jwk: RSA exponent is not 65537"},
		{"jwk: an RSA exponent of 31 bits", twists(boundTo(w.keys["rs"], "RS256"), inJWK("e", "f____w")), "jwk: RSA exponent is not 65537"},
	}
}

// proofClaimDefects: RFC 9449, section 4.3, checks 3, 8 and 12.
func proofClaimDefects() []proofDefect {
	claim := func(name, detail, member string, value any) proofDefect {
		return proofDefect{"claims: " + name, proofClaim(member, value), detail}
	}
	method := func(name, signed, sent string) proofDefect {
		return proofDefect{"claims: " + name, twists(proofClaim("htm", signed),
			presented(func(p *Presentation) { p.Method = sent })), "htm: not the method"}
	}
	return []proofDefect{
		claim("no jti", "jti: absent", "jti", gone),
		claim("jti is null", "jti: not a string", "jti", nil),
		claim("jti is a number", "jti: not a string", "jti", 1),
		claim("jti is empty", "jti: empty", "jti", ""),
		claim("jti of 257 bytes", "jti: empty or over 256 bytes", "jti", strings.Repeat("x", 257)),
		claim("jti of 129 letters in 258 bytes", "jti: empty or over 256 bytes", "jti", strings.Repeat("é", 129)),
		claim("no htm", "htm: absent", "htm", gone),
		claim("htm is an array", "htm: not a string", "htm", []string{"POST"}),
		method("another method", "GET", "POST"),
		method("a method of another case", "post", "POST"),
		method("a method of another case, the other way", "POST", "post"),
		method("a method with a space", "POST ", "POST"),
		method("a request without a method", "", ""),
		claim("no htu", "htu: absent", "htu", gone),
		claim("htu is an array", "htu: not a string", "htu", []string{targetURL}),
		claim("no iat", "iat: absent", "iat", gone),
		claim("no ath", "ath: absent", "ath", gone),
		claim("ath is null", "ath: not a string", "ath", nil),
		claim("ath is empty", "ath: not the hash", "ath", ""),
		claim("ath of another token", "ath: not the hash", "ath", hashOf("another.access.token")),
		claim("ath with padding", "ath: not the hash", "ath", hashOf(accessToken)+"="),
		claim("ath is the token", "ath: not the hash", "ath", accessToken),
		claim("ath in hexadecimal", "ath: not the hash", "ath", fmt.Sprintf("%x", sha256.Sum256([]byte(accessToken)))),
		{"claims: the proof of another token", presented(func(p *Presentation) { p.Compact += "x" }), "ath: not the hash"},
		{"claims: names have case", twists(proofClaim("jti", gone), proofClaim("JTI", "p-1")), "jti: absent"},
	}
}

// proofTargetDefects: RFC 9449, section 4.3, check 9. What two spellings mean
// the same is in TestTargetURI.
func proofTargetDefects() []proofDefect {
	const plain, same = "htu: not a plain", "htu: not the URL"
	htu := func(name, detail, value string) proofDefect {
		return proofDefect{"htu: " + name, proofClaim("htu", value), detail}
	}
	return []proofDefect{
		htu("empty", plain, ""),
		htu("a path alone", plain, "/mcp"),
		htu("another scheme", same, "http://mcp.example.com/mcp"),
		htu("another host", same, "https://evil.example.com/mcp"),
		htu("another port", same, "https://mcp.example.com:8443/mcp"),
		htu("another path", same, "https://mcp.example.com/mcp/x"),
		htu("a path of another case", same, "https://mcp.example.com/MCP"),
		htu("a slash behind", same, "https://mcp.example.com/mcp/"),
		htu("the origin alone", same, "https://mcp.example.com"),
		htu("the right one in the query", same, "https://evil.example.com/?https://mcp.example.com/mcp"),
		htu("user information", plain, "https://mcp.example.com@evil.example.com/mcp"),
		htu("a dot segment", plain, "https://mcp.example.com/x/../mcp"),
		{"htu: no URL is right for this request", presented(func(p *Presentation) { p.URLs = nil }), same},
	}
}

// proofTimeDefects: RFC 9449, section 4.3, check 11.
func proofTimeDefects() []proofDefect {
	iat := func(name, detail string, value any) proofDefect {
		return proofDefect{"iat: " + name, proofClaim("iat", value), detail}
	}
	const far, ahead = "iat: over 5 minutes ago", "iat: further ahead than clock_skew allows"
	return []proofDefect{
		iat("a second too old", far, testTime.Add(-proofWindow-time.Second).Unix()),
		iat("a second too far ahead", ahead, testTime.Add(skew+time.Second).Unix()),
		{"iat: a fraction too old", issuedAt(fmt.Sprintf("%d.9", testTime.Add(-proofWindow).Unix()-1)), far},
		{"iat: a fraction too far ahead", issuedAt(fmt.Sprintf("%d.1", testTime.Add(skew).Unix())), ahead},
		iat("in milliseconds", "iat: not a date", testTime.UnixMilli()),
		iat("zero", far, 0),
		iat("a string", "iat: not a number", fmt.Sprint(testTime.Unix())),
		iat("null", "iat: not a number", nil),
		iat("true", "iat: not a number", true),
		{"iat: beyond any number", issuedAt("1e999"), "iat: not a date"},
		{"iat: far ahead, where durations end", issuedAt("253402300799"), ahead},
		{"iat: far back, where durations end", issuedAt("-62167219200"), far},
	}
}

// proofSignatureDefects: RFC 9449, section 4.3, check 6.
func proofSignatureDefects() []proofDefect {
	const verify, length = "signature: does not verify", "signature: not of the length"
	signature := func(name, detail string, change func(signature []byte) []byte) proofDefect {
		return proofDefect{"signature: " + name, proofSent(func(s string) []string {
			cut := strings.LastIndexByte(s, '.') + 1
			old, err := base64.RawURLEncoding.DecodeString(s[cut:])
			if err != nil {
				panic(err)
			}
			return []string{s[:cut] + base64.RawURLEncoding.EncodeToString(change(old))}
		}), detail}
	}
	w := newWorld()
	return []proofDefect{
		signature("one bit off", verify, func(s []byte) []byte { s[40] ^= 1; return s }),
		signature("all zeros (psychic)", verify, func(s []byte) []byte { return make([]byte, len(s)) }),
		signature("empty", length, func([]byte) []byte { return nil }),
		signature("cut short", length, func(s []byte) []byte { return s[:62] }),
		signature("a byte behind", length, func(s []byte) []byte { return append(s, 0) }),
		{"signature: by another key", func(x *exchange) { x.key = w.forger }, verify},
		{"signature: an HMAC with the public key", func(x *exchange) {
			x.raw = func(header, payload []byte) string {
				input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
				mac := hmac.New(sha256.New, jsonOf(x.header["jwk"]))
				mac.Write([]byte(input))
				return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
			}
		}, length},
		{"signature: of RS256, and alg PS256", func(x *exchange) {
			boundTo(w.keys["rs"], "RS256")(x)
			x.header["alg"] = "PS256"
		}, verify},
		{"signature: the payload was changed", proofSent(func(s string) []string {
			parts := strings.Split(s, ".")
			parts[1] = base64.RawURLEncoding.EncodeToString(jsonOf(newExchange(proofClaim("jti", "p-2")).claims))
			return []string{strings.Join(parts, ".")}
		}), verify},
		{"signature: the header was changed", proofSent(func(s string) []string {
			parts := strings.Split(s, ".")
			parts[0] = base64.RawURLEncoding.EncodeToString(jsonOf(newExchange(proofHeader("x", 1)).header))
			return []string{strings.Join(parts, ".")}
		}), verify},
		{"signature: that of an access token by the same key", proofSent(func(string) []string {
			return []string{w.keys["es"].Sign(goodClaims())}
		}), "typ: not dpop+jwt"},
	}
}
