package resource

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/extauthz/finding"
)

func hosts() Spec {
	s := spec("https://{tenant}.mcp.example.com/mcp")
	s.Name = "hosts"
	return s
}

func paths() Spec {
	s := spec("https://mcp.example.com/servers/{server}/mcp")
	s.Name = "paths"
	return s
}

// patterns is a table of specs that have warnings.
func patterns(t *testing.T, specs ...Spec) *Table {
	t.Helper()
	tb, problems := NewTable(specs, nil)
	if tb == nil {
		t.Fatal(problems)
	}
	return tb
}

// TestFindPattern: a placeholder is one whole label or segment of plain
// characters, and nothing that a server may read in another way.
func TestFindPattern(t *testing.T) {
	literal := spec("https://mcp.example.com/servers/admin/mcp")
	both := spec("https://{tenant}.b.example/s/{server}")
	tb := patterns(t, hosts(), paths(), literal, both)
	for _, row := range []struct{ intent, authority, path, uri string }{
		{"a label", "acme.mcp.example.com", "/mcp", "https://acme.mcp.example.com/mcp"},
		{"a label in capitals", "ACME.mcp.example.com", "/mcp", "https://acme.mcp.example.com/mcp"},
		{"a label with the port", "acme.mcp.example.com:443", "/mcp/tools", "https://acme.mcp.example.com/mcp"},
		{"a label of 63 bytes", strings.Repeat("a", 63) + ".mcp.example.com", "/mcp", "https://" + strings.Repeat("a", 63) + ".mcp.example.com/mcp"},
		{"a segment", "mcp.example.com", "/servers/Abc_1-2/mcp", "https://mcp.example.com/servers/Abc_1-2/mcp"},
		{"below it", "mcp.example.com", "/servers/x/mcp/tools", "https://mcp.example.com/servers/x/mcp"},
		{"a segment of 128 bytes", "mcp.example.com", "/servers/" + strings.Repeat("a", 128) + "/mcp", "https://mcp.example.com/servers/" + strings.Repeat("a", 128) + "/mcp"},
		{"a literal first", "mcp.example.com", "/servers/admin/mcp", "https://mcp.example.com/servers/admin/mcp"},
		{"both", "t.b.example", "/s/x", "https://t.b.example/s/x"},

		{"a literal for a server that ignores case", "mcp.example.com", "/servers/ADMIN/mcp", ""},
		{"a literal for a server that decodes", "mcp.example.com", "/servers/%61dmin/mcp", ""},
		{"another path", "acme.mcp.example.com", "/mcpx", ""},
		{"a path in capitals", "acme.mcp.example.com", "/MCP", ""},
		{"another port", "acme.mcp.example.com:8443", "/mcp", ""},
		{"no label", ".mcp.example.com", "/mcp", ""},
		{"no label and no dot", "mcp.example.com", "/mcp", ""},
		{"two labels", "a.b.mcp.example.com", "/mcp", ""},
		{"a label of 64 bytes", strings.Repeat("a", 64) + ".mcp.example.com", "/mcp", ""},
		{"a label of 10,000 bytes", strings.Repeat("a", 10_000) + ".mcp.example.com", "/mcp", ""},
		{"a hyphen first", "-a.mcp.example.com", "/mcp", ""},
		{"a hyphen last", "a-.mcp.example.com", "/mcp", ""},
		{"an underscore in a label", "a_b.mcp.example.com", "/mcp", ""},
		{"an A-label", "xn--bcher-kva.mcp.example.com", "/mcp", ""},
		{"a full-width letter", "\uff41.mcp.example.com", "/mcp", ""},
		{"a percent sign in a label", "%61.mcp.example.com", "/mcp", ""},
		{"the placeholder itself in a label", "{tenant}.mcp.example.com", "/mcp", ""},
		{"the placeholder itself", "mcp.example.com", "/servers/{server}/mcp", ""},
		{"an empty segment", "mcp.example.com", "/servers//mcp", ""},
		{"a dot in a segment", "mcp.example.com", "/servers/a.b/mcp", ""},
		{"a dot segment", "mcp.example.com", "/servers/./mcp", ""},
		{"two dots", "mcp.example.com", "/servers/../mcp", ""},
		{"an escape", "mcp.example.com", "/servers/%41/mcp", ""},
		{"an escaped slash", "mcp.example.com", "/servers/a%2fb/mcp", ""},
		{"a full-width letter in a segment", "mcp.example.com", "/servers/\uff41/mcp", ""},
		{"a semicolon", "mcp.example.com", "/servers/a;b/mcp", ""},
		{"a segment of 129 bytes", "mcp.example.com", "/servers/" + strings.Repeat("a", 129) + "/mcp", ""},
		{"too short a path", "mcp.example.com", "/servers/a", ""},
		{"nothing", "mcp.example.com", "", ""},
	} {
		if got := uri(tb.Find(row.authority, row.path)); got != row.uri {
			t.Errorf("%s: %q, want %q", row.intent, got, row.uri)
		}
	}
}

