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
	d := openDoor(t, func(p *plan) { p.resources = []resource.Spec{spec} })
	host, path, _ := strings.Cut(strings.TrimPrefix(spec.URI, "https://"), "/")
	here := func(a ask) ask { a.host, a.path = host, "/"+path; return a }
	want := map[string]string{"resource_metadata": d.state.Resources.All()[0].MetadataURL}
	for _, row := range []struct {
		ask    ask
		reason reason.Reason
		scoped bool
	}{
		{here(ask{}), reason.NoCredentials, true},
		{here(bearer("x")), reason.TokenMalformed, true},
		{here(ask{headers: [][2]string{{"authorization", "Bearer a, Bearer b"}}}), reason.InvalidRequest, false},
		{here(bearer(d.token(map[string]any{"aud": spec.URI, "scope": ""}))), reason.InsufficientScope, true},
	} {
		got := hear(t, d.server.Check(t.Context(), row.ask.joined()))
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

// TestNoChallengeAsksForOfflineAccess is CH-10: neither because the document
// lists it, nor because a policy needs it.
func TestNoChallengeAsksForOfflineAccess(t *testing.T) {
	listed := func(p *plan) {
		p.resources[0].Metadata = map[string]any{"scopes_supported": []any{"mcp:read", resource.OfflineAccess}}
	}
	d := openDoor(t, append(useTempFolder(t, team(`scopes contains "offline_access"`)), listed)...)
	for want, question := range map[string]ask{
		"no_credentials":     {},
		"insufficient_scope": bearer(d.token(map[string]any{"scope": "x"})),
		"token_malformed":    bearer("x"),
	} {
		got := hear(t, d.check(t, question.joined()))
		if got.reason != want || !strings.Contains(got.challenge, `scope="mcp:read"`) {
			t.Errorf("got %s, %s", got.reason, got.challenge)
		}
	}
}
