package resource

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/hostpath"
)

const issuer = "https://as.example.com"

// spec is a spec without problems.
func spec(uri string, alsoAt ...string) Spec {
	return Spec{URI: uri, AlsoAt: alsoAt, Issuers: []string{issuer}}
}

// table builds a table that has no problem, warnings included.
func table(t testing.TB, specs ...Spec) *Table {
	t.Helper()
	got, problems := NewTable(specs, nil)
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	return got
}

func uri(r *Resource) string {
	if r == nil {
		return ""
	}
	return r.URI
}

func TestFind(t *testing.T) {
	const (
		host   = "https://h.example"
		mcp    = "https://h.example/mcp"
		deep   = "https://h.example/mcp/Deep"
		slash  = "https://h.example/slash/"
		port   = "https://h.example:8443/mcp"
		alone  = "https://alone.example/mcp"
		root   = "https://root.example/"
		six    = "https://[2001:db8::1]/mcp"
		cafe   = "https://alone.example/caf%C3%A9"
		inside = "http://svc.ns:8080/mcp"
		plain  = "http://plain.ns/mcp"
	)
	tb := table(t, spec(host), spec(mcp), spec(deep), spec(slash), spec(port),
		spec(alone, inside, plain), spec(root), spec(six), spec(cafe))

	tests := []struct {
		intent, authority, path string
		want                    string
	}{
		{"the path itself", "alone.example", "/mcp", alone},
		{"below the path", "alone.example", "/mcp/x", alone},
		{"the path with a slash", "alone.example", "/mcp/", alone},
		{"a longer segment is another path", "alone.example", "/mcpx", ""},
		{"a shorter path", "alone.example", "/mc", ""},
		{"above the path", "alone.example", "/", ""},
		{"paths keep their case", "alone.example", "/MCP", ""},
		{"another host", "other.example", "/mcp", ""},
		{"no authority", "", "/mcp", ""},
		{"no path", "alone.example", "", ""},

		{"the default port is folded away", "alone.example:443", "/mcp", alone},
		{"the default port of another scheme is not", "alone.example:80", "/mcp", ""},
		{"another port belongs to who names it", "h.example:8443", "/mcp", port},
		{"another port belongs to nobody else", "h.example:8443", "/", ""},
		{"a port that nobody names", "alone.example:8443", "/mcp", ""},
		{"hosts fold their case", "ALONE.example", "/mcp", alone},
		{"a trailing dot matches nothing", "alone.example.", "/mcp", ""},
		{"a zero-padded port matches nothing", "alone.example:0443", "/mcp", ""},
		{"user information matches nothing", "x@alone.example", "/mcp", ""},
		{"an IPv6 address in another spelling", "[2001:DB8:0::0:1]:443", "/mcp", six},

		{"also_at with its port", "svc.ns:8080", "/mcp/x", alone},
		{"also_at without its port", "svc.ns", "/mcp", ""},
		{"also_at with the default port of http", "plain.ns:80", "/mcp", alone},
		{"also_at without the default port of http", "plain.ns", "/mcp", alone},
		{"also_at with the default port of https", "plain.ns:443", "/mcp", ""},

		{"a whole host", "h.example", "/x", host},
		{"a whole host written with a slash", "root.example", "/x/y", root},
		{"the longest match wins", "h.example", "/mcp/x", mcp},
		{"the longest match wins, deeper", "h.example", "/mcp/Deep/x", deep},
		{"a slash at the end covers what is below", "h.example", "/slash/x", slash},
		{"a slash at the end covers itself", "h.example", "/slash/", slash},
		{"a slash at the end does not cover the path without", "h.example", "/slash", host},

		{"another case that would reach a longer path", "h.example", "/MCP/x", ""},
		{"the case of the longer path counts as well", "h.example", "/mcp/deep", ""},
		{"an escape that would reach a longer path", "h.example", "/mcp%20", host},
		{"an escape in another case of digits", "alone.example", "/caf%c3%a9", ""},
		{"an escape by its bytes", "alone.example", "/caf%C3%A9/x", cafe},
		{"another case that reaches nothing longer", "h.example", "/mcp/X", mcp},

		{"an unsafe path on a whole host", "h.example", "/x/../mcp", ""},
		{"an escaped letter on a whole host", "h.example", "/%6dcp", ""},
		{"a doubled slash", "h.example", "//mcp", ""},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			if got := uri(tb.Find(tt.authority, tt.path)); got != tt.want {
				t.Errorf("Find(%q, %q) = %q, want %q", tt.authority, tt.path, got, tt.want)
			}
		})
	}
}