// TestFilled: everything that names the resource has the request's values, and the
// name is the pattern's.
func TestFilled(t *testing.T) {
	s := hosts()
	s.Audiences = []string{"api://{tenant}/mcp"}
	s.Aliases = []string{"https://{tenant}.internal.example/mcp"}
	s.AlsoAt = []string{"http://{tenant}.svc:8080/mcp"}
	s.Parameters = map[string]string{"tenant": "tid"}
	tb := table(t, s)
	for _, row := range []struct{ authority, asked, document string }{
		{"acme.mcp.example.com", "https://acme.mcp.example.com/mcp", "https://acme.mcp.example.com/.well-known/oauth-protected-resource/mcp"},
		{"acme.internal.example", "https://acme.internal.example/mcp", "https://acme.internal.example/.well-known/oauth-protected-resource/mcp"},
		{"acme.svc:8080", "https://acme.mcp.example.com/mcp", "https://acme.mcp.example.com/.well-known/oauth-protected-resource/mcp"},
	} {
		r := tb.Find(row.authority, "/mcp")
		if r == nil {
			t.Fatalf("%s: no resource", row.authority)
		}
		got := []any{r.Name, r.URI, r.Asked, r.MetadataURL, r.Audiences, r.Aliases, r.Values}
		want := []any{
			"hosts", "https://acme.mcp.example.com/mcp", row.asked, row.document,
			[]string{"api://acme/mcp"},
			[]string{"https://acme.internal.example/mcp"},
			map[string]string{"tenant": "acme"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.authority, diff)
		}
		for _, authority := range []string{"acme.mcp.example.com", "acme.internal.example:443", "acme.svc:8080"} {
			if !r.At(authority) {
				t.Errorf("%s: not at %s", row.authority, authority)
			}
		}
		if r.At("other.mcp.example.com") || !r.AllowsOrigin(strings.TrimSuffix(row.asked, "/mcp"), "") || r.AllowsOrigin("https://other.mcp.example.com", row.authority) {
			t.Errorf("%s: at another tenant, or the origin is wrong", row.authority)
		}
	}
}

// TestDocumentsOfPatterns: each filled-in URL has its own document, at its own
// place, and no place has the document of another.
func TestDocumentsOfPatterns(t *testing.T) {
	tb := patterns(t, hosts(), paths())
	for _, row := range []struct{ intent, authority, path, resource string }{
		{"a host", "acme.mcp.example.com", wellKnown + "/mcp", "https://acme.mcp.example.com/mcp"},
		{"another one", "b.mcp.example.com", wellKnown + "/mcp?x", "https://b.mcp.example.com/mcp"},
		{"a slash more", "b.mcp.example.com", wellKnown + "/mcp/", "https://b.mcp.example.com/mcp"},
		{"the only pattern of a host", "b.mcp.example.com", wellKnown, "https://b.mcp.example.com/mcp"},
		{"a path", "mcp.example.com", wellKnown + "/servers/x/mcp", "https://mcp.example.com/servers/x/mcp"},
		{"no value", "mcp.example.com", wellKnown, ""},
		{"an escape for a value", "mcp.example.com", wellKnown + "/servers/%41/mcp", ""},
		{"below the path", "b.mcp.example.com", wellKnown + "/mcp/x", ""},
		{"two slashes more", "b.mcp.example.com", wellKnown + "/mcp//", ""},
		{"no tenant", "xn--a.mcp.example.com", wellKnown + "/mcp", ""},
	} {
		d := tb.Document("GET", row.authority, row.path)
		want := `{"resource":"` + row.resource + `",`
		if (d.Status == 200) != (row.resource != "") || d.Status == 200 && !strings.HasPrefix(string(d.Body), want) {
			t.Errorf("%s: %d %s", row.intent, d.Status, d.Body)
		}
	}
	if !tb.IsMetadata("acme.mcp.example.com", "/.well-known/openid-configuration") || tb.IsMetadata("a.other.example", "/.well-known/openid-configuration") {
		t.Error("the hosts of a pattern are not those of a resource")
	}
}

