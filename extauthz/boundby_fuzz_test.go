package extauthz

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/mcp"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
)

// world is what a token is compared with, in words that the oracle can compare
// without a parser.
type boundWorld struct {
	clients, generic            []string
	marked, dedicated, asserted bool
	subject                     bool // the resource accepts the subject
	pattern                     bool // c0, c1, ... are clients that register themselves
}

// The values of aud. ours and theirs are two resources; app is one of the audiences
// of ours.
const (
	ours   = "https://a.example.com/mcp"
	theirs = "https://b.example.com/mcp"
	app    = "app"
	byUs   = "https://i.example.com" // the issuer
)

// wayOf is the text: by which way a token without a permission is for the
// resource, "" where it must be refused.
func (w boundWorld) wayOf(aud, claimed []string) string {
	has := func(list []string, value string) bool {
		for _, v := range list {
			if v == value {
				return true
			}
		}
		return false
	}
	// "There aud alone is never enough."
	if w.asserted {
		if w.subject && has(aud, ours) {
			return "aud"
		}
		return ""
	}
	if has(aud, ours) {
		return "aud"
	}
	// "A token whose aud names any of our resources is judged by aud alone." app needs a
	// permission too, which none of the tokens has.
	if has(aud, theirs) || has(aud, app) || !w.marked {
		return ""
	}
	// "client claims that disagree refuse it"
	own := ""
	for _, client := range claimed {
		if own != "" && client != own {
			return ""
		}
		own = client
	}
	// "values that name nobody; they count as absent"
	var left []string
	for _, value := range aud {
		if !has(w.generic, value) {
			left = append(left, value)
		}
	}
	// "A token without aud, or whose aud is exactly its own client id, is for this
	// resource when its client is listed." Some servers name the client there alone.
	client, exact := own, true
	for _, value := range left {
		if client == "" {
			client = value
		}
		exact = exact && value == client
	}
	if exact && client != "" && has(w.clients, client) {
		return "client"
	}
	// "What is left in aud may only be the token's own client id, or one that matches
	// client_id_pattern"
	if !w.dedicated {
		return ""
	}
	for _, value := range left {
		registered := w.pattern && len(value) == 2 && value[0] == 'c' && value[1] >= '0' && value[1] <= '9'
		if !registered && (own == "" || value != own) {
			return ""
		}
	}
	return "dedicated"
}

// FuzzBoundBy: Go and Rego together allow a token by the way of the text and
// refuse all others; Rego alone allows no token that has to be refused, whatever way
// Go had found.
func FuzzBoundBy(f *testing.F) {
	engine, problems := policy.Compile(context.Background(), policy.Sources{Library: rego.Files})
	if engine == nil {
		f.Fatal(problems)
	}
	f.Add(uint16(0), []byte{}, []byte{4})
	f.Add(uint16(0x1f), []byte{4, 6}, []byte{4, 4})
	f.Add(uint16(0x15), []byte{7}, []byte{})
	f.Add(uint16(0x15), []byte{7, 9}, []byte{9, 0, 9})
	f.Add(uint16(0x0b), []byte{2, 4}, []byte{4})
	f.Add(uint16(0x3f), []byte{3}, []byte{0, 4, 5})
	f.Fuzz(func(t *testing.T, flags uint16, auds, clients []byte) {
		if len(auds) > 5 || len(clients) > 4 {
			return
		}
		state, claims, w, aud, claimed := boundCase(t, flags, auds, clients)
		want := w.wayOf(respelled(aud), claimed)
		v := &verdict{resource: state.Resources.All()[0], claims: claims}
		found, _ := state.boundBy(v.resource, claims)
		for _, way := range []string{found, "aud", "client", "dedicated", ""} {
			v.boundBy = way
			decision, _, err := engine.For("a").Decide(t.Context(), state.policyInput(&request{}, v, mcp.Operation{}))
			if err != nil {
				t.Fatal(err)
			}
			allowed := decision.Outcome == policy.Allowed
			onlyGoKnows := way != found && slices.Contains(aud, theirs) // that it is a resource
			if allowed && way != want && !bothHold(way, want) && !onlyGoKnows || !allowed && way == found && want != "" {
				t.Errorf("%+v, aud %q, clients %q: %v by %q, found %q, want %q", w, aud, claimed, decision.Outcome, way, found, want)
			}
		}
		if want != "" && found != want {
			t.Errorf("%+v, aud %q, clients %q: found %q, want %q", w, aud, claimed, found, want)
		}
	})
}