// An escape that must be one (a space) hides the longer path from the bytes.
func TestFindEscapeReachesLonger(t *testing.T) {
	tb := table(t, spec("https://h.example"), spec("https://h.example/a!b"))
	for path, want := range map[string]string{
		"/a!b":   "https://h.example/a!b",
		"/a%21b": "",
		"/A%21B": "",
		"/a%22b": "https://h.example",
	} {
		if got := uri(tb.Find("h.example", path)); got != want {
			t.Errorf("Find(%q) = %q, want %q", path, got, want)
		}
	}
}

// The order of specs decides nothing.
func TestFindOrder(t *testing.T) {
	uris := []string{"https://h.example", "https://h.example/a", "https://h.example/a/b"}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}} {
		var specs []Spec
		for _, i := range order {
			specs = append(specs, spec(uris[i]))
		}
		tb := table(t, specs...)
		for i, path := range []string{"/x", "/a/x", "/a/b/x"} {
			if got := uri(tb.Find("h.example", path)); got != uris[i] {
				t.Errorf("order %v: Find(%q) = %q, want %q", order, path, got, uris[i])
			}
		}
	}
}

func TestZeroTable(t *testing.T) {
	var tb Table
	if r := tb.Find("h", "/"); r != nil {
		t.Errorf("Find = %v", r)
	}
	if r := tb.Named("", "h"); r != nil {
		t.Errorf("Named = %v", r)
	}
	if d := tb.Document("GET", "h", wellKnown); d.Status != 404 {
		t.Errorf("Document = %v", d)
	}
}

