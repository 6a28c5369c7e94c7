package destination

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/exchange"
	"github.com/doorward/doorward/internal/hostpath"
)

var known = Known{
	Resources:         []string{"weather", "calendar"},
	Issuers:           []string{"https://as.example.com", "https://two.example.com/a", "https://two.example.com/b"},
	InsecureHTTPHosts: []string{"loopback"},
}

func table(t *testing.T, specs ...Spec) *Table {
	t.Helper()
	built, problems := NewTable(specs, known)
	if built == nil {
		t.Fatal(problems)
	}
	return built
}

func TestFind(t *testing.T) {
	tb := table(t,
		Spec{Host: "api.example.com", Token: None, Paths: []string{"/v1", "/v2/"}},
		Spec{Host: "api.example.com", Token: Keep, Paths: []string{"/v1/admin"}, From: []string{"weather"}},
		Spec{Host: "api.example.com:8443", Token: Keep},
		Spec{Host: "files.example.com", Token: None, From: []string{"weather"}},
		Spec{Host: "files.example.com", Token: Keep, From: []string{"calendar"}},
		Spec{Host: "[2001:db8::1]", Token: None},
	)
	tests := []struct {
		intent, authority, path, caller string
		want                            int // index in the specs, -1 for none
	}{
		{"a path", "api.example.com", "/v1", "weather", 0},
		{"what is below a path", "api.example.com", "/v1/x", "calendar", 0},
		{"whole segments alone", "api.example.com", "/v10", "weather", -1},
		{"the longest path", "api.example.com", "/v1/admin/x", "weather", 1},
		{"a path of other callers, where a shorter one is for this one", "api.example.com", "/v1/admin", "calendar", -1},
		{"a path with a slash at its end", "api.example.com", "/v2/x", "weather", 0},
		{"that path without the slash", "api.example.com", "/v2", "weather", -1},
		{"no path", "api.example.com", "/", "weather", -1},
		{"another case of a path", "api.example.com", "/V1", "weather", -1},
		{"another case of a longer path", "api.example.com", "/v1/Admin", "weather", -1},
		{"an escape of a longer path", "api.example.com", "/v1/%61dmin", "weather", -1},
		{"a path that is not safe, where paths decide", "api.example.com", "/v1/a%2fb", "weather", -1},
		{"a dot segment, where paths decide", "api.example.com", "/v1/../v2/", "weather", -1},
		{"the default port", "api.example.com:443", "/v1", "weather", 0},
		{"another spelling of the host", "API.Example.com", "/v1", "weather", 0},
		{"the port of http", "api.example.com:80", "/v1", "weather", -1},
		{"another port", "api.example.com:8443", "/", "weather", 2},
		{"a path that is not safe, where paths do not decide", "api.example.com:8443", "/projects/a%2Fb//c", "weather", 2},
		{"a trailing dot", "api.example.com.", "/v1", "weather", -1},
		{"a host below", "x.api.example.com", "/v1", "weather", -1},
		{"two destinations by caller", "files.example.com", "/", "weather", 3},
		{"two destinations by caller, the other", "files.example.com", "/", "calendar", 4},
		{"a caller that is in neither", "files.example.com", "/", "other", -1},
		{"an IPv6 address in another spelling", "[2001:DB8:0::1]:443", "/", "weather", 5},
		{"nothing", "", "/", "weather", -1},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			got := tb.Find(tt.authority, tt.path, tt.caller)
			if i := slices.Index(tb.All(), got); i != tt.want {
				t.Errorf("Find(%q, %q, %q) is destination %d, want %d", tt.authority, tt.path, tt.caller, i, tt.want)
			}
		})
	}
}

func TestNamed(t *testing.T) {
	tb := table(t,
		Spec{Host: "api.example.com", Token: None, Paths: []string{"/v1"}},
		Spec{Host: "api.example.com:8443", Token: Keep, From: []string{"calendar"}},
	)
	for _, tt := range []struct {
		intent, host, path, caller string
		found, known               bool
	}{
		{"as configured", "api.example.com", "/v1", "weather", true, true},
		{"another path", "api.example.com", "/v2", "weather", false, true},
		{"another caller", "api.example.com:8443", "/", "weather", false, true},
		{"another host", "x.example.com", "/v1", "weather", false, false},
		{"the same host in another spelling", "api.example.com:443", "/v1", "weather", false, false},
		{"nothing", "", "/v1", "weather", false, false},
	} {
		d, isKnown := tb.Named(tt.host, tt.path, tt.caller)
		if (d != nil) != tt.found || isKnown != tt.known {
			t.Errorf("%s: Named is %v, %v", tt.intent, d, isKnown)
		}
	}
	if d, isKnown := new(Table).Named("x", "/", ""); d != nil || isKnown || new(Table).Find("x", "/", "") != nil {
		t.Error("the zero table has a destination")
	}
}