// TestNamedPattern: a mesh names a pattern with a value in its path by the
// filled-in URL, since the bare name is that of all of them.
func TestNamedPattern(t *testing.T) {
	s := hosts()
	s.Aliases = []string{"https://{tenant}.internal.example/mcp"}
	tb := patterns(t, s, paths())
	for _, row := range []struct{ name, authority, uri string }{
		{"hosts", "acme.mcp.example.com", "https://acme.mcp.example.com/mcp"},
		{"hosts", "mcp.example.com", ""},
		{"hosts", "", ""},
		{"https://acme.mcp.example.com/mcp", "any", "https://acme.mcp.example.com/mcp"},
		{"https://acme.internal.example/mcp", "any", "https://acme.mcp.example.com/mcp"},
		{"https://mcp.example.com/servers/x/mcp", "mcp.example.com", "https://mcp.example.com/servers/x/mcp"},
		{"https://mcp.example.com/servers/x/mcp/more", "mcp.example.com", ""},
		{"http://mcp.example.com/servers/x/mcp", "mcp.example.com", ""},
		{"https://mcp.example.com/servers/{server}/mcp", "mcp.example.com", ""},
		{"paths", "mcp.example.com", ""},
		{"nobody", "mcp.example.com", ""},
	} {
		if got := uri(tb.Named(row.name, row.authority)); got != row.uri {
			t.Errorf("%s at %s: %q, want %q", row.name, row.authority, got, row.uri)
		}
	}
}

// TestALiteralIsNamedBeforeAPattern: what a mesh names by a pattern is the literal
// resource that is found there without a name, with its own rules.
func TestALiteralIsNamedBeforeAPattern(t *testing.T) {
	vip, whole, folded := spec("https://vip.mcp.example.com/mcp"), spec("https://whole.mcp.example.com"), spec("https://case.mcp.example.com/MCP")
	also := spec("https://far.example.com/mcp", "https://near.mcp.example.com/mcp")
	vip.Aliases = []string{"https://alias.mcp.example.com/mcp"}
	tb := patterns(t, hosts(), vip, whole, folded, also)
	for _, host := range []string{"vip", "alias", "whole", "near", "case", "acme"} {
		authority := host + ".mcp.example.com"
		want := uri(tb.Find(authority, "/mcp"))
		for _, name := range []string{"hosts", "https://" + authority + "/mcp"} {
			if got := uri(tb.Named(name, authority)); got != want {
				t.Errorf("%s at %s: %q, want %q", name, authority, got, want)
			}
		}
	}
}

