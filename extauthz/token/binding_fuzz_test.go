package token

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// place is what a URI names, read with the standard library.
type place struct {
	Scheme, Host, Port string
	Segments           []string
}

func placeOf(t *testing.T, raw string) place {
	t.Helper()
	raw = raw[:strings.IndexAny(raw+"?", "?#")]
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.User != nil {
		t.Fatalf("%q: read as a plain URI, and it is none: %v", raw, err)
	}
	p := place{Scheme: u.Scheme, Host: strings.ToLower(u.Hostname()), Port: u.Port()}
	if address, err := netip.ParseAddr(p.Host); err == nil {
		p.Host = address.String()
	}
	if p.Port == "" {
		p.Port = map[string]string{"http": "80", "https": "443"}[p.Scheme]
	}
	_, rest, _ := strings.Cut(raw, "://")
	_, path, _ := strings.Cut(rest, "/")
	for segment := range strings.SplitSeq(path, "/") {
		decoded, err := url.PathUnescape(segment)
		if err != nil || decoded == "." || decoded == ".." {
			t.Fatalf("%q: segment %q: %v", raw, segment, err)
		}
		p.Segments = append(p.Segments, decoded)
	}
	return p
}

// Two URIs are equal only if they name the same place, to a reader who knows
// nothing of how they were compared.
func FuzzHTU(f *testing.F) {
	for _, seed := range [][2]string{
		{"https://mcp.example.com/mcp", "HTTPS://mcp.example.com:443/%6dcp?x#y"},
		{"http://[::1]:8080/", "http://[0:0::1]:8080"},
		{"https://a/b%2fc", "https://a/b/c"},
		{"https://a/%2e%2e/b", "https://a/b"},
		{"https://a/b%25%32%46c", "https://a/b%2Fc"},
		{"http://a:080/", "https://a@b/"},
		{"https://a?/b", "https://a#/b"},
		{"https://a\\b/", "https://a/\x00"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		oneA, okA := targetURI(a)
		oneB, okB := targetURI(b)
		if !okA {
			return
		}
		if again, ok := targetURI(oneA); !ok || again != oneA {
			t.Fatalf("%q became %q and then %q", a, oneA, again)
		}
		if diff := cmp.Diff(placeOf(t, a), placeOf(t, oneA)); diff != "" {
			t.Errorf("%q and its spelling %q: %s", a, oneA, diff)
		}
		if okB && oneA == oneB {
			if diff := cmp.Diff(placeOf(t, a), placeOf(t, b)); diff != "" {
				t.Errorf("%q and %q: %s", a, b, diff)
			}
		}
	})
}

// Only a proof that the bound key signed, for this method, URL, token and time,
// passes; read again with encoding/json.
func FuzzProof(f *testing.F) {
	w := newWorld()
	signers := []*jwttest.Key{w.keys["es"], w.forger}
	for _, row := range proofDefects() {
		x := newExchange(row.change)
		f.Add(jsonOf(x.header), jsonOf(x.claims), uint8(0))
	}
	x := newExchange()
	f.Add(jsonOf(x.header), jsonOf(x.claims), uint8(0))
	f.Add(jsonOf(x.header), jsonOf(x.claims), uint8(1))
	f.Fuzz(func(t *testing.T, header, payload []byte, signer uint8) {
		x, key := newExchange(), signers[int(signer)%len(signers)]
		x.presentation.Proofs = []string{key.SignRaw(header, payload)}
		if _, refusal := x.prove(t, binderAt(newClock())); refusal != nil {
			return
		}
		if key != signers[0] {
			t.Fatal("signed by another key")
		}
		var head, claims map[string]any
		if err := json.Unmarshal(header, &head); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		typ, _ := head["typ"].(string)
		id, _ := claims["jti"].(string)
		iat, _ := claims["iat"].(float64)
		htu, _ := claims["htu"].(string)
		good := strings.HasSuffix(strings.ToLower(typ), "dpop+jwt") && head["alg"] == "ES256" && head["crit"] == nil &&
			claims["htm"] == "POST" && claims["ath"] == hashOf(accessToken) && id != "" && len(id) <= 256 &&
			testTime.Add(-proofWindow).Unix() <= int64(iat) && int64(iat) <= testTime.Add(skew).Unix()
		if !good {
			t.Errorf("accepted: %s.%s", header, payload)
		}
		if jwk, _ := head["jwk"].(map[string]any); jwk["d"] != nil || jwk["kty"] != "EC" {
			t.Errorf("accepted with the key %v", jwk)
		}
		if !slices.ContainsFunc(x.presentation.URLs, func(target string) bool {
			return cmp.Equal(placeOf(t, target), placeOf(t, htu))
		}) {
			t.Errorf("accepted for %q", htu)
		}
	})
}

