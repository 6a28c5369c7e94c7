package extauthz_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
)

// TestChallengesParseForEveryConfiguration is CH-2 and CH-11 as a property:
// whatever resource and scopes the configuration lets through, a strict parser
// of RFC 9110 reads back exactly what was configured.
func TestChallengesParseForEveryConfiguration(t *testing.T) {
	const seed, wanted = 20261123, 300
	random := rand.New(rand.NewPCG(seed, seed))
	accepted := 0
	for tries := 0; accepted < wanted && tries < 100*wanted; tries++ {
		spec := weather()
		spec.AlsoAt, spec.Origins = nil, nil
		spec.URI = "https://" + text(random, 1, 12) + "/" + text(random, 0, 12)
		spec.Scopes = nil
		for range random.IntN(4) {
			spec.Scopes = append(spec.Scopes, text(random, 1, 8))
		}
		if table, _ := resource.NewTable([]resource.Spec{spec}, nil); table == nil {
			continue
		}
		accepted++
		challengesOf(t, spec)
	}
	if accepted < wanted {
		t.Errorf("only %d configurations were let through: the property was hardly tried", accepted)
	}
}

// text draws mostly harmless characters and now and then a dangerous one.
func text(random *rand.Rand, shortest, longest int) string {
	const harmless, dangerous = "abcdefghijklmnopqrstuvwxyz0123456789-._~:@!$&'()*+", "\"\\ ,;=\x00\x7f\t\r\né%/<>{}|^`#?[]"
	var s strings.Builder
	for range shortest + random.IntN(longest-shortest+1) {
		from := harmless
		if random.IntN(40) == 0 {
			from = dangerous
		}
		s.WriteByte(from[random.IntN(len(from))])
	}
	return s.String()
}

func challengesOf(t *testing.T, spec resource.Spec) {
	t.Helper()
	d := startService(t, func(p *plan) { p.resources = []resource.Spec{spec} })
	host, path, _ := strings.Cut(strings.TrimPrefix(spec.URI, "https://"), "/")
	here := func(a clientRequest) clientRequest { a.host, a.path = host, "/"+path; return a }
	want := map[string]string{"resource_metadata": d.state.Resources.All()[0].MetadataURL}
	for _, row := range []struct {
		ask    clientRequest
		reason reason.Reason
		scoped bool
	}{
		{here(clientRequest{}), reason.NoCredentials, true},
		{here(bearer("x")), reason.TokenMalformed, true},
		{here(clientRequest{headers: [][2]string{{"authorization", "Bearer a, Bearer b"}}}), reason.InvalidRequest, false},
		{here(bearer(d.token(map[string]any{"aud": spec.URI, "scope": ""}))), reason.InsufficientScope, true},
	} {
		got := readResponse(t, d.server.Check(t.Context(), row.ask.joined()))
		if got.reason != row.reason.String() {
			if row.reason == reason.InsufficientScope && got.reason == "allowed" && len(spec.Scopes) == 0 {
				continue
			}
			t.Fatalf("%+v: got %s, want %s", spec, got.reason, row.reason)
		}
		parsed, err := oauthex.ParseWWWAuthenticate([]string{got.challenge})
		if err != nil || len(parsed) != 1 {
			t.Fatalf("%q: %v, %v", got.challenge, parsed, err)
		}
		params := parsed[0].Params
		scope := strings.Join(spec.Scopes, " ")
		if !row.scoped {
			scope = ""
		}
		if params["resource_metadata"] != want["resource_metadata"] || params["scope"] != scope ||
			params["error"] != row.reason.OAuthError() || strings.Contains(got.challenge, `scope=""`) {
			t.Errorf("%q reads as %v", got.challenge, params)
		}
		if strings.ContainsAny(row.reason.Description(), `"\=`) {
			t.Errorf("%q needs escaping", row.reason.Description())
		}
	}
}

