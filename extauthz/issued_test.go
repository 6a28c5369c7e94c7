package extauthz_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/assertion"
	"github.com/doorward/doorward/internal/handle"
)

const (
	handleLifetime    = 5 * time.Minute
	assertionLifetime = time.Minute
)

// counted is randomness that counts how often it was read.
type counted struct{ reads atomic.Int64 }

func (c *counted) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return rand.Read(p)
}

// issuing is a service whose server weather gets a handle and an assertion.
type issuing struct {
	*testService
	sealer *handle.Sealer
	signer *assertion.Signer
	seals  counted
	signs  counted
	now    time.Time
}

func handleKey(b byte) []byte { return bytes.Repeat([]byte{b}, handle.KeyBytes) }

func startIssuing(t *testing.T, changes ...func(*plan)) *issuing {
	t.Helper()
	s := &issuing{now: testTime}
	s.testService = startService(t, append([]func(*plan){remember, func(p *plan) {
		p.verifier.Now = func() time.Time { return s.now }
	}}, changes...)...)
	s.sealer, s.signer = s.newSealer(t, 6<<10, handleKey(1)), s.newSigner(t)
	s.state.Handles, s.state.HandleResources = s.sealer, map[string]bool{"weather": true}
	s.state.Assertions = map[string]*assertion.Signer{"weather": s.signer}
	s.swap(t, s.state)
	return s
}

func (s *issuing) newSealer(t *testing.T, most int, keys ...[]byte) *handle.Sealer {
	t.Helper()
	sealer, err := handle.New(handle.Options{Keys: keys, Lifetime: handleLifetime, MaxBytes: most, Random: &s.seals})
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

func (s *issuing) newSigner(t *testing.T) *assertion.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := assertion.New(assertion.Options{
		Issuer: "https://doorward.example", Audience: "https://weather.internal", Lifetime: assertionLifetime,
		Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), Random: &s.signs,
	})
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// allowed returns the headers that are set, and the names of those that are removed.
func (s *issuing) allowed(t *testing.T, ask clientRequest) (set map[string]string, removed []string) {
	t.Helper()
	response := s.check(t, ask.joined())
	if response.GetOkResponse() == nil {
		t.Fatalf("%+v", readResponse(t, response))
	}
	return okHeaders(response), response.GetOkResponse().GetHeadersToRemove()
}