// What was changed on the way is no proof: of all that can be sent, only what
// the client signed passes. (An ECDSA signature has a twin; what it covers has
// none.)
func FuzzProofText(f *testing.F) {
	whole := newExchange().proof()
	signed := whole[:strings.LastIndexByte(whole, '.')+1]
	f.Add(whole)
	for _, row := range proofDefects() {
		for _, proof := range newExchange(row.change).present().Proofs {
			if len(proof) < 4096 {
				f.Add(proof)
			}
		}
	}
	f.Fuzz(func(t *testing.T, proof string) {
		x := newExchange()
		x.presentation.Proofs = []string{proof}
		if _, refusal := x.prove(t, binderAt(newClock())); refusal == nil && !strings.HasPrefix(proof, signed) {
			t.Errorf("accepted: %q", proof)
		}
	})
}

// No proof is ever accepted twice, whatever happens in between and also where
// the clock is set back; no jti is while its proof is fresh; and the books are
// right: a model of three keys and eight jti, in the order of the input's bytes.
func FuzzReplays(f *testing.F) {
	f.Add([]byte{0, 0, 1, 1, 64, 0, 128, 254, 3})
	f.Add([]byte{0, 254, 254, 255, 0, 0, 200, 255, 0})
	f.Add([]byte("an hour has 3600 seconds, and a proof ends after 300"))
	f.Fuzz(func(t *testing.T, steps []byte) {
		c := newClock()
		r := newReplayCache(c.read, 6*proofBytes, 4)
		last := map[string]time.Time{} // when what was accepted last stops being fresh
		spent, setBack := map[string]bool{}, false
		for _, step := range steps {
			if step == 255 {
				c.move(-7 * time.Minute)
				setBack = true
				continue
			}
			if step >= 192 {
				c.move(time.Duration(step-192) * 7 * time.Second)
				continue
			}
			key, id := fmt.Sprint(step%3), fmt.Sprint(step/3%8)
			issued := c.read().Add(time.Duration(int(step/24)-6) * 60 * time.Second)
			if r.record(key, id, issued, fingerprint{}, skew) != "" {
				continue
			}
			if proof := fmt.Sprint(key, id, issued); spent[proof] {
				t.Fatalf("step %d: key %s, jti %s of %v accepted again", step, key, id, issued)
			} else {
				spent[proof] = true
			}
			if end := last[key+" "+id]; !c.read().After(end) && (!setBack || !issued.After(end.Add(-proofWindow))) {
				t.Fatalf("step %d: key %s, jti %s accepted again", step, key, id)
			}
			if age := c.read().Sub(issued); age > proofWindow || age < -skew {
				t.Fatalf("step %d: %v old", step, age)
			}
			last[key+" "+id] = issued.Add(proofWindow)
			checkBooks(t, r)
		}
	})
}

func checkBooks(t *testing.T, r *replayCache) {
	t.Helper()
	live, listed := 0, 0
	for key, proofs := range r.live {
		live += proofs
		if proofs <= 0 || proofs > r.perKey {
			t.Errorf("key %x has %d proofs", key, proofs)
		}
	}
	for _, proofs := range r.ending {
		listed += len(proofs)
	}
	if live != len(r.seen) || listed != len(r.seen) || r.bytes() > r.maxBytes {
		t.Errorf("%d proofs, %d counted, %d listed, %d bytes of %d", len(r.seen), live, listed, r.bytes(), r.maxBytes)
	}
}
