package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// Whatever becomes of a good token on its way: what is accepted says, byte for
// byte, what one of our keys signed, and no refusal repeats the token. The keys
// are other ones in every process, so the input is the change, not the token:
// the bytes at an offset are dropped, others put in their place.
func FuzzVerify(f *testing.F) {
	w := newWorld()
	kids := []string{"ed", "es", "rs", "es512", "ps"}
	var tokens []string
	for _, kid := range kids {
		tokens = append(tokens, newDraft(w, signedWith(kid, w.keys[kid].Alg)).token())
	}
	signed := map[string]bool{}
	for i, token := range tokens {
		signed[signingInput(token)] = true
		f.Add(uint8(i), uint16(0), uint16(0), "")
		f.Add(uint8(i), uint16(len(token)-1), uint16(1), "A")
		f.Add(uint8(i), uint16(40), uint16(4), "AAAA")
	}
	for _, row := range defects() { // none of these is accepted, signed or not
		if token := newDraft(w, row.alter).token(); len(token) < 4096 {
			f.Add(uint8(0), uint16(0), uint16(math.MaxUint16), token)
		}
	}
	v := at(testTime)
	f.Fuzz(func(t *testing.T, which uint8, offset, drop uint16, put string) {
		token := tokens[int(which)%len(tokens)]
		head := token[:min(int(offset), len(token))]
		tail := token[min(len(head)+int(drop), len(token)):]
		changed := head + put + tail
		claims, refusal := asBearer(v.Verify(t.Context(), changed, w.trusted))
		if (claims == nil) == (refusal == nil) {
			t.Fatalf("claims %v and refusal %v: want exactly one", claims, refusal)
		}
		if refusal == nil {
			if !signed[signingInput(changed)] {
				t.Fatalf("accepted, and never signed: %q", changed)
			}
			return
		}
		if changed == token {
			t.Errorf("unchanged, and refused: %+v", refusal)
		}
		if refusal.Reason == reason.Allowed || refusal.Reason == reason.Internal {
			t.Errorf("refused as %v", refusal.Reason)
		}
		if leak := leaked(refusal.Detail, changed); leak != "" {
			t.Errorf("detail %q repeats %q of the token", refusal.Detail, leak)
		}
	})
}

func signingInput(token string) string {
	return token[:max(0, strings.LastIndexByte(token, '.'))]
}

// Whatever an issuer signs: what is accepted has, in another JSON decoder's
// eyes too, that issuer, an audience, a time that has not passed, and no crit.
func FuzzSigned(f *testing.F) {
	key := jwttest.NewKey("EdDSA", "k")
	issuer := &Issuer{ID: usualID, Algorithms: DefaultAlgorithms(), Keys: staticSource(usualID, jwttest.JWKS(key))}
	good, err := json.Marshal(goodClaims())
	if err != nil {
		f.Fatal(err)
	}
	const header = `{"alg":"EdDSA","kid":"k","typ":"at+jwt"}`
	f.Add([]byte(header), good)
	f.Add([]byte(`{"alg":"Ed25519","b64":true,"typ":"JWT"}`), good)
	f.Add([]byte(header), bytes.Replace(good, []byte(`"aud":"`), []byte(`"aud":["x"],"AUD":"`), 1))
	f.Add([]byte(header), bytes.Replace(good, []byte(`{`), []byte(`{"cnf":null,"exp":1e400,`), 1))
	v := at(testTime)
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		claims, _ := v.Verify(t.Context(), key.SignRaw(header, payload), func(iss, _ string) (*Issuer, bool) {
			if iss != usualID {
				return nil, false
			}
			return issuer, false
		})
		if claims == nil {
			return
		}
		var h, c map[string]any
		if err := json.Unmarshal(header, &h); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(payload, &c); err != nil {
			t.Fatal(err)
		}
		exp, _ := c["exp"].(float64)
		_, crit := h["crit"]
		_, bound := c["cnf"]
		latest := float64(testTime.Add(-skew).Unix())
		if c["iss"] != usualID || c["aud"] == nil || exp < latest || crit || bound {
			t.Errorf("accepted header %s, payload %s", header, payload)
		}
		if claims.Expiry.Before(testTime.Add(-skew)) || claims.Expiry.After(time.Unix(yearTenThousand, 0)) {
			t.Errorf("expiry %v", claims.Expiry)
		}
	})
}

// A token has one spelling: what is accepted encodes to the same bytes again,
// and its JSON is JSON for encoding/json as well.
func FuzzCompact(f *testing.F) {
	w := newWorld()
	f.Add(newDraft(w).token())
	for _, row := range append(compactDefects(), jsonDefects()...) {
		if token := newDraft(w, row.alter).token(); len(token) < 4096 {
			f.Add(token)
		}
	}
	f.Fuzz(func(t *testing.T, token string) {
		parts, flaw := split(token, defaultMaxBytes)
		if flaw != "" {
			return
		}
		encoded := make([]string, len(parts))
		for i, part := range parts {
			encoded[i] = base64.RawURLEncoding.EncodeToString(part)
		}
		if again := strings.Join(encoded, "."); again != token {
			t.Fatalf("%q became %q", token, again)
		}
		for _, part := range parts[:2] {
			if document, flaw := scanObject(part, nil); flaw == "" && (document.Object() == nil || !json.Valid(part)) {
				t.Errorf("no JSON object: %q", part)
			}
		}
	})
}
