package tokensearch

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
)

// alarms: `go test -run TestNoFalseAlarms -v ./internal/tokensearch -alarms 1000000` was
// run once, and is too slow for every run.
var alarms = flag.Int("alarms", 5000, "the `number` of opaque strings, and of foreign JWTs, for TestNoFalseAlarms")

type opaque struct{ *rand.Rand }

func (o opaque) bytes(shortest, longest int) []byte {
	all := make([]byte, shortest+o.IntN(longest-shortest+1))
	for i := range all {
		all[i] = byte(o.Uint32())
	}
	return all
}

func (o opaque) url(shortest, longest int) string {
	return base64.RawURLEncoding.EncodeToString(o.bytes(shortest, longest))
}

// kinds are strings that are no JWT, many of which look like one.
func (o opaque) kinds() map[string]func() string {
	return map[string]func() string{
		"base64url":             func() string { return o.url(16, 200) },
		"base64":                func() string { return base64.StdEncoding.EncodeToString(o.bytes(16, 2000)) },
		"hexadecimal":           func() string { return hex.EncodeToString(o.bytes(16, 200)) },
		"base32":                func() string { return base32.StdEncoding.EncodeToString(o.bytes(16, 200)) },
		"bytes":                 func() string { return string(o.bytes(16, 2000)) },
		"three parts":           func() string { return o.url(8, 60) + "." + o.url(8, 300) + "." + o.url(32, 64) },
		"three parts, a header": func() string { return encode(`{"alg":"A"}`) + "." + o.url(8, 300) + "." + o.url(32, 64) },
		"JWE": func() string {
			return encode(`{"alg":"dir","enc":"A256GCM"}`) + ".." + o.url(12, 12) + "." + o.url(16, 900) + "." + o.url(16, 16)
		},
		"PASETO":        func() string { return "v4.public." + o.url(64, 300) + "." + o.url(8, 20) },
		"signed cookie": func() string { return encode(`{"_user_id":"1"}`) + "." + o.url(4, 4) + "." + o.url(20, 20) },
		"number and HMAC": func() string {
			return fmt.Sprintf("%d.%d.%s", o.Uint32(), o.Uint32(), hex.EncodeToString(o.bytes(32, 32)))
		},
		"macaroon": func() string {
			return base64.StdEncoding.EncodeToString(append([]byte("\x02\x01aud\x00"), o.bytes(100, 300)...))
		},
		"host name": func() string { return o.url(3, 9) + "." + o.url(3, 9) + ".example.com" },
		"payload": func() string {
			return `{"payload":"` + base64.StdEncoding.EncodeToString(o.bytes(16, 300)) + `","signature":"` + o.url(64, 64) + `"}`
		},
	}
}

// claims are those of another service.
func (o opaque) claims() map[string]any {
	return map[string]any{
		"iss": "https://login-" + hex.EncodeToString(o.bytes(2, 6)) + ".example.org/", "sub": o.url(8, 20), "jti": o.url(12, 12),
		"aud": []any{"https://api.example.org/" + hex.EncodeToString(o.bytes(1, 4)), "urn:" + o.url(4, 9)},
		"exp": json.Number(strconv.Itoa(1_700_000_000 + o.IntN(1e8))), "scope": "read write", "nested": map[string]any{"a": []any{true, nil}},
	}
}

// TestNoFalseAlarms: an opaque string is no candidate, in any encoding that is removed.
// A JWT of another service is one, and its claims are those that it has: nothing of
// what is searched beside it changes whom it is for, so that it can be judged by them.
func TestNoFalseAlarms(t *testing.T) {
	number, o := *alarms, opaque{rand.New(rand.NewPCG(7, 8))}
	wrap := func(text string) string {
		switch o.IntN(4) {
		case 0:
			return "Bearer " + text
		case 1:
			return base64.StdEncoding.EncodeToString([]byte(text))
		case 2:
			return `{"token":` + strconv.QuoteToASCII(text) + `}`
		default:
			return text
		}
	}
	for name, kind := range o.kinds() {
		for range number / len(o.kinds()) {
			value := wrap(kind())
			for candidate, err := range Find(in(value)) {
				t.Fatalf("%s: %q has a candidate: %v %v", name, value, candidate.Claims, err)
			}
		}
	}
	foreignTokens := 0
	for range number {
		want := o.claims()
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		value := wrap(encode(`{"alg":"ES256","kid":"`+o.url(4, 8)+`"}`) + "." + encode(string(text)) + "." + o.url(64, 64))
		for candidate, err := range Find(in(value)) {
			if foreignTokens++; err != nil || !reflect.DeepEqual(candidate.Claims, want) || candidate.Header["alg"] != "ES256" {
				t.Fatalf("%q: %v %v %v", value, candidate.Header, candidate.Claims, err)
			}
		}
	}
	if foreignTokens != number {
		t.Errorf("%d of %d tokens are found, each once", foreignTokens, number)
	}
	t.Logf("%d opaque strings of %d kinds: no candidate; %d foreign JWTs: found with their own claims", number, len(o.kinds()), number)
}