// TestSchemesOfChallenges: per setting of dpop and per credential, the lines of
// the answer. The error stands in the scheme that was used.
func TestSchemesOfChallenges(t *testing.T) {
	h := newHolder()
	bound := map[string]any{"cnf": map[string]any{"jkt": h.key.Thumbprint()}}
	certified := map[string]any{"cnf": map[string]any{"x5t#S256": strings.Repeat("A", 43)}}
	foreign, poor := map[string]any{"aud": "x"}, map[string]any{"scope": "x"}
	under := func(scheme, compact string) clientRequest {
		return clientRequest{headers: [][2]string{{"authorization", scheme + " " + compact}, {"dpop", h.proof(compact, nil)}}}
	}
	const scope, algs = `, scope="mcp:read"`, `, algs="ES256 EdDSA"`
	failed := func(why reason.Reason) string {
		return `, error="` + why.OAuthError() + `", error_description="` + why.Description() + `"`
	}
	dp := strings.Replace(rm, "Bearer", "DPoP", 1)
	for _, row := range []struct {
		intent   string
		ask      func(d *testService) clientRequest
		optional []string
		required string // one line
		why      reason.Reason
		strictly reason.Reason // under required, where it differs
	}{
		{"nothing", func(*testService) clientRequest { return clientRequest{} }, []string{rm + scope, dp + scope + algs}, dp + scope + algs, reason.NoCredentials, 0},
		{"another scheme", func(*testService) clientRequest { return under("Basic", "dTpw") }, []string{rm + scope, dp + scope + algs}, dp + scope + algs, reason.NoCredentials, 0},
		{"a token in the query", func(d *testService) clientRequest { return clientRequest{path: "/mcp?access_token=" + d.token()} }, []string{rm + scope, dp + scope + algs}, dp + scope + algs, reason.NoCredentials, 0},
		{
			"a bad bearer token", func(*testService) clientRequest { return under("Bearer", "x") },
			[]string{rm + scope + failed(reason.TokenMalformed)},
			dp + scope + algs + failed(reason.TokenMalformed), reason.TokenMalformed, 0,
		},
		{
			"the scheme alone", func(*testService) clientRequest {
				return clientRequest{headers: [][2]string{{"authorization", "DPoP"}}}
			},
			[]string{dp + scope + algs + failed(reason.TokenMalformed)},
			dp + scope + algs + failed(reason.TokenMalformed), reason.TokenMalformed, 0,
		},
		{
			"a bad token as DPoP", func(*testService) clientRequest { return under("dpop", "x") },
			[]string{dp + scope + algs + failed(reason.TokenMalformed)},
			dp + scope + algs + failed(reason.TokenMalformed), reason.TokenMalformed, 0,
		},
		{
			"a bound token as bearer", func(d *testService) clientRequest { return under("Bearer", d.token(bound)) },
			[]string{rm + scope + failed(reason.BindingUnproven), dp + scope + algs},
			dp + scope + algs + failed(reason.BindingUnproven), reason.BindingUnproven, 0,
		},
		{
			"a certificate that is not shown", func(d *testService) clientRequest { return under("Bearer", d.token(certified)) },
			[]string{rm + scope + failed(reason.BindingUnproven)},
			dp + scope + algs + failed(reason.BindingUnproven), reason.BindingUnproven, 0,
		},
		{
			"an unbound token as DPoP", func(d *testService) clientRequest { return under("DPoP", d.token()) },
			[]string{dp + scope + algs + failed(reason.BindingUnproven)},
			dp + scope + algs + failed(reason.BindingUnproven), reason.BindingUnproven, 0,
		},
		{
			"a bad proof", func(d *testService) clientRequest {
				c := d.token(bound)
				a := under("DPoP", c)
				a.headers[1][1] = "x"
				return a
			},
			[]string{dp + algs + failed(reason.DPoPProofInvalid)},
			dp + algs + failed(reason.DPoPProofInvalid), reason.DPoPProofInvalid, 0,
		},
		{
			"another's bearer token", func(d *testService) clientRequest { return under("Bearer", d.token(foreign)) },
			[]string{rm + scope + failed(reason.AudienceMismatch)},
			dp + scope + algs + failed(reason.BindingUnproven), reason.AudienceMismatch, reason.BindingUnproven,
		},
		{
			"another's bound token", func(d *testService) clientRequest { return under("DPoP", d.token(bound, foreign)) },
			[]string{dp + scope + algs + failed(reason.AudienceMismatch)},
			dp + scope + algs + failed(reason.AudienceMismatch), reason.AudienceMismatch, 0,
		},
		{
			"a bearer token without scope", func(d *testService) clientRequest { return under("Bearer", d.token(poor)) },
			[]string{rm + scope + failed(reason.InsufficientScope)},
			dp + scope + algs + failed(reason.BindingUnproven), reason.InsufficientScope, reason.BindingUnproven,
		},
		{
			"a bound token without scope", func(d *testService) clientRequest { return under("DPoP", d.token(bound, poor)) },
			[]string{dp + scope + algs + failed(reason.InsufficientScope)},
			dp + scope + algs + failed(reason.InsufficientScope), reason.InsufficientScope, 0,
		},
		{
			"two bearer tokens", func(*testService) clientRequest { return under("Bearer", "a, Bearer b") },
			[]string{rm + failed(reason.InvalidRequest)},
			dp + algs + failed(reason.InvalidRequest), reason.InvalidRequest, 0,
		},
		{
			"two as DPoP", func(*testService) clientRequest { return under("DPoP", "a, DPoP b") },
			[]string{dp + algs + failed(reason.InvalidRequest)},
			dp + algs + failed(reason.InvalidRequest), reason.InvalidRequest, 0,
		},
	} {
		t.Run(row.intent, func(t *testing.T) {
			strictly := row.strictly
			if strictly == 0 {
				strictly = row.why
			}
			for _, door := range []struct {
				mode string
				why  reason.Reason
				want []string
			}{{"optional", row.why, row.optional}, {"required", strictly, []string{row.required}}} {
				d := startService(t, dpop(door.mode), remember)
				for range 2 { // the second time, what may be remembered is
					got := readResponse(t, d.check(t, row.ask(d).joined()))
					if got.reason != door.why.String() || got.challenge != strings.Join(door.want, "\n") {
						t.Errorf("%s: got %s, %s\nwant %s, %s", door.mode, got.reason, got.challenge, door.why, strings.Join(door.want, "\n"))
					}
					parsed, err := oauthex.ParseWWWAuthenticate(strings.Split(got.challenge, "\n"))
					if err != nil || len(parsed) != len(door.want) {
						t.Errorf("%s: the SDK reads %v (%v)", door.mode, parsed, err)
					}
				}
			}
		})
	}
}

// TestNoChallengeAsksForOfflineAccess is CH-10: neither because the document
// lists it, nor because a policy needs it.
func TestNoChallengeAsksForOfflineAccess(t *testing.T) {
	listed := func(p *plan) {
		p.resources[0].Metadata = map[string]any{"scopes_supported": []any{"mcp:read", "offline_access"}}
	}
	d := startService(t, append(useTempFolder(t, team(`scopes contains "offline_access"`)), listed)...)
	for want, question := range map[string]clientRequest{
		"no_credentials":     {},
		"insufficient_scope": bearer(d.token(map[string]any{"scope": "x"})),
		"token_malformed":    bearer("x"),
	} {
		got := readResponse(t, d.check(t, question.joined()))
		if got.reason != want || !strings.Contains(got.challenge, `scope="mcp:read"`) {
			t.Errorf("got %s, %s", got.reason, got.challenge)
		}
	}
}
