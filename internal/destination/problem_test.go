package destination

import (
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/exchange"
)

func TestProblems(t *testing.T) {
	one := func(change func(*Spec)) []Spec {
		s := Spec{Host: "api.example.com", Token: Keep}
		change(&s)
		return []Spec{s}
	}
	entry := exchange.Entry{
		Issuer: "https://as.example.com", Audience: "https://api.example.com",
		TokenEndpoint: "https://as.example.com/token", ClientID: "doorward", ClientSecret: []byte("secret"),
	}
	host := func(name string) []Spec { return one(func(s *Spec) { s.Host = name }) }
	path := func(p string) []Spec { return one(func(s *Spec) { s.Paths = []string{p} }) }
	endpoint := func(url string) []Spec {
		return one(func(s *Spec) { s.Host, s.TokenEndpoint = "as.example.com", url })
	}
	tests := []struct {
		intent string
		specs  []Spec
		want   []string // path, and a part of the message or what to write
	}{
		{"no host", host(""), []string{"destinations[0].host: is missing: write the host"}},
		{"a URL as host", host("https://api.example.com"), []string{"destinations[0].host: is a URL: write the host alone"}},
		{"a host with a path", host("api.example.com/v1"), []string{"destinations[0].host: is a URL"}},
		{"a wildcard", host("*.example.com"), []string{"destinations[0].host: has a wildcard"}},
		{"a user", host("u@api.example.com"), []string{"destinations[0].host: has user information"}},
		{"a port that is none", host("api.example.com:0"), []string{"destinations[0].host: has no valid port"}},
		{"an empty port", host("api.example.com:"), []string{"destinations[0].host: has no valid port"}},
		{"the default port", host("API.example.com:443"), []string{"destinations[0].host: writes the default port out: write api.example.com"}},
		{"capital letters", host("API.example.com"), []string{"destinations[0].host: has a host that is not in lower case: write api.example.com"}},
		{"capital letters before a port", host("API.example.com:8443"), []string{"write api.example.com:8443"}},
		{"a trailing dot", host("api.example.com."), []string{"destinations[0].host: has a host with a trailing dot: write api.example.com"}},
		{"an international name", host("bücher.example"), []string{"write xn--bcher-kva.example"}},
		{"a long IPv6 address", host("[2001:db8:0::1]"), []string{"write [2001:db8::1]"}},
		{"a number", host("127.1"), []string{"neither a DNS name nor an IP address"}},

		{"no paths", one(func(s *Spec) { s.Paths = []string{} }), []string{"destinations[0].paths: is empty"}},
		{"every path", path("/"), []string{"destinations[0].paths[0]: is every path"}},
		{"a path that is none", path("v1"), []string{"destinations[0].paths[0]: matches no request"}},
		{"a dot segment", path("/a/.."), []string{"destinations[0].paths[0]: matches no request"}},
		{"a star in a path", path("/v1/*"), []string{"destinations[0].paths[0]: has one of * { }"}},
		{"a path twice", one(func(s *Spec) { s.Paths = []string{"/a", "/a"} }), []string{"destinations[0].paths[1]: is listed twice"}},

		{"no caller", one(func(s *Spec) { s.From = []string{} }), []string{"destinations[0].from: is empty"}},
		{"an unknown resource", one(func(s *Spec) { s.From = []string{"wether"} }), []string{`destinations[0].from[0]: is "wether"`}},
		{"a resource twice", one(func(s *Spec) { s.From = []string{"weather", "weather"} }), []string{"destinations[0].from[1]: is listed twice"}},

		{"no token", one(func(s *Spec) { s.Token = "" }), []string{"destinations[0].token: is missing"}},
		{"another token", one(func(s *Spec) { s.Token = "pass" }), []string{`destinations[0].token: is "pass"`}},
		{"bound_subject without exchange", one(func(s *Spec) { s.BoundSubject = true }), []string{"destinations[0].bound_subject: has no effect"}},

		{"no exchange", one(func(s *Spec) { s.Token = Exchange }), []string{"destinations[0].exchange: is missing"}},
		{"exchange without its token", one(func(s *Spec) { s.Exchange = []exchange.Entry{entry} }), []string{"destinations[0].exchange: has no effect"}},
		{"an entry without issuer", one(func(s *Spec) {
			s.Token, s.Exchange = Exchange, []exchange.Entry{entry}
			s.Exchange[0].Issuer = ""
		}), []string{"destinations[0].exchange[0].issuer: is missing"}},
		{"an issuer that is not configured", one(func(s *Spec) {
			s.Token, s.Exchange = Exchange, []exchange.Entry{entry}
			s.Exchange[0].Issuer = "https://other.example.com"
		}), []string{"destinations[0].exchange[0].issuer: is \"https://other.example.com\""}},
		{"two entries for one issuer", one(func(s *Spec) {
			s.Token, s.Exchange = Exchange, []exchange.Entry{entry, entry}
			s.Exchange[1].Audience = "x"
		}), []string{"destinations[0].exchange[1].issuer: has an entry already"}},

		{"no client credentials", one(func(s *Spec) { s.Token = ClientCredentials }), []string{"destinations[0].client_credentials: is missing"}},
		{"client credentials without their token", one(func(s *Spec) { s.ClientCredentials = entry }), []string{"destinations[0].client_credentials: has no effect"}},
		{"client credentials without issuer", one(func(s *Spec) {
			s.Token, s.ClientCredentials = ClientCredentials, entry
			s.ClientCredentials.Issuer = ""
		}), []string{"destinations[0].client_credentials.issuer: is missing"}},

		{"a token endpoint that is no URL", endpoint("/token"), []string{"destinations[0].token_endpoint: is not the URL"}},
		{"a token endpoint without path", endpoint("https://as.example.com"), []string{"destinations[0].token_endpoint: is not the URL"}},
		{"a token endpoint with a query", endpoint("https://as.example.com/token?x=1"), []string{"destinations[0].token_endpoint: has user information, a query"}},
		{"a token endpoint without TLS", endpoint("http://as.example.com/token"), []string{"destinations[0].token_endpoint: is http://", "is on the host of 0 issuers"}},
		{"a token endpoint elsewhere", endpoint("https://two.example.com/token"), []string{
			"destinations[0].token_endpoint: is not a URL of this destination", "is on the host of 2 issuers",
		}},
		{"a token endpoint outside the paths", one(func(s *Spec) {
			s.Host, s.Paths, s.TokenEndpoint = "as.example.com", []string{"/x"}, "https://as.example.com/token"
		}), []string{"destinations[0].token_endpoint: is not a URL of this destination"}},
		{"a token endpoint with an unsafe path", endpoint("https://as.example.com/a/../token"), []string{"destinations[0].token_endpoint: has a path that matches no request"}},
		{"a token endpoint that gets another token", one(func(s *Spec) {
			s.Host, s.Token, s.Exchange, s.TokenEndpoint = "as.example.com", Exchange, []exchange.Entry{entry}, "https://as.example.com/token"
		}), []string{"destinations[0].token_endpoint: cannot be combined with token: exchange"}},
		{"a token issuer that is not configured", one(func(s *Spec) {
			s.Host, s.TokenEndpoint, s.TokenIssuer = "as.example.com", "https://as.example.com/token", "https://x.example.com"
		}), []string{"destinations[0].token_issuer: is \"https://x.example.com\""}},
		{"a token issuer without endpoint", one(func(s *Spec) { s.TokenIssuer = known.Issuers[0] }), []string{"destinations[0].token_issuer: has no effect"}},

		{"one host twice", []Spec{
			{Host: "a.example", Token: Keep}, {Host: "a.example", Token: None, From: []string{"weather"}},
		}, []string{"destinations[1].host: is the same host and path as destinations[0].host"}},
		{"one path twice", []Spec{
			{Host: "a.example", Token: Keep, Paths: []string{"/a", "/b"}, From: []string{"weather", "calendar"}},
			{Host: "a.example", Token: None, Paths: []string{"/b"}, From: []string{"calendar"}},
		}, []string{"destinations[1].paths[0]: is the same host and path as destinations[0].paths[1]"}},
		{"paths that differ in case", []Spec{
			{Host: "a.example", Token: Keep, Paths: []string{"/a"}}, {Host: "a.example", Token: None, Paths: []string{"/A"}},
		}, []string{"destinations[1].paths[0]: differs from destinations[0].paths[0] in case or escapes alone"}},
		{"problems of two specs at once", []Spec{{Host: "A.example"}, {Token: Keep}}, []string{
			"destinations[0].host: has a host that is not in lower case", "destinations[0].token: is missing",
			"destinations[1].host: is missing",
		}},
		{"one host by callers", []Spec{
			{Host: "a.example", Token: Keep, From: []string{"weather"}}, {Host: "a.example", Token: None, From: []string{"calendar"}},
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			built, problems := NewTable(tt.specs, known)
			var got []string
			for _, p := range problems {
				got = append(got, p.String()) // a finding without a file begins with its path
			}
			matched := len(got) == len(tt.want)
			for _, want := range tt.want {
				matched = matched && slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, want) })
			}
			if !matched || (built == nil) != (len(tt.want) > 0) {
				t.Errorf("the problems are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			for _, p := range problems {
				if p.Fix == "" && !strings.Contains(p.Message, ": ") {
					t.Errorf("%v has no advice", p)
				}
			}
		})
	}
}
