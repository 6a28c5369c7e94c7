package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// Examples written from the RFCs. RFC 7515, appendix A: the payload of A.1 to
// A.3, the RSA key of A.2, the EC keys of A.3 and A.4.
const (
	joe    = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	modA2  = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
	sigA2  = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
	xA3    = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
	yA3    = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
	sigA3  = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	xA4    = "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk"
	yA4    = "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"
	hs256  = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
	sigA1  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	rs256  = "eyJhbGciOiJSUzI1NiJ9"
	es256  = "eyJhbGciOiJFUzI1NiJ9"
	noAlg  = "eyJhbGciOiJub25lIn0"
	tokA4  = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
	tokEd  = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
	xEd    = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
	figA7  = `{"payload":"` + joe + `","protected":"` + es256 + `","header":{"kid":"e9bc097a-ce51-4036-9562-d2ade882db0d"},"signature":"` + sigA3 + `"}`
	bothA6 = `{"payload":"` + joe + `","signatures":[{"protected":"` + rs256 + `","header":{"kid":"2010-12-29"},"signature":"` + sigA2 + `"},{"protected":"` + es256 + `","header":{"kid":"e9bc097a-ce51-4036-9562-d2ade882db0d"},"signature":"` + sigA3 + `"}]}`
)

// RFC 7520, sections 3 and 4: the payload of every example, the RSA key of
// section 3.4, the EC key of section 3.1.
const (
	frodo      = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4"
	modBilbo   = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw"
	xBilbo     = "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt"
	yBilbo     = "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"
	rs256Bilbo = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9"
	ps384Bilbo = "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9"
	es512Bilbo = "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9"
	hs256Oct   = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9"
	hs256Bare  = "eyJhbGciOiJIUzI1NiJ9"
	sig41      = "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg"
	sig42      = "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw"
	sig43      = "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2"
	sig44      = "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0"
	sig46      = "bWUSVaxorn7bEF1djytBd0kHv70Ly5pvbomzMWSOr20"
	sig47      = "xuLifqLGiblpv9zBpuZczWhNj1gARaLV3UxvxhJxZuk"
	sig48      = "MIsjqtVlOpa71KE-Mss8_Nq2YH4FGhiocsqrgi5NvyG53uoimic1tcMdSg-qptrzZc7CG6Svw2Y13TDIqHzTUrL_lR2ZFcryNFiHkSw129EghGpwkpxaTn_THJTCglNbADko1MZBCdwzJxwqZc-1RlpO2HibUYyXSwO97BSe0_evZKdjvvKSgsIqjytKSeAMbhMBdMma622_BG5t4sdbuCHtFjp9iJmkio47AIwqkZV1aIZsv33uPUqBBCXbYoQJwt7mxPftHmNlGoOSMxR_3thmXTCm4US-xiNOyhbm8afKK64jU6_TPtQHiJeQJxz9G3Tx-083B745_AfYOnlC9w"
	sig48b     = "ARcVLnaJJaUWG8fG-8t5BREVAuTY8n8YHjwDO1muhcdCoFZFFjfISu0Cdkn9Ybdlmi54ho0x924DUz8sK7ZXkhc7AFM8ObLfTvNCrqcI3Jkl2U5IX3utNhODH6v7xgy1Qahsn0fyb4zSAkje8bAWz4vIfj5pCMYxxm4fgV3q7ZYhm5eD"
	three48    = `{"payload":"` + frodo + `","signatures":[{"protected":"` + rs256 + `","header":{"kid":"bilbo.baggins@hobbiton.example"},"signature":"` + sig48 + `"},{"header":{"alg":"ES512","kid":"bilbo.baggins@hobbiton.example"},"signature":"` + sig48b + `"},{"protected":"` + hs256Oct + `","signature":"` + sig44 + `"}]}`
	octHeader  = `"header":{"kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037"}`
)