func TestTokenEndpoint(t *testing.T) {
	tb := table(t,
		Spec{Host: "as.example.com", Token: Keep, TokenEndpoint: "https://as.example.com/token"},
		Spec{Host: "two.example.com", Token: Keep, TokenEndpoint: "https://two.example.com/a/token", TokenIssuer: "https://two.example.com/a"},
		Spec{Host: "127.0.0.1:8080", Token: Keep, TokenEndpoint: "http://127.0.0.1:8080/token", TokenIssuer: "https://as.example.com"},
	)
	for i, want := range [][2]string{
		{"/token", "https://as.example.com"}, {"/a/token", "https://two.example.com/a"}, {"/token", "https://as.example.com"},
	} {
		if d := tb.All()[i]; d.TokenPath != want[0] || d.TokenIssuer != want[1] {
			t.Errorf("destination %d has %q of %q", i, d.TokenPath, d.TokenIssuer)
		}
	}
}

func TestIsURL(t *testing.T) {
	for _, tt := range []struct {
		url, authority, path string
		want                 bool
	}{
		{"https://as.example.com/token", "as.example.com", "/token", true},
		{"https://as.example.com/token", "AS.example.com:443", "/token", true},
		{"https://as.example.com:443/token", "as.example.com", "/token", true},
		{"http://as.example.com/token", "as.example.com:80", "/token", true},
		{"https://as.example.com/a%20b", "as.example.com", "/a%20b", true},
		{"https://as.example.com/token", "as.example.com:80", "/token", false},
		{"http://as.example.com/token", "as.example.com:443", "/token", false},
		{"https://as.example.com/token", "as.example.com", "/token/", false},
		{"https://as.example.com/token", "as.example.com", "/Token", false},
		{"https://as.example.com/token", "as.example.com", "/%74oken", false},
		{"https://as.example.com/token?x", "as.example.com", "/token", false},
		{"https://as.example.com/token", "x.example.com", "/token", false},
		{"https://as.example.com/token", "", "/token", false},
		{":", "as.example.com", "/token", false},
	} {
		if got := IsURL(tt.url, tt.authority, tt.path); got != tt.want {
			t.Errorf("IsURL(%q, %q, %q) is %v", tt.url, tt.authority, tt.path, got)
		}
	}
}

func TestExchangeFor(t *testing.T) {
	d := &Destination{Spec: Spec{Exchange: []exchange.Entry{{Issuer: "a"}, {Issuer: "b", Audience: "x"}}}}
	if e := d.ExchangeFor("b"); e == nil || e.Audience != "x" || d.ExchangeFor("c") != nil {
		t.Errorf("the entry is %v", e)
	}
}

// FuzzFind: the table answers as a plain reading of its specs does.
func FuzzFind(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 1, 1}, "api.example.com", "/v1/admin", "weather")
	f.Add([]byte{2, 3, 1}, "API.example.com:443", "/v1/%61dmin", "calendar")
	f.Add([]byte{1, 0, 2, 1, 4, 0}, "api.example.com:8443", "/a%2Fb", "weather")
	hosts := []string{"api.example.com", "api.example.com:8443", "x.example.com"}
	paths := [][]string{nil, {"/v1"}, {"/v1/admin"}, {"/v1/"}, {"/v1", "/v2/a"}, {"/caf%C3%A9"}}
	from := [][]string{nil, {"weather"}, {"calendar"}, {"weather", "calendar"}}
	f.Fuzz(func(t *testing.T, choices []byte, authority, path, caller string) {
		var specs []Spec
		for ; len(choices) >= 3 && len(specs) < 6; choices = choices[3:] {
			specs = append(specs, Spec{
				Host: hosts[int(choices[0])%len(hosts)], Paths: paths[int(choices[1])%len(paths)],
				From: from[int(choices[2])%len(from)], Token: Keep,
			})
		}
		tb, _ := NewTable(specs, known)
		if tb == nil {
			return
		}
		want := plain(specs, authority, path, caller)
		if got := slices.Index(tb.All(), tb.Find(authority, path, caller)); got != want {
			t.Fatalf("Find(%q, %q, %q) of %v is %d, want %d", authority, path, caller, specs, got, want)
		}
	})
}

// plain finds a destination by looking at every spec.
func plain(specs []Spec, authority, path, caller string) int {
	host := strings.TrimSuffix(asciiLower(authority), ":443")
	narrow := slices.ContainsFunc(specs, func(s Spec) bool { return s.Host == host && s.Paths != nil })
	if narrow && hostpath.PathFault(path) != "" {
		return -1
	}
	length, folded, found := -1, -1, -1
	for i, s := range specs {
		if s.Host != host {
			continue
		}
		all := s.Paths
		if all == nil {
			all = []string{""}
		}
		for _, prefix := range all {
			if below(prefix, path) || prefix == "" {
				if len(prefix) > length {
					length, found = len(prefix), -1
				}
				if len(prefix) == length && (s.From == nil || slices.Contains(s.From, caller)) {
					found = i
				}
			}
			if below(loose(prefix), loose(path)) {
				folded = max(folded, len(loose(prefix)))
			}
		}
	}
	if narrow && length >= 0 && folded > len(loose(path[:length])) {
		return -1
	}
	return found
}

func below(prefix, path string) bool {
	if prefix == path || prefix == "" {
		return true
	}
	return strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/")
}

func loose(path string) string {
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return path
	}
	return asciiLower(decoded)
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