// TestAliases have a document and a challenge of their own, and are one resource.
func TestAliases(t *testing.T) {
	s := spec("https://mcp.example.com/mcp", "http://svc.ns:8080/mcp")
	s.Name, s.Aliases = "weather", []string{"https://mcp.internal.example/weather"}
	tb := table(t, s, spec("https://other.example.com"))
	for _, row := range []struct{ authority, path, asked, document string }{
		{"mcp.example.com", "/mcp", "https://mcp.example.com/mcp", "https://mcp.example.com" + wellKnown + "/mcp"},
		{"mcp.internal.example", "/weather/x", "https://mcp.internal.example/weather", "https://mcp.internal.example" + wellKnown + "/weather"},
		{"svc.ns:8080", "/mcp", "https://mcp.example.com/mcp", "https://mcp.example.com" + wellKnown + "/mcp"},
	} {
		r := tb.Find(row.authority, row.path)
		if r == nil || r.Name != "weather" || r.URI != "https://mcp.example.com/mcp" || r.Asked != row.asked || r.MetadataURL != row.document {
			t.Fatalf("%s: %+v", row.authority, r)
		}
		d := tb.Document("GET", row.authority, strings.TrimPrefix(r.MetadataURL, "https://"+strings.Split(r.Asked, "/")[2]))
		if !strings.HasPrefix(string(d.Body), `{"resource":"`+row.asked+`",`) {
			t.Errorf("%s: %s", row.asked, d.Body)
		}
		if got := tb.Named(row.asked, ""); got == nil || got.Asked != row.asked {
			t.Errorf("%s is not found by its URL", row.asked)
		}
	}
	if len(tb.All()) != 2 {
		t.Errorf("%d resources", len(tb.All()))
	}
}

// TestOwns: what names any resource of ours, in any spelling.
func TestOwns(t *testing.T) {
	s, pattern := spec("https://mcp.example.com/mcp"), hosts()
	s.Aliases, s.Audiences = []string{"https://mcp.internal.example"}, []string{"api://a"}
	pattern.Audiences = []string{"api://{tenant}/x"}
	tb := patterns(t, s, pattern)
	for audience, want := range map[string]bool{
		"https://mcp.example.com/mcp":          true,
		"HTTPS://MCP.example.com:443/mcp":      true,
		"https://mcp.internal.example/":        true,
		"api://a":                              true,
		"https://acme.mcp.example.com/mcp":     true,
		"https://ACME.mcp.example.com/mcp":     true,
		"api://any/x":                          true,
		"https://mcp.example.com":              false,
		"api://b":                              false,
		"https://a.b.mcp.example.com/mcp/more": false,
		"":                                     false,
	} {
		if got := tb.Owns(audience); got != want {
			t.Errorf("%q: %t", audience, got)
		}
	}
}

// TestOwners: by which of its values a resource is found, and for which URL of a pattern.
func TestOwners(t *testing.T) {
	s, pattern := spec("https://mcp.example.com/mcp"), hosts()
	s.Aliases, s.Audiences = []string{"https://mcp.internal.example"}, []string{"api://a"}
	pattern.Audiences = []string{"api://{tenant}/x"}
	tb := patterns(t, s, pattern)
	for audience, want := range map[string]string{
		"https://mcp.example.com/mcp":          "named https://mcp.example.com/mcp",
		"HTTPS://MCP.example.com:443/mcp":      "named https://mcp.example.com/mcp",
		"https://mcp.internal.example/":        "named https://mcp.example.com/mcp",
		"api://a":                              "further https://mcp.example.com/mcp",
		"https://acme.mcp.example.com/mcp":     "named https://acme.mcp.example.com/mcp",
		"https://ACME.mcp.example.com:443/mcp": "named https://acme.mcp.example.com/mcp",
		"https://acme.mcp.example.com/MCP/":    "named " + pattern.URI,
		"https://a.b.mcp.example.com/mcp":      "named " + pattern.URI,
		"api://any/x":                          "further " + pattern.URI,
		"https://mcp.example.com":              "",
		"https://mcp.example.com/mcp?a":        "",
		"api://b":                              "",
		"https://a.b.mcp.example.com/mcp/more": "",
		"":                                     "",
	} {
		var found []string
		named, further := tb.Owners(audience)
		for _, r := range named {
			found = append(found, "named "+r.URI)
		}
		for _, r := range further {
			found = append(found, "further "+r.URI)
		}
		if got := strings.Join(found, ", "); got != want || got == "" && tb.Owns(audience) {
			t.Errorf("%q: %s, want %s", audience, got, want)
		}
	}
	if named, further := new(Table).Owners("a"); len(named)+len(further) > 0 {
		t.Error("of no resources")
	}
}