// The signatures of the RFCs verify, and no longer once a bit is another one.
func TestSignaturesOfTheRFCs(t *testing.T) {
	rows := []struct {
		source, alg string
		public      crypto.PublicKey
		token       string
	}{
		{"RFC 7515 A.2", "RS256", rsaKey(modA2), rs256 + "." + joe + "." + sigA2},
		{"RFC 7515 A.3", "ES256", ecKey(elliptic.P256(), xA3, yA3), es256 + "." + joe + "." + sigA3},
		{"RFC 7515 A.4", "ES512", ecKey(elliptic.P521(), xA4, yA4), tokA4},
		{"RFC 7520 4.1", "RS256", rsaKey(modBilbo), rs256Bilbo + "." + frodo + "." + sig41},
		{"RFC 7520 4.2", "PS384", rsaKey(modBilbo), ps384Bilbo + "." + frodo + "." + sig42},
		{"RFC 7520 4.3", "ES512", ecKey(elliptic.P521(), xBilbo, yBilbo), es512Bilbo + "." + frodo + "." + sig43},
		{"RFC 7520 4.8, the first", "RS256", rsaKey(modBilbo), rs256 + "." + frodo + "." + sig48},
		{"RFC 8037 A.5", "EdDSA", ed25519.PublicKey(octets(xEd)), tokEd},
		{"RFC 8037 A.5, as RFC 9864 names it", "Ed25519", ed25519.PublicKey(octets(xEd)), tokEd},
	}
	algorithms := newAlgorithms()
	for _, row := range rows {
		t.Run(row.source, func(t *testing.T) {
			a, known := algorithms[row.alg]
			if !known {
				t.Fatal("algorithm unknown")
			}
			dot := strings.LastIndexByte(row.token, '.')
			input, signature := []byte(row.token[:dot]), octets(row.token[dot+1:])
			if got := a.signatureSize(row.public); got != len(signature) {
				t.Errorf("size %d, want %d", got, len(signature))
			}
			if err := a.verifier.Verify(input, signature, row.public); err != nil {
				t.Error(err)
			}
			signature[len(signature)/2] ^= 1
			if a.verifier.Verify(input, signature, row.public) == nil {
				t.Error("a changed signature verifies")
			}
		})
	}
}

// As access tokens all of them are refused: they are unsigned, symmetric, in
// another serialisation, no JSON, or lack an audience.
func TestTokensOfTheRFCs(t *testing.T) {
	rows := []struct {
		source, token string
		want          reason.Reason
	}{
		{"RFC 7515 A.1, HS256", hs256 + "." + joe + "." + sigA1, reason.AlgorithmNotAllowed},
		{"RFC 7515 A.2, RS256 without aud", rs256 + "." + joe + "." + sigA2, reason.ClaimsMissing},
		{"RFC 7515 A.3, ES256 without aud", es256 + "." + joe + "." + sigA3, reason.ClaimsMissing},
		{"RFC 7515 A.4, no JSON", tokA4, reason.TokenMalformed},
		{"RFC 7515 A.5, unsecured", noAlg + "." + joe + ".", reason.AlgorithmNotAllowed},
		{"RFC 7515 A.6, general JSON serialisation", bothA6, reason.TokenMalformed},
		{"RFC 7515 A.7, flattened JSON serialisation", figA7, reason.TokenMalformed},
		{"RFC 7520 4.1, no JSON", rs256Bilbo + "." + frodo + "." + sig41, reason.TokenMalformed},
		{"RFC 7520 4.2, no JSON", ps384Bilbo + "." + frodo + "." + sig42, reason.TokenMalformed},
		{"RFC 7520 4.3, no JSON", es512Bilbo + "." + frodo + "." + sig43, reason.TokenMalformed},
		{"RFC 7520 4.4, HS256, no JSON", hs256Oct + "." + frodo + "." + sig44, reason.TokenMalformed},
		{"RFC 7520 4.5, detached", hs256Oct + ".." + sig44, reason.TokenMalformed},
		{"RFC 7520 4.6, unprotected members", `{"payload":"` + frodo + `","protected":"` + hs256Bare + `",` + octHeader + `,"signature":"` + sig46 + `"}`, reason.TokenMalformed},
		{"RFC 7520 4.7, no protected header", `{"payload":"` + frodo + `","header":{"alg":"HS256","kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037"},"signature":"` + sig47 + `"}`, reason.TokenMalformed},
		{"RFC 7520 4.7, as a compact JWS", "." + frodo + "." + sig47, reason.TokenMalformed},
		{"RFC 7520 4.8, three signatures", three48, reason.TokenMalformed},
		{"RFC 7520 4.8, the first of them as a compact JWS, no JSON", rs256 + "." + frodo + "." + sig48, reason.TokenMalformed},
		{"RFC 8037 A.4, no JSON", tokEd, reason.TokenMalformed},
	}
	document := fmt.Sprintf(`{"keys":[{"kty":"RSA","n":"%s","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"%s","y":"%s"}]}`, modA2, xA3, yA3)
	issuer := &Issuer{ID: "joe", Algorithms: DefaultAlgorithms(), Keys: staticSource("joe", []byte(document))}
	v := at(time.Unix(1300819380, 0).Add(-time.Hour))
	for _, row := range rows {
		t.Run(row.source, func(t *testing.T) {
			_, refusal := v.Verify(t.Context(), row.token, func(string, string) (*Issuer, bool) { return issuer, false })
			if refusal == nil || refusal.Reason != row.want {
				t.Errorf("%+v, want %v", refusal, row.want)
			}
		})
	}
}

