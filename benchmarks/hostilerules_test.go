package benchmarks_test

import (
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/benchmarks/traffic"
)

// rulesThatReadAll read every query parameter, and every header.
func rulesThatReadAll() map[string]string {
	const rule = "package authz\n\nrequire[\"known\"] if count([name | some name, _ in %; name == \"x\"]) == 0\n"
	return map[string]string{
		"query":   strings.Replace(rule, "%", "input.request.query", 1),
		"headers": strings.Replace(rule, "%", "input.request.headers", 1),
	}
}

// parameters are as many different ones as fit, or as most says, which then take
// up hostileBytes together.
func parameters(most int) string {
	var query strings.Builder
	for i := 0; query.Len() < hostileBytes && i < most; i++ {
		query.WriteString("&" + strconv.FormatInt(int64(i), 36))
		query.WriteString(strings.Repeat("%61", hostileBytes/most/3))
	}
	return query.String()
}

// TestMemoryOfRulesThatReadAll: the bound of [TestMemoryOfHostileShapes] holds
// for a policy that reads the whole query or all headers, and a request with more
// of them than it bounds is denied.
func TestMemoryOfRulesThatReadAll(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates for itself; make test runs this without it")
	}
	const times, little = 8, 16 << 10
	for read, rules := range rulesThatReadAll() {
		w := newWorldWith(t, "ES256", 1, remember, rules)
		w.ask(t)
		for _, tt := range []struct {
			intent string
			change shape
			denied string // by which rules
		}{
			{"query of &a", atPath("/mcp?" + fill("&a")), "query"},
			{"query of different names", atPath("/mcp?" + parameters(hostileBytes)), "query"},
			{"query of escapes", atPath("/mcp?" + fill("%61&")), "query"},
			{"query of as many as it may have", atPath("/mcp?" + parameters(500)), ""},
			{"one long parameter", atPath("/mcp?a=" + fill("%61")), ""},
			{"headers, short", listed(numbered("")...), "headers"},
			{"headers in the map", mapped(numbered("a")...), "headers"},
			{"headers, as many as it may have", listed(numbered(strings.Repeat("a", 120))...), ""},
			{"one long header", listed([2]string{"x-a", fill("\xff")}), ""},
		} {
			check := traffic.Request(w.tokens[0], traffic.Raw, 1)
			tt.change(check.GetAttributes().GetRequest().GetHttp())
			wire, err := proto.Marshal(check)
			if err != nil {
				t.Fatal(err)
			}
			if got, most := w.allocated(wire), uint64(times*len(wire)+little); got > most {
				t.Errorf("%s, rules that read all of the %s: %d bytes allocated for a Check of %d, %.1f times as many",
					tt.intent, read, got, len(wire), float64(got)/float64(len(wire)))
			}
			if denied := w.server.Check(t.Context(), check).GetStatus().GetCode() != 0; denied != (tt.denied == read) {
				t.Errorf("%s, rules that read all of the %s: denied %v", tt.intent, read, denied)
			}
		}
	}
}