func TestNamed(t *testing.T) {
	named := spec("https://a.example/mcp")
	named.Name = "weather"
	tb := table(t, named, spec("https://b.example"))
	for in, want := range map[string]string{
		"weather":                "https://a.example/mcp",
		"https://a.example/mcp":  "https://a.example/mcp",
		"https://b.example":      "https://b.example",
		"Weather":                "",
		"https://b.example/":     "",
		"https://A.example/mcp":  "",
		"https://a.example/mcp/": "",
		"":                       "",
	} {
		if got := uri(tb.Named(in, "a.example")); got != want {
			t.Errorf("Named(%q) = %q, want %q", in, got, want)
		}
	}
	var names []string
	for _, r := range tb.All() {
		names = append(names, r.Name)
	}
	if diff := cmp.Diff([]string{"weather", "https://b.example"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestAt(t *testing.T) {
	r := table(t, spec("https://a.example/mcp", "http://svc.ns:8080/x", "http://plain.ns/x"), spec("https://b.example")).All()[0]
	for authority, want := range map[string]bool{
		"a.example": true, "a.example:443": true, "A.EXAMPLE": true,
		"svc.ns:8080": true, "plain.ns": true, "plain.ns:80": true,
		"b.example": false, "a.example:80": false, "a.example:8080": false,
		"svc.ns": false, "plain.ns:443": false, "a.example.": false, "": false,
	} {
		if got := r.At(authority); got != want {
			t.Errorf("At(%q) = %v, want %v", authority, got, want)
		}
	}
}

// T-1, T-2: what is not the resource's own origin is on the list or refused.
func TestAllowsOrigin(t *testing.T) {
	plain := spec("https://a.example/mcp", "http://svc.ns:8080/mcp", "https://plain.ns", "http://[2001:db8::1]/mcp")
	listed := spec("https://b.example:8443/mcp")
	listed.Origins = []string{"https://app.example.com", "vscode-webview://abc", "https://*.pages.example:8443"}
	open := spec("https://c.example")
	open.Origins = []string{"*"}
	tb, problems := NewTable([]Spec{plain, listed, open}, nil)
	if tb == nil {
		t.Fatal(problems)
	}
	tests := []struct {
		intent   string
		resource int
		origin   string
		want     bool
	}{
		{"its own origin", 0, "https://a.example", true},
		{"its own host on another scheme", 0, "http://a.example", false},
		{"its own host on another port", 0, "https://a.example:8443", false},
		{"a suffix of its own origin", 0, "https://a.example.evil.example", false},
		{"a prefix of its own origin", 0, "https://a.exampl", false},
		{"capital letters, which no browser sends", 0, "https://A.example", false},
		{"a page without an origin", 0, "null", false},
		{"an empty value", 0, "", false},
		{"its own origin with a port", 1, "https://b.example:8443", true},
		{"its own host without the port", 1, "https://b.example", false},
		{"a listed origin", 1, "https://app.example.com", true},
		{"a listed origin of an editor", 1, "vscode-webview://abc", true},
		{"a listed origin with a slash", 1, "https://app.example.com/", false},
		{"a listed origin in capitals", 1, "https://APP.example.com", false},
		{"one label in the place of the star", 1, "https://a-b.pages.example:8443", true},
		{"an A-label in its place", 1, "https://xn--bcher-kva.pages.example:8443", true},
		{"no label", 1, "https://.pages.example:8443", false},
		{"no label and no dot", 1, "https://pages.example:8443", false},
		{"two labels", 1, "https://a.b.pages.example:8443", false},
		{"another port than behind the star", 1, "https://a.pages.example", false},
		{"another scheme than before the star", 1, "http://a.pages.example:8443", false},
		{"a longer domain", 1, "https://a.pages.example:8443.evil.example", false},
		{"a host before a slash", 1, "https://evil/a.pages.example:8443", false},
		{"the star itself", 1, "https://*.pages.example:8443", true}, // no browser sends it, and it is listed
		{"anything, by the star", 2, "https://evil.example", true},
		{"an empty value, for all the star", 2, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			for _, authority := range []string{"a.example", "b.example:8443", "", "a.example."} {
				if got := tb.All()[tt.resource].AllowsOrigin(tt.origin, authority); got != tt.want {
					t.Errorf("AllowsOrigin(%q, %q) = %v, want %v", tt.origin, authority, got, tt.want)
				}
			}
		})
	}
}

// T-1: a page at the origin of an also_at URL is of the same origin for requests
// to that URL's authority, and for no others.
func TestOriginOfAlsoAt(t *testing.T) {
	r := table(t, spec("https://a.example/mcp", "http://svc.ns:8080/mcp", "https://plain.ns", "http://[2001:db8::1]/mcp")).All()[0]
	for _, row := range []struct {
		intent, origin, authority string
		want                      bool
	}{
		{"on its authority", "http://svc.ns:8080", "svc.ns:8080", true},
		{"on its authority in another case", "http://svc.ns:8080", "SVC.ns:8080", true},
		{"on the canonical authority", "http://svc.ns:8080", "a.example", false},
		{"on another also_at authority", "http://svc.ns:8080", "plain.ns", false},
		{"on another port of its host", "http://svc.ns:8080", "svc.ns", false},
		{"by another scheme", "https://svc.ns:8080", "svc.ns:8080", false},
		{"on its authority without the default port", "https://plain.ns", "plain.ns", true},
		{"on its authority with the default port", "https://plain.ns", "plain.ns:443", true},
		{"on its authority with the default port of another scheme", "https://plain.ns", "plain.ns:80", false},
		{"an address, in another spelling", "http://[2001:db8::1]", "[2001:DB8:0::1]:80", true},
		{"on an authority that is none", "http://svc.ns:8080", "svc.ns:8080.", false},
		{"the canonical origin on an also_at authority", "https://a.example", "svc.ns:8080", true},
		{"nobody's origin on an also_at authority", "http://evil.ns:8080", "svc.ns:8080", false},
		{"null on an also_at authority", "null", "svc.ns:8080", false},
		{"an empty value on an also_at authority", "", "svc.ns:8080", false},
	} {
		if got := r.AllowsOrigin(row.origin, row.authority); got != row.want {
			t.Errorf("%s: AllowsOrigin(%q, %q) = %v, want %v", row.intent, row.origin, row.authority, got, row.want)
		}
	}
}

// Whichever way a client or a mesh spells the authority of an also_at URL, the
// request finds its resource, by its path and by the mesh's word alike.
func TestAlsoAtInAnySpelling(t *testing.T) {
	tb := table(t, spec("https://a.example/mcp", "https://svc.ns:8443/mcp", "http://plain.ns/mcp", "https://[2001:db8::1]/mcp", "https://xn--bcher-kva.example/mcp"))
	for authority, want := range map[string]bool{
		"svc.ns:8443": true, "SVC.NS:8443": true, "Svc.ns:8443": true, "svc.ns": false, "svc.ns:08443": false, "svc.ns.:8443": false,
		"plain.ns": true, "PLAIN.ns": true, "Plain.ns:80": true, "plain.ns:443": false,
		"[2001:db8::1]": true, "[2001:DB8::1]:443": true, "[2001:0db8:0:0::1]": true, "[2001:db8::1%25eth0]": false,
		"xn--bcher-kva.example": true, "XN--Bcher-KVA.example:443": true, "b\u00fccher.example": false,
	} {
		if got := tb.Find(authority, "/mcp/x") != nil; got != want {
			t.Errorf("Find(%q): found %v, want %v", authority, got, want)
		}
		if got := tb.All()[0].At(authority); got != want {
			t.Errorf("At(%q) = %v, want %v", authority, got, want)
		}
	}
}

// PR-2: the well-known path goes between host and path.
func TestMetadataURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://h.example":          "https://h.example/.well-known/oauth-protected-resource",
		"https://h.example/":         "https://h.example/.well-known/oauth-protected-resource",
		"https://h.example/a/b":      "https://h.example/.well-known/oauth-protected-resource/a/b",
		"https://h.example/a/":       "https://h.example/.well-known/oauth-protected-resource/a/",
		"https://h.example:8443/a":   "https://h.example:8443/.well-known/oauth-protected-resource/a",
		"https://[2001:db8::1]:81/a": "https://[2001:db8::1]:81/.well-known/oauth-protected-resource/a",
	} {
		if got := table(t, spec(in)).All()[0].MetadataURL; got != want {
			t.Errorf("MetadataURL of %q = %q, want %q", in, got, want)
		}
	}
}