// TestPatternProblems: what cannot mean one thing is refused.
func TestPatternProblems(t *testing.T) {
	with := func(s Spec, change func(*Spec)) Spec {
		change(&s)
		return s
	}
	tied := with(hosts(), func(s *Spec) { s.Parameters = map[string]string{"tenant": "tid"} })
	for _, row := range []struct {
		intent string
		specs  []Spec
		want   []string // beginnings of messages of errors
	}{
		{"a pattern", []Spec{hosts()}, nil},
		{"one that is tied", []Spec{tied}, nil},
		{"a part of a label", []Spec{spec("https://a-{tenant}.example.com/mcp")}, []string{"has {tenant} as a part of a label or a segment"}},
		{"a part of a segment", []Spec{spec("https://a.example.com/x{tenant}")}, []string{"has {tenant} as a part of a label or a segment"}},
		{"the last label", []Spec{spec("https://a.{tenant}/mcp")}, []string{"has a placeholder in the last two labels"}},
		{"the last label but one", []Spec{spec("https://a.{tenant}.com/mcp")}, []string{"has a placeholder in the last two labels"}},
		{"one twice", []Spec{spec("https://{a}.example.com/{a}")}, []string{"has the placeholder {a} twice"}},
		{"no UTF-8", []Spec{with(spec("https://h.example"), func(s *Spec) { s.Audiences = []string{"a\xc3{b}"} })}, []string{"is not UTF-8"}},
		{"no UTF-8 in a pattern", []Spec{hosts(), spec("https://{a}.example.com/\xc3")}, []string{"is not UTF-8"}},
		{"a name in capitals", []Spec{spec("https://{A}.example.com/")}, []string{"has a brace that belongs to no placeholder"}},
		{"no name", []Spec{spec("https://{}.example.com/")}, []string{"has a brace that belongs to no placeholder"}},
		{"a brace that stays open", []Spec{spec("https://{a.example.com/")}, []string{"has a brace that belongs to no placeholder"}},
		{"in another spelling", []Spec{spec("https://{a}.EXAMPLE.com/mcp")}, []string{"has a host that is not in lower case: write https://{a}.example.com/mcp"}},
		{"two patterns on one host", []Spec{hosts(), spec("https://{x}.mcp.example.com/other")}, nil},
		{"two equal patterns", []Spec{hosts(), spec("https://{x}.mcp.example.com/mcp")}, []string{"can match the same request as resources[0].resource"}},
		{"two that cross", []Spec{spec("https://h.example/{a}/x"), spec("https://h.example/y/{b}")}, []string{"can match the same request as resources[0].resource"}},
		{"one below the other", []Spec{hosts(), spec("https://{x}.mcp.example.com/mcp/more")}, []string{"can match the same request as resources[0].resource"}},
		{"two that differ in case", []Spec{spec("https://h.example/{a}/x"), spec("https://h.example/{a}/X")}, []string{"can match the same request as resources[0].resource"}},
		{"two schemes whose port is not written", []Spec{spec("https://{a}.example.com/mcp", "http://{a}.ns.svc/mcp"), spec("https://{a}.ns.svc/mcp")}, []string{"can match the same request as resources[0].also_at[0]"}},
		{"two schemes with ports", []Spec{spec("https://{a}.example.com/mcp", "http://{a}.ns.svc:8080/mcp"), spec("https://{a}.ns.svc/mcp")}, nil},
		{"a literal over it", []Spec{paths(), spec("https://mcp.example.com/servers")}, []string{"is never reached, because a literal URL has precedence and resources[1].resource takes"}},
		{"a literal beside it", []Spec{paths(), spec("https://mcp.example.com/servers/admin")}, nil},
		{"an audience without it", []Spec{with(tied, func(s *Spec) { s.Audiences = []string{"api://all.1"} })}, []string{"does not have the placeholders of the resource, {tenant}"}},
		{"an alias without it", []Spec{with(tied, func(s *Spec) { s.Aliases = []string{"https://a.example.com/mcp"} })}, []string{"does not have the placeholders of the resource"}},
		{"an audience with another", []Spec{with(spec("https://h.example"), func(s *Spec) { s.Audiences = []string{"api://{tenant}.1"} })}, []string{"has a placeholder that the resource does not have"}},
		{"an audience that merges values", []Spec{with(spec("https://{a}.h.example.com/{b}"), func(s *Spec) {
			s.Audiences = []string{"api://{a}{b}.1", "api://{b}-x-{a}.1", "api://{a}.{b}"}
		})}, []string{"has placeholders with nothing between them", "has placeholders with nothing between them"}},
		{"clients of all tenants", []Spec{with(hosts(), func(s *Spec) { s.Clients = []string{"app"} })}, []string{"is for a pattern whose placeholders are tied to no claim"}},
		{"clients of one tenant", []Spec{with(tied, func(s *Spec) { s.Clients = []string{"app"} })}, nil},
		{"a parameter of no placeholder", []Spec{with(tied, func(s *Spec) { s.Parameters = map[string]string{"x": "y", "tenant": "tid"} })}, []string{"is no placeholder of the resource"}},
		{"a parameter of no claim", []Spec{with(tied, func(s *Spec) { s.Parameters = map[string]string{"tenant": ""} })}, []string{"names no claim"}},
	} {
		_, problems := NewTable(row.specs, nil)
		errors := problems.Errors()
		if len(errors) != len(row.want) {
			t.Errorf("%s: %v", row.intent, errors)
			continue
		}
		for i, want := range row.want {
			if !strings.HasPrefix(errors[i].Message, want) {
				t.Errorf("%s: %s", row.intent, errors[i].Message)
			}
		}
	}
	_, problems := NewTable([]Spec{hosts()}, nil)
	if len(problems) != 1 || problems[0].Severity != finding.Warning || !strings.Contains(problems[0].Message, "not that its user belongs there") {
		t.Errorf("no warning of a pattern that is not tied: %v", problems)
	}
}