// The access token of RFC 9068, section 2.2 and figure 2, under a key of ours.
func TestTokenOfRFC9068(t *testing.T) {
	const iss = "https://authorization-server.example.com/"
	key := jwttest.NewKey("RS256", "RjEwOwOA")
	token := key.SignRaw(
		[]byte(`{"typ":"at+JWT","alg":"RS256","kid":"RjEwOwOA"}`),
		[]byte(`{"iss":"`+iss+`","sub":"5ba552d67","aud":"https://rs.example.com/","exp":1639528912,"iat":1618354090,"jti":"dbe39bf3a3ba4238a513f51d6e1691c4","client_id":"s6BhdRkqt3","scope":"openid profile reademail"}`))
	for _, profile := range []Profile{Standard, RFC9068} {
		issuer := &Issuer{ID: iss, Profile: profile, Algorithms: []string{"RS256"}, Keys: staticSource(iss, jwttest.JWKS(key))}
		trusted := func(string, string) (*Issuer, bool) { return issuer, false }
		claims, refusal := at(time.Unix(1618354090, 0)).Verify(t.Context(), token, trusted)
		if refusal != nil || claims.Client != "s6BhdRkqt3" || len(claims.Scopes) != 3 {
			t.Errorf("%v: %+v, %+v", profile, claims, refusal)
		}
		_, refusal = at(time.Unix(1639528912, 0).Add(skew)).Verify(t.Context(), token, trusted)
		if refusal == nil || refusal.Reason != reason.TokenExpired {
			t.Errorf("%v: %+v", profile, refusal)
		}
	}
}

// A key of another kind than the algorithm's has no signature of any length,
// whatever set it came from.
func TestSignatureSizeOfForeignKeys(t *testing.T) {
	rsa, p256, ed := rsaKey(modA2), ecKey(elliptic.P256(), xA3, yA3), ed25519.PublicKey(octets(xEd))
	rows := map[string][]crypto.PublicKey{
		"RS256": {p256, ed, nil, []byte("secret")},
		"PS512": {p256, ed, nil},
		"ES256": {rsa, ed, ecKey(elliptic.P521(), xBilbo, yBilbo), nil},
		"ES512": {rsa, ed, p256, nil},
		"EdDSA": {rsa, p256, nil},
	}
	algorithms := newAlgorithms()
	for alg, keys := range rows {
		for _, key := range keys {
			if got := algorithms[alg].signatureSize(key); got != -1 {
				t.Errorf("%s with %T: %d", alg, key, got)
			}
		}
	}
}

func octets(base64url string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(base64url)
	if err != nil {
		panic(err)
	}
	return b
}

func rsaKey(modulus string) *rsa.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).SetBytes(octets(modulus)), E: 65537}
}

func ecKey(curve elliptic.Curve, x, y string) *ecdsa.PublicKey {
	key, err := ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, octets(x)...), octets(y)...))
	if err != nil {
		panic(err)
	}
	return key
}