// TestAnAllowHasAHandleAndAnAssertion of exactly this token, from a cache or not.
func TestAnAllowHasAHandleAndAnAssertion(t *testing.T) {
	s := startIssuing(t)
	actor := map[string]any{"sub": "agent"}
	compact := s.token(map[string]any{"act": actor})
	for range 3 {
		set, removed := s.allowed(t, bearer(compact))
		got, err := s.sealer.Open(set["x-mcp-auth-handle"], "weather", s.now)
		want := handle.Content{
			Resource: "weather", URL: resourceURI, Issuer: issuerURL, Token: compact,
			Expiry: s.now.Add(handleLifetime), Digest: got.Digest,
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		claims := s.verifyAssertion(t, set["x-mcp-auth-assertion"])
		delete(claims, "jti")
		wantClaims := map[string]any{
			"iss": "https://doorward.example", "aud": "https://weather.internal", "sub": "alice", "client_id": "app",
			"sub_id": map[string]any{"format": "iss_sub", "iss": issuerURL, "sub": "alice"},
			"scope":  "mcp:read mcp:write", "act": actor,
			"iat": float64(s.now.Unix()), "exp": float64(s.now.Add(assertionLifetime).Unix()),
		}
		if diff := cmp.Diff(wantClaims, claims); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for _, name := range []string{"x-mcp-auth-handle", "x-mcp-auth-assertion"} {
			if slices.Contains(removed, name) {
				t.Errorf("%s is set and removed", name)
			}
		}
	}
	if s.seals.reads.Load() != 1 || s.signs.reads.Load() != 1 {
		t.Errorf("%d seals, %d signatures", s.seals.reads.Load(), s.signs.reads.Load())
	}
	if strings.Contains(s.log.String(), compact) {
		t.Error("the log holds the token")
	}
}

func (s *issuing) verifyAssertion(t *testing.T, compact string) (claims map[string]any) {
	t.Helper()
	set, err := jwk.Parse(assertion.KeySet(s.signer))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.Verify([]byte(compact), jws.WithKeySet(set))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// TestWhoGetsNothing: no refusal, no resource that does not ask for it, and no request
// without a token has a handle or an assertion; both names are removed.
func TestWhoGetsNothing(t *testing.T) {
	const both = "x-mcp-auth-handle x-mcp-auth-assertion"
	s := startIssuing(t)
	for name, ask := range map[string]clientRequest{
		"no token":         {},
		"another audience": bearer(s.token(map[string]any{"aud": "https://mcp.example.com/else"})),
		"a missing scope":  bearer(s.token(map[string]any{"scope": "none"})),
	} {
		response := s.check(t, ask.joined())
		if response.GetDeniedResponse() == nil || strings.Contains(response.String(), "x-mcp-auth-") {
			t.Errorf("%s: %v", name, response)
		}
	}
	other := *s.state
	other.HandleResources, other.Assertions = map[string]bool{"other": true}, map[string]*assertion.Signer{"other": s.signer}
	s.swap(t, &other)
	s.wantRemoved(t, "another resource", bearer(s.token()), both)
	none := *s.state
	none.Handles, none.Assertions = nil, nil
	s.swap(t, &none)
	s.wantRemoved(t, "not configured", bearer(s.token()), both)
	if s.seals.reads.Load() != 0 || s.signs.reads.Load() != 0 {
		t.Errorf("%d seals, %d signatures", s.seals.reads.Load(), s.signs.reads.Load())
	}
}

func (s *issuing) wantRemoved(t *testing.T, intent string, ask clientRequest, names string) {
	t.Helper()
	set, removed := s.allowed(t, ask)
	for name := range strings.FieldsSeq(names) {
		if _, isSet := set[name]; isSet || !slices.Contains(removed, name) {
			t.Errorf("%s: %s: set %v, removed %q", intent, name, set, removed)
		}
	}
}

// TestIssuedAtMostTwiceALifetime for one token, whatever else of a request an answer
// depends on, and what is remembered is never older than half of the lifetime.
func TestIssuedAtMostTwiceALifetime(t *testing.T) {
	s := startIssuing(t, useTempFolder(t, func(p *plan) {
		p.policy = []string{teamFolder(`deny contains "never" if input.request.headers["x-kind"] == "bad"`)}
	})...)
	compact := s.token()
	const step, lifetimes = 500 * time.Millisecond, 4
	for at := time.Duration(0); at < lifetimes*assertionLifetime; at += step {
		s.now = testTime.Add(at)
		for _, kind := range []string{"a", "b", "c"} {
			ask := bearer(compact)
			ask.headers = append(ask.headers, [2]string{"x-kind", kind})
			set, _ := s.allowed(t, ask)
			claims := s.verifyAssertion(t, set["x-mcp-auth-assertion"])
			if left := claims["exp"].(float64) - float64(s.now.Unix()); left < assertionLifetime.Seconds()/2-1 {
				t.Fatalf("at %v: %v s left", at, left)
			}
		}
	}
	if seals, signs := s.seals.reads.Load(), s.signs.reads.Load(); seals != 2*lifetimes || signs != 2*lifetimes {
		t.Errorf("%d seals and %d signatures in %d lifetimes", seals, signs, lifetimes)
	}
}

// TestWhatEndsWithItsToken is not renewed before: nothing would be gained.
func TestWhatEndsWithItsToken(t *testing.T) {
	s := startIssuing(t)
	compact := s.token(map[string]any{"exp": testTime.Add(20 * time.Second).Unix()})
	for second := range 20 {
		s.now = testTime.Add(time.Duration(second) * time.Second)
		set, _ := s.allowed(t, bearer(compact))
		if got, err := s.sealer.Open(set["x-mcp-auth-handle"], "weather", s.now); err != nil || got.Expiry.After(testTime.Add(20*time.Second)) {
			t.Errorf("after %d s: %v, %v", second, got.Expiry, err)
		}
	}
	if s.seals.reads.Load() != 1 {
		t.Errorf("%d seals", s.seals.reads.Load())
	}
}

// TestANewKeyIsInForceAtOnce: no remembered answer has a handle or an assertion of the
// key before, and a handle of that key opens while it is configured.
func TestANewKeyIsInForceAtOnce(t *testing.T) {
	s := startIssuing(t)
	compact := s.token()
	before, _ := s.allowed(t, bearer(compact))
	next := *s.state
	next.Handles, s.signer = s.newSealer(t, 6<<10, handleKey(2), handleKey(1)), s.newSigner(t)
	next.Assertions = map[string]*assertion.Signer{"weather": s.signer}
	s.swap(t, &next)
	after, _ := s.allowed(t, bearer(compact))
	if _, err := s.sealer.Open(after["x-mcp-auth-handle"], "weather", s.now); !errors.Is(err, handle.ErrUnknownKey) {
		t.Errorf("the key before opens it: %v", err)
	}
	for name, text := range map[string]string{"before": before["x-mcp-auth-handle"], "after": after["x-mcp-auth-handle"]} {
		if _, err := next.Handles.Open(text, "weather", s.now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.verifyAssertion(t, after["x-mcp-auth-assertion"])
}

// TestATokenFromBeforeHandles has room for one once they are configured.
func TestATokenFromBeforeHandles(t *testing.T) {
	s := startIssuing(t)
	with, without := *s.state, *s.state
	without.Handles, without.Assertions = nil, nil
	s.swap(t, &without)
	compact := s.token(map[string]any{"note": strings.Repeat("n", 1500)})
	s.allowed(t, bearer(compact))
	s.swap(t, &with)
	first, _ := s.allowed(t, bearer(compact))
	second, _ := s.allowed(t, bearer(compact))
	if first["x-mcp-auth-handle"] == "" || first["x-mcp-auth-handle"] != second["x-mcp-auth-handle"] {
		t.Error("the answer is not remembered")
	}
	s.wantCount(t, "doorward_decision_cache_requests_total", "hit", 1)
	wantVerified(t, s.testService, 2, 1, 0)
}

// wantCount compares a counter that has one label, result.
func (s *issuing) wantCount(t *testing.T, name, result string, want float64) {
	t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == name && metric.GetLabel()[0].GetValue() == result && metric.GetCounter().GetValue() == want {
				return
			}
		}
	}
	t.Errorf("%s{result=%q} is not %v", name, result, want)
}

// TestAHandleThatIsTooLarge is not set, and the request is allowed as before.
func TestAHandleThatIsTooLarge(t *testing.T) {
	s := startIssuing(t)
	small := *s.state
	small.Handles = s.newSealer(t, 300, handleKey(1))
	s.swap(t, &small)
	compact := s.token()
	for range 3 {
		s.wantRemoved(t, "too large", bearer(compact), "x-mcp-auth-handle")
	}
	s.wantCount(t, "doorward_handles_total", "too_large", 3)
	if lines := strings.Count(s.log.String(), "longer than max_bytes"); lines != 1 || strings.Contains(s.log.String(), compact) {
		t.Errorf("%d lines: %s", lines, s.log)
	}
	s.swap(t, s.state)
	s.allowed(t, bearer(compact))
	s.wantCount(t, "doorward_handles_total", "set", 1)
}

// TestWithoutRandomnessNothingIsAllowed: a server would take an allow without its
// assertion for a request without a user.
func TestWithoutRandomnessNothingIsAllowed(t *testing.T) {
	s := startIssuing(t)
	broken := *s.state
	sealer, err := handle.New(handle.Options{Keys: [][]byte{handleKey(1)}, Lifetime: time.Minute, Random: bytes.NewReader(nil)})
	if err != nil {
		t.Fatal(err)
	}
	broken.Handles = sealer
	s.swap(t, &broken)
	for range 2 {
		if got := readResponse(t, s.check(t, bearer(s.token()).joined())); got.reason != "internal" {
			t.Errorf("%+v", got)
		}
	}
}

// TestAnAssertionIsNoAccessToken, in any spelling of its typ, with a key that is trusted
// for access tokens too.
func TestAnAssertionIsNoAccessToken(t *testing.T) {
	d := startService(t)
	for _, typ := range []string{
		"mcp-auth+jwt", "MCP-AUTH+JWT", "application/mcp-auth+jwt", "Application/Mcp-Auth+Jwt", "mcp-auth+JWT",
	} {
		compact := d.key.SignAs(map[string]any{"alg": "ES256", "kid": "key-1", "typ": typ}, claims())
		if got := readResponse(t, d.check(t, bearer(compact).joined())); got.reason != "type_not_allowed" {
			t.Errorf("%s: %+v", typ, got)
		}
	}
}

// TestABoundTokenHasAHandle: whether it may be exchanged is decided on the way out.
func TestABoundTokenHasAHandle(t *testing.T) {
	s := startIssuing(t, dpop("optional"))
	h := newHolder()
	compact := s.token(map[string]any{"cnf": map[string]any{"jkt": h.key.Thumbprint()}})
	set, _ := s.allowed(t, clientRequest{headers: [][2]string{
		{"authorization", "DPoP " + compact}, {"dpop", h.proof(compact, nil)},
	}})
	if set["x-mcp-auth-handle"] == "" {
		t.Error("no handle")
	}
}

// TestBaggage carries the handle behind the client's own members, without any that a
// reader could take for a handle.
func TestBaggage(t *testing.T) {
	s := startIssuing(t)
	carries := *s.state
	carries.HandleBaggage = true
	s.swap(t, &carries)
	compact := s.token()
	without := *s.state
	without.HandleBaggage, without.HandleResources = true, nil
	for _, row := range []struct {
		intent  string
		baggage []string // header lines of the client
		want    string   // without the handle; "-": removed
	}{
		{"none", nil, "-"},
		{"an empty line", []string{""}, "-"},
		{"of others", []string{"a=1,b=2;p=x"}, "a=1,b=2;p=x"},
		{"several lines", []string{"a=1", "b=2"}, "a=1,b=2"},
		{"a handle", []string{"x-mcp-auth-handle=evil"}, "-"},
		{"between others", []string{"a=1, x-mcp-auth-handle=evil ,b=2"}, "a=1,b=2"},
		{"on several lines", []string{"x-mcp-auth-handle=1,a=1", "b=2,x-mcp-auth-handle=2"}, "a=1,b=2"},
		{"in capitals", []string{"X-MCP-Auth-Handle=evil,a=1"}, "a=1"},
		{"folded", []string{"x_mcp_auth_handle=evil,a=1,x.mcp.auth.handle=2"}, "a=1"},
		{"percent-encoded", []string{"%78-mcp-auth-handl%65=evil,a=1"}, "a=1"},
		{"with white space", []string{"a=1,\tx-mcp-auth-handle \t=evil"}, "a=1"},
		{"with a property", []string{"x-mcp-auth-handle=evil;p=1,a=1"}, "a=1"},
		{"as a property", []string{"b=1;x-mcp-auth-handle=evil,a=1"}, "a=1"},
		{"without a value", []string{"x-mcp-auth-handle,a=1"}, "a=1"},
		{"with encoded space", []string{"+x-mcp-auth-handle=evil,%20x-mcp-auth-handle=evil,a=1"}, "a=1"},
		{"a value that has commas encoded", []string{"a=1%2Cx-mcp-auth-handle"}, "a=1%2Cx-mcp-auth-handle"},
	} {
		ask := bearer(compact)
		for _, line := range row.baggage {
			ask.headers = append(ask.headers, [2]string{"baggage", line})
		}
		s.swap(t, &carries)
		s.wantBaggage(t, row.intent, ask, row.want)
		s.swap(t, &without)
		s.wantBaggageLeft(t, row.intent, ask, row.want)
	}
}

// wantBaggage wants the members and then a handle, in another one each time, and none
// in a header of its own.
func (s *issuing) wantBaggage(t *testing.T, intent string, ask clientRequest, want string) {
	t.Helper()
	prefix := "x-mcp-auth-handle="
	if want != "-" {
		prefix = want + "," + prefix
	}
	seen := map[string]bool{}
	for range 2 {
		set, removed := s.allowed(t, ask)
		text, found := strings.CutPrefix(set["baggage"], prefix)
		if _, err := s.sealer.Open(text, "weather", s.now); !found || err != nil {
			t.Errorf("%s: %q, %v", intent, set["baggage"], err)
		}
		if !slices.Contains(removed, "x-mcp-auth-handle") || slices.Contains(removed, "baggage") {
			t.Errorf("%s: removed %q", intent, removed)
		}
		seen[text] = true
	}
}

// wantBaggageLeft is for a server that gets no handle: what is left of the baggage, or
// its removal.
func (s *issuing) wantBaggageLeft(t *testing.T, intent string, ask clientRequest, want string) {
	t.Helper()
	for range 2 {
		set, removed := s.allowed(t, ask)
		_, isSet := set["baggage"]
		switch isRemoved := slices.Contains(removed, "baggage"); {
		case want == "-" && (!isRemoved || isSet), want != "-" && isRemoved:
			t.Errorf("%s: set %q, removed %q", intent, set["baggage"], removed)
		case isSet && set["baggage"] != want:
			t.Errorf("%s: %q", intent, set["baggage"])
		case !isSet && want != "-" && strings.Contains(strings.Join(ask.values("baggage"), ","), "handle=evil"):
			t.Errorf("%s: a forged member is left", intent)
		}
	}
}

func (a clientRequest) values(name string) (values []string) {
	for _, header := range a.headers {
		if header[0] == name {
			values = append(values, header[1])
		}
	}
	return values
}

// TestNoAnswerWithBaggageIsRemembered: the next client has other members.
func TestNoAnswerWithBaggageIsRemembered(t *testing.T) {
	s := startIssuing(t)
	carries := *s.state
	carries.HandleBaggage = true
	s.swap(t, &carries)
	compact := s.token()
	for _, own := range []string{"", "a=1", "b=2", ""} {
		ask := bearer(compact)
		if own != "" {
			ask.headers = append(ask.headers, [2]string{"baggage", own})
		}
		set, _ := s.allowed(t, ask)
		if before, _, _ := strings.Cut(set["baggage"], "x-mcp-auth-handle="); strings.TrimSuffix(before, ",") != own {
			t.Errorf("%q became %q", own, set["baggage"])
		}
	}
	off := *s.state
	off.HandleBaggage = false
	s.swap(t, &off)
	ask := bearer(compact)
	ask.headers = append(ask.headers, [2]string{"baggage", "x-mcp-auth-handle=evil"})
	if set, removed := s.allowed(t, ask); set["baggage"] != "" || slices.Contains(removed, "baggage") {
		t.Error("baggage changes though it carries nothing")
	}
}

// TestWithoutATokenNothingIsIssued, and a client's own is removed.
func TestWithoutATokenNothingIsIssued(t *testing.T) {
	for _, carriesBaggage := range []bool{false, true} {
		s := startIssuing(t, func(p *plan) {
			p.resources[0].Anonymous = []resource.Operation{{Method: "tools/list"}}
		})
		own := *s.state
		own.HandleBaggage = carriesBaggage
		s.swap(t, &own)
		ask := post("", listTools)
		ask.headers = append(ask.headers, [2]string{"baggage", "a=1,x-mcp-auth-handle=evil"}, [2]string{"x-mcp-auth-handle", "evil"})
		s.wantRemoved(t, "anonymous", ask, "x-mcp-auth-handle x-mcp-auth-assertion")
		want := ""
		if carriesBaggage {
			want = "a=1"
		}
		if set, _ := s.allowed(t, ask); set["baggage"] != want || s.seals.reads.Load() != 0 || s.signs.reads.Load() != 0 {
			t.Errorf("baggage %q", set["baggage"])
		}
	}
}