// TestAudiencesOfPatterns that tokens of another resource have are warned of, as
// those of literal resources are.
func TestAudiencesOfPatterns(t *testing.T) {
	with := func(s Spec, audiences ...string) Spec {
		s.Audiences = audiences
		return s
	}
	other := spec("https://other.example.com/mcp")
	for intent, row := range map[string]struct {
		specs []Spec
		want  string
	}{
		"the URL of a tenant":             {[]Spec{hosts(), with(other, "https://acme.mcp.example.com/mcp")}, "resources[1].audiences[0]"},
		"an audience of a tenant":         {[]Spec{with(hosts(), "api://{tenant}.1"), with(other, "api://acme.1")}, "resources[1].audiences[0]"},
		"a pattern over a URL":            {[]Spec{with(hosts(), "https://other.example.com/{tenant}"), other}, "resources[0].audiences[0]"},
		"a pattern over a pattern":        {[]Spec{with(hosts(), "https://mcp.example.com/servers/{tenant}/mcp"), paths()}, "resources[0].audiences[0]"},
		"the same audience of two":        {[]Spec{with(hosts(), "api://{tenant}.1"), with(spec("https://{tenant}.b.example.com/mcp"), "api://{tenant}.1")}, "resources[1].audiences[0]"},
		"another audience":                {[]Spec{with(hosts(), "api://{tenant}.1"), with(other, "api://acme.2", "api://a.b.1")}, ""},
		"a literal URL under the pattern": {[]Spec{hosts(), spec("https://vip.mcp.example.com/mcp")}, ""},
	} {
		_, problems := NewTable(row.specs, nil)
		problems = slices.DeleteFunc(problems, func(f finding.Finding) bool { return strings.HasPrefix(f.Message, "is a pattern: ") })
		if row.want == "" && len(problems) > 0 || row.want != "" &&
			(len(problems) != 1 || problems[0].Path != row.want || !strings.Contains(problems[0].Message, "so that a token for one opens both")) {
			t.Errorf("%s: %v", intent, problems)
		}
	}
}