// A table belongs to itself: what the caller does to a spec afterwards, or to
// the list it was given, changes nothing.
func TestTableIsImmutable(t *testing.T) {
	s := spec("https://h.example")
	s.Origins = []string{"https://app.example.com"}
	s.Labels = map[string]string{"team": "weather"}
	tb := table(t, s)
	s.Origins[0] = "https://evil.example"
	s.Labels["team"] = "evil"
	tb.All()[0] = nil
	r := tb.All()[0]
	if r.AllowsOrigin("https://evil.example", "h.example") || r.Labels["team"] != "weather" {
		t.Errorf("the caller's spec is the table's: %+v", r.Spec)
	}
}

func TestFindDoesNotAllocate(t *testing.T) {
	tb := table(t, spec("https://h.example"), spec("https://h.example/mcp"), spec("https://h.example/other"))
	for _, path := range []string{"/mcp", "/mcp/x", "/x"} {
		if n := testing.AllocsPerRun(100, func() { tb.Find("h.example:443", path) }); n != 0 {
			t.Errorf("Find(%q) allocates %v times", path, n)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	tb := table(b, spec("https://h.example"), spec("https://h.example/mcp"), spec("https://h.example/other"))
	b.ReportAllocs()
	for b.Loop() {
		tb.Find("h.example", "/mcp")
	}
}

// FuzzFind: whoever decodes a path and ignores its case, as some servers do,
// finds no longer resource in it than Find gave; what was found covers the
// path byte for byte and lives on that authority.
func FuzzFind(f *testing.F) {
	tb := table(f, spec("https://h.example"), spec("https://h.example/mcp"), spec("https://h.example/mcp/Deep"),
		spec("https://h.example/mcp/a!b"), spec("https://h.example/slash/"), spec("https://h.example/caf%C3%A9"),
		spec("https://o.example/x", "http://h.example:8080/mcp"))
	for _, seed := range [][2]string{
		{"h.example", "/mcp"},
		{"h.example:443", "/MCP"},
		{"h.example", "/mcp/a%21b"},
		{"h.example", "/mcp/deep/x"},
		{"h.example", "/slash"},
		{"h.example", "/caf%c3%a9"},
		{"o.example", "/x/%2e"},
		{"h.example:8080", "/mcp/x"},
		{"H.example", "/Slash/"},
		{"h.example.", "/"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, authority, path string) {
		r := tb.Find(authority, path)
		if r == nil {
			return
		}
		if PathFault(path) != "" || !r.At(authority) {
			t.Fatalf("Find(%q, %q) = %s", authority, path, r.URI)
		}
		reached := ""
		longest := ""
		a, _ := hostpath.ParseAuthority(authority)
		for _, other := range tb.All() {
			for _, l := range other.locations {
				if !l.at(a) {
					continue
				}
				prefix := strings.TrimSuffix(l.path, "/")
				if other == r && (path == l.path || strings.HasPrefix(path, prefix+"/")) && len(l.path) >= len(reached) {
					reached = l.path
				}
				folded := hostpath.Fold(path)
				if (folded == hostpath.Fold(l.path) || strings.HasPrefix(folded, hostpath.Fold(prefix)+"/")) && len(hostpath.Fold(l.path)) > len(longest) {
					longest = hostpath.Fold(l.path)
				}
			}
		}
		if len(hostpath.Fold(reached)) != len(longest) {
			t.Fatalf("Find(%q, %q) = %s by %q, but %q is longer once folded", authority, path, r.URI, reached, longest)
		}
	})
}

// TestOneSiteForAHostWithAndWithoutItsPort, unless another resource has one of the
// two alone.
func TestOneSiteForAHostWithAndWithoutItsPort(t *testing.T) {
	plain := spec("http://b.example/plain")
	plain.Name = "plain"
	tb, problems := NewTable([]Spec{spec("https://a.example/mcp"), spec("https://b.example/mcp"), plain}, []string{"b.example"})
	if tb == nil {
		t.Fatal(problems)
	}
	if tb.sites[hostpath.Authority{Host: "a.example"}] != tb.sites[hostpath.Authority{Host: "a.example", Port: 443}] {
		t.Error("two sites where one would do")
	}
	for _, row := range []struct{ authority, path, want string }{
		{"b.example", "/mcp", "https://b.example/mcp"},
		{"b.example:443", "/mcp", "https://b.example/mcp"},
		{"b.example:80", "/mcp", ""},
		{"b.example", "/plain", "http://b.example/plain"},
		{"b.example:80", "/plain", "http://b.example/plain"},
		{"b.example:443", "/plain", ""},
	} {
		got := ""
		if r := tb.Find(row.authority, row.path); r != nil {
			got = r.URI
		}
		if got != row.want {
			t.Errorf("%s%s: %q, want %q", row.authority, row.path, got, row.want)
		}
	}
}