// bothHold: a listed client of a dedicated issuer is for the resource by both ways.
// So is a token whose aud is the resource in another spelling.
func bothHold(way, want string) bool { return way == "dedicated" && want != "" }

func pick(words []string, indexes []byte) []string {
	var picked []string
	for _, i := range indexes {
		picked = append(picked, words[int(i)%len(words)])
	}
	return picked
}

// respelled writes the other spelling of ours as ours is, for an oracle that compares
// bytes.
func respelled(values []string) []string {
	var all []string
	for _, value := range values {
		if strings.HasPrefix(value, "HTTPS://A.") {
			value = ours
		}
		all = append(all, value)
	}
	return all
}

// boundCase is a token and a configuration that these bytes choose.
func boundCase(t *testing.T, flags uint16, auds, clients []byte) (
	state *State, claims *token.Claims, w boundWorld, aud, claimed []string,
) {
	t.Helper()
	words := []string{"", ours, theirs, app, "abc", "xyz", "account", "c1", "c7x", "other", "HTTPS://A.example.com:443/mcp"}
	on := func(bit int) bool { return flags>>bit&1 == 1 }
	w = boundWorld{marked: on(0), dedicated: on(1), asserted: on(2) && on(6), subject: on(3), pattern: on(4)}
	if on(5) {
		w.clients = []string{"abc", "xyz"}
	}
	if on(7) {
		w.generic = []string{"account"}
	}
	claims = &token.Claims{IssuerID: byUs, Issuer: byUs, Marked: w.marked, Subject: "alice", All: map[string]any{}}
	aud = pick(words[1:], auds)
	switch {
	case len(aud) == 1 && on(8):
		claims.All["aud"] = aud[0]
	case len(aud) > 0:
		list := make([]any, len(aud))
		for i := range aud {
			list[i] = aud[i]
		}
		claims.All["aud"] = list
	}
	for i, client := range pick(words, clients) {
		if client != "" {
			claims.All[[]string{"client_id", "azp", "cid", "appid"}[i]] = client
			claimed = append(claimed, client)
		}
	}
	issuer := &token.Issuer{ID: byUs, GenericAudiences: w.generic, Dedicated: w.dedicated, SelfAssertedAudience: w.asserted}
	if w.pattern {
		issuer.ClientIDPattern = `c\d`
	}
	specs := []resource.Spec{
		{URI: ours, Name: "a", Issuers: []string{byUs}, Audiences: []string{app}, Clients: w.clients, Subjects: []string{"bob"}},
		{URI: theirs, Name: "b", Issuers: []string{byUs}},
	}
	if w.subject {
		specs[0].Subjects = []string{"alice"}
	}
	table, problems := resource.NewTable(specs, nil)
	if table == nil {
		t.Fatal(problems)
	}
	state = &State{Resources: table, Issuers: map[string]*token.Issuer{byUs: issuer}}
	return state, claims, w, aud, claimed
}

// TestBoundByAlone: what Go finds before Rego judges once more.
func TestBoundByAlone(t *testing.T) {
	const seed = 20261126
	random := rand.New(rand.NewPCG(seed, seed))
	bytes := func(most int) []byte {
		drawn := make([]byte, random.IntN(most+1))
		for i := range drawn {
			drawn[i] = byte(random.IntN(256))
		}
		return drawn
	}
	found := map[string]int{}
	for range 20_000 {
		state, claims, w, aud, claimed := boundCase(t, uint16(random.IntN(1<<16))|1, bytes(2), bytes(2))
		if random.IntN(4) == 0 {
			w.marked, claims.Marked = false, false
		}
		want := w.wayOf(respelled(aud), claimed)
		way, _ := state.boundBy(state.Resources.All()[0], claims)
		found[way]++
		if want != "" && way != want || want == "" && (way == boundByClient || way == boundByDedicated) {
			t.Errorf("%+v, aud %q, clients %q: %q, want %q", w, aud, claimed, way, want)
		}
	}
	if len(found) != 4 {
		t.Errorf("not every way was found: %v", found)
	}
}