// TestAnotherHostCostsNothing of memory, however many patterns there are.
func TestAnotherHostCostsNothing(t *testing.T) {
	var specs []Spec
	for i := range 100 {
		specs = append(specs, spec(fmt.Sprintf("https://{a}.p%d.example.com/mcp", i)))
	}
	tb := patterns(t, specs...)
	if allocations := testing.AllocsPerRun(10, func() { tb.Find("x.else.example.com", "/mcp") }); allocations > 0 {
		t.Errorf("%v allocations", allocations)
	}
}

// TestFindAmongMany: a resource is found among many as it is found alone.
func TestFindAmongMany(t *testing.T) {
	var specs []Spec
	for i := range 1000 {
		specs = append(specs, spec(fmt.Sprintf("https://h.example/s%d", i)), spec(fmt.Sprintf("https://h%d.example/mcp", i)))
	}
	tb := table(t, specs...)
	for i := range 1000 {
		for _, row := range [][3]string{
			{"h.example", fmt.Sprintf("/s%d/x/y/z", i), fmt.Sprintf("https://h.example/s%d", i)},
			{fmt.Sprintf("h%d.example", i), "/mcp", fmt.Sprintf("https://h%d.example/mcp", i)},
			{"h.example", fmt.Sprintf("/S%d", i), ""},
		} {
			if got := uri(tb.Find(row[0], row[1])); got != row[2] {
				t.Fatalf("%q: %q", row, got)
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() { tb.Find("h.example", "/s500/x/y/z") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzPattern: a value is one label or segment and never anything that a URL
// library reads as more; the filled-in URL has the request's own bytes.
func FuzzPattern(f *testing.F) {
	tb, problems := NewTable([]Spec{hosts(), paths()}, nil)
	if tb == nil {
		f.Fatal(problems)
	}
	f.Add("acme.mcp.example.com", "/mcp")
	f.Add("mcp.example.com", "/servers/x/mcp")
	f.Add("mcp.example.com", "/servers/%2e%2e/mcp")
	f.Fuzz(func(t *testing.T, authority, path string) {
		r := tb.Find(authority, path)
		if r == nil {
			return
		}
		host, _, _ := strings.Cut(strings.ToLower(authority), ":")
		switch r.Name {
		case "hosts":
			tenant, ok := strings.CutSuffix(host, ".mcp.example.com")
			if !ok || strings.ContainsAny(tenant, "./:%@_{}") || r.URI != "https://"+host+"/mcp" || path != "/mcp" && !strings.HasPrefix(path, "/mcp/") {
				t.Errorf("%q %q: %s", authority, path, r.URI)
			}
		case "paths":
			segments := strings.Split(path, "/")
			if host != "mcp.example.com" || len(segments) < 4 || r.URI != "https://mcp.example.com"+strings.Join(segments[:4], "/") ||
				strings.ContainsAny(segments[2], "%.;\\{}") {
				t.Errorf("%q %q: %s", authority, path, r.URI)
			}
		}
	})
}

// TestServersOfAPattern: the document names the authorization server of the request's values, and a
// placeholder that the resource does not have is refused.
func TestServersOfAPattern(t *testing.T) {
	s := hosts()
	s.AuthorizationServers = []string{"https://login.example.com/{tenant}", "https://{tenant}.login.example.com"}
	d := patterns(t, s).Document("GET", "acme.mcp.example.com", "/.well-known/oauth-protected-resource/mcp")
	want := `"authorization_servers":["https://login.example.com/acme","https://acme.login.example.com"]`
	if !strings.Contains(string(d.Body), want) {
		t.Errorf("%s, want %s", d.Body, want)
	}
	for server, want := range map[string]string{
		"https://login.example.com/{realm}":        "has a placeholder that the resource does not have",
		"https://login.example.com/{tenant}{realm": "has a brace that belongs to no placeholder",
		"login/{tenant}":                           "is no URL of an authorization server",
	} {
		s.AuthorizationServers = []string{server}
		if _, problems := NewTable([]Spec{s}, nil); !strings.Contains(fmt.Sprint(problems.Errors()), want) {
			t.Errorf("%s: %v, want %s", server, problems, want)
		}
	}
}
