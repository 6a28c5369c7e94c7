package resource

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/extauthz/finding"
)

// complaint is a problem as a test states it.
func complaint(path, message string) finding.Finding {
	return finding.Finding{Path: path, Message: message}
}

func warning(path, message string) finding.Finding {
	return finding.Finding{Path: path, Message: message, Severity: finding.Warning}
}

var anotherKey = regexp.MustCompile(`\bresources\[\d+\](\.\w+(\[\d+\])?)?`)

// checkProblems builds a table and compares the findings. There is a table exactly
// if all of them are warnings.
func checkProblems(t *testing.T, specs []Spec, insecure []string, want finding.List) {
	t.Helper()
	tb, got := NewTable(specs, insecure)
	for i := range want { // the second key that a message names is in Other, too
		want[i].Other = anotherKey.FindString(want[i].Message)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	refused := slices.ContainsFunc(want, func(p finding.Finding) bool { return p.Severity == finding.Error })
	if (tb == nil) != refused {
		t.Errorf("table is %v, want it refused: %v", tb, refused)
	}
}

// PR-4, PR-5, AU-5: the URL of a resource is canonical, or the message has
// what to write.
func TestURLProblems(t *testing.T) {
	const (
		badHost   = "has a host that is neither a DNS name nor an IP address: write a name of letters, digits, - and dots, or an address (IPv6 in brackets)"
		badPort   = "has no valid port: write a number from 1 to 65535, without leading zeros"
		noURL     = "is not an absolute URL: write https://host/path"
		noScheme  = "has a scheme other than https: write https://host/path"
		noMatch   = "has a path that matches no request, because it "
		normal    = ": write the path as servers see it after normalisation"
		canonical = ": write https://h.example/mcp"
		wellknown = "lies under /.well-known/oauth-protected-resource, where metadata is asked for: choose another path"
	)
	tests := []struct {
		intent string
		uri    string
		want   []string
	}{
		{"nothing to say", "https://h.example/mcp", nil},
		{"a port of its own", "https://h.example:8443/mcp", nil},
		{"no path", "https://h.example", nil},
		{"a slash for a path", "https://h.example/", nil},
		{"a path with a slash at its end", "https://h.example/mcp/", nil},
		{"an address", "https://192.0.2.1/mcp", nil},
		{"an IPv6 address", "https://[2001:db8::1]/mcp", nil},
		{"a name that ends in a word of hexadecimal letters", "https://h.cafe", nil},
		{"a name that ends in digits and letters", "https://h.1st", nil},
		{"a path that only looks well-known", "https://h.example/.well-known/oauth", nil},

		{"nothing", "", []string{"is missing: write the URL that users give to their clients, such as https://mcp.example.com/mcp"}},
		{"no scheme", "h.example/mcp", []string{noURL}},
		{"no slashes", "https:h.example", []string{noURL}},
		{"another scheme", "ftp://h.example/mcp", []string{noScheme}},
		{"a scheme that is longer", "httpss://h.example/mcp", []string{noScheme}},
		{"http", "http://h.example/mcp", []string{"is http://: write https://, or name the host in insecure_http_hosts"}},
		{"no host", "https:///mcp", []string{"has no host: write https://host/path"}},
		{"a port for a host", "https://:8443/mcp", []string{"has no host: write https://host/path"}},

		{"the scheme in capitals", "HTTPS://h.example/mcp", []string{"has a scheme that is not in lower case" + canonical}},
		{"the host in capitals", "https://H.Example/mcp", []string{"has a host that is not in lower case" + canonical}},
		{"a default port", "https://h.example:443/mcp", []string{"writes the default port out" + canonical}},
		{"an empty port", "https://h.example:/mcp", []string{"has a colon without a port" + canonical}},
		{"a trailing dot", "https://h.example./mcp", []string{"has a host with a trailing dot" + canonical}},
		{"user information", "https://user:secret@h.example/mcp", []string{"carries user information" + canonical}},
		{"a fragment", "https://h.example/mcp#x", []string{"carries a fragment" + canonical}},
		{"an empty fragment", "https://h.example/mcp#", []string{"carries a fragment" + canonical}},
		{"a query", "https://h.example/mcp?x=1", []string{"carries a query" + canonical}},
		{"a query without a path", "https://h.example?x=1", []string{"carries a query: write https://h.example"}},
		{"an international name", "https://Bücher.example/mcp", []string{"has an international host name that is not an A-label: write https://xn--bcher-kva.example/mcp"}},
		{"an IPv6 address in another spelling", "https://[2001:DB8:0::1]/mcp", []string{"has an IPv6 address that is not in its shortest form: write https://[2001:db8::1]/mcp"}},

		{"a zone", "https://[fe80::1%25eth0]/mcp", []string{badHost}},
		{"IPv6 without brackets", "https://2001:db8::1/mcp", []string{badPort, badHost}},
		{"a space in the host", "https://h example/mcp", []string{badHost}},
		{"two dots at the end", "https://h.example../mcp", []string{badHost}},
		{"an escape in the host", "https://h%2eexample/mcp", []string{badHost}},
		{"a short form of an address", "https://127.1/mcp", []string{badHost}},
		{"a hexadecimal form of an address", "https://127.0.0.0x1/mcp", []string{badHost}},
		{"a number for a host", "https://2130706433/mcp", []string{badHost}},
		{"an address in wide digits", "https://１２７.１/mcp", []string{badHost}},
		{"a name that cannot be an A-label", "https://ü_x.example/\x00", []string{"has a host that is no valid international name: write its A-label (xn--…)", noMatch + "has a byte outside visible ASCII" + normal}},

		{"port zero", "https://h.example:0/mcp", []string{badPort}},
		{"a padded port", "https://h.example:0443/mcp", []string{badPort}},
		{"a port out of range", "https://h.example:65536/mcp", []string{badPort}},
		{"a port that is a word", "https://h.example:x/mcp", []string{badPort}},

		{"a dot segment", "https://h.example/a/../mcp", []string{noMatch + "has a dot segment" + normal}},
		{"an empty segment", "https://h.example//mcp", []string{noMatch + "has an empty segment (//)" + normal}},
		{"a semicolon", "https://h.example/mcp;x", []string{noMatch + `has one of ; \ # ?` + normal}},
		{"an escaped letter", "https://h.example/%6dcp", []string{noMatch + `has an escape of / \ % ; ? # or of a byte that needs none` + normal}},
		{"a malformed escape", "https://h.example/%6", []string{noMatch + "has a malformed escape" + normal}},
		{"a path outside ASCII", "https://h.example/é", []string{noMatch + "has a byte outside visible ASCII" + normal}},
		{"a space in the path", "https://h.example/a b", []string{noMatch + "has a byte outside visible ASCII" + normal}},
		{"a quote in the path", `https://h.example/a"b`, []string{`has '"' in its path, which no URL may contain: write it as %22`}},
		{"a brace that is no placeholder", "https://h.example/{ID}", []string{"has a brace that belongs to no placeholder: " +
			"write {name}, where name begins with a small letter and has small letters, digits and _ alone"}},
		{"a well-known path", "https://h.example/.well-known/oauth-protected-resource", []string{wellknown}},
		{"a path where an authorization server is looked for", "https://h.example/.well-known/openid-configuration/mcp", []string{
			"lies under /.well-known/openid-configuration, where metadata is asked for: choose another path",
		}},
		{"below a well-known path, in capitals", "https://h.example/.Well-Known/oauth-protected-resource/x", []string{wellknown}},

		{"several faults at once, each with the whole cure", "HTTPS://u@H.example:443/mcp?x#y", []string{
			"has a scheme that is not in lower case" + canonical, "carries user information" + canonical,
			"writes the default port out" + canonical, "has a host that is not in lower case" + canonical,
			"carries a fragment" + canonical, "carries a query" + canonical,
		}},
		{"a fault of spelling beside one that cannot be read", "HTTPS://h.example:0/mcp", []string{
			badPort, "has a scheme that is not in lower case: mend the host first",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			var want finding.List
			for _, message := range tt.want {
				want = append(want, complaint("resources[0].resource", message))
			}
			checkProblems(t, []Spec{spec(tt.uri)}, nil, want)
			if tt.uri == "" || strings.HasPrefix(tt.uri, "http:") {
				return // an also_at may be http
			}
			for i := range want {
				want[i].Path = "resources[0].also_at[1]"
			}
			checkProblems(t, []Spec{spec("https://first.example", "http://svc.ns:8080/mcp", tt.uri)}, nil, want)
		})
	}
}

// Each byte that RFC 3986 keeps out of a path is refused.
func TestURLCharacters(t *testing.T) {
	for _, c := range "\"<>^`{|}[]\\ " {
		if tb, _ := NewTable([]Spec{spec("https://h.example/a" + string(c) + "b")}, nil); tb != nil {
			t.Errorf("a path with %q is accepted", c)
		}
	}
}

// T-4: http is for hosts that are named, and is never silent.
func TestInsecureHTTPHosts(t *testing.T) {
	clear := finding.List{warning("resources[0].resource", "is http://: tokens travel in the clear")}
	refused := finding.List{complaint("resources[0].resource", "is http://: write https://, or name the host in insecure_http_hosts")}
	tests := []struct {
		intent   string
		uri      string
		insecure []string
		want     finding.List
	}{
		{"a named host", "http://h.example/mcp", []string{"x.example", "h.example"}, clear},
		{"a named host on any port", "http://h.example:8080/mcp", []string{"h.example"}, clear},
		{"a host named in capitals", "http://h.example/mcp", []string{"H.example"}, clear},
		{"a host below a named one", "http://a.h.example/mcp", []string{"h.example"}, refused},
		{"an address", "http://192.0.2.1/mcp", []string{"192.0.2.1"}, clear},
		{"an IPv6 address without brackets", "http://[2001:db8::1]/mcp", []string{"2001:db8:0::1"}, clear},
		{"an IPv6 address with brackets", "http://[2001:db8::1]/mcp", []string{"[2001:db8::1]"}, clear},
		{"an entry with a port names nothing", "http://h.example:8080/mcp", []string{"h.example:8080"}, refused},
		{"an empty entry names nothing", "http://h.example/mcp", []string{""}, refused},
		{"loopback by name", "http://localhost:9000/mcp", []string{"loopback"}, clear},
		{"loopback by any of its addresses", "http://127.1.2.3/mcp", []string{"loopback"}, clear},
		{"loopback by its IPv6 address", "http://[::1]/mcp", []string{"loopback"}, clear},
		{"what only begins like loopback", "http://127.0.0.1.example/mcp", []string{"loopback"}, refused},
		{"what only ends like loopback", "http://evil.localhost/mcp", []string{"loopback"}, refused},
		{"the word is no host", "http://loopback/mcp", []string{"loopback"}, refused},
		{"another address", "http://10.0.0.1/mcp", []string{"loopback"}, refused},
		{"https needs no permission", "https://h.example/mcp", []string{"h.example"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			checkProblems(t, []Spec{spec(tt.uri)}, tt.insecure, tt.want)
		})
	}
}

func TestSpecProblems(t *testing.T) {
	const badName = "is not usable as a label: write at most 128 printable ASCII characters"
	const badScope = "is not one scope: write visible ASCII without space, quote and backslash, one scope an entry"
	const twice = "is listed twice: leave one out"
	const withPrefix = "begins with scope_prefix, which is taken off a token's scopes, so that no token has it: write "
	const noCaller = "says nothing of the caller, who chooses aud and shares the others with every caller: write a claim that names it"
	const offline = "is offline_access, which is between client and issuer: leave it out"
	const implied = "is the resource itself, which is always accepted: leave it out"
	const generic = "is a word that other services use too, so that their tokens would open this one: have the issuer put the resource in aud"
	const unreachable = "is compared byte for byte, so that no token has it unless an issuer writes the very same star or space: write each aud value out"
	const advice = ": write scheme://host or scheme://host:port"
	tests := []struct {
		intent string
		change func(*Spec)
		want   finding.List
	}{
		{"a full spec", func(s *Spec) {
			s.Name = "weather (EU)"
			s.Audiences = []string{"api://weather", "5f0c1d6e-22f7-4d2c-9a53-0a8e3a0f5c11", "urn:x", "weather.example"}
			s.Scopes = []string{"mcp:read", "https://h.example/scope", "!#[]~"}
			s.Origins = []string{"https://app.example.com", "http://localhost:6274", "chrome-extension://abcdef"}
			s.Labels = map[string]string{"": "", "é": "\n"}
		}, nil},

		{"a name that ends in a space", func(s *Spec) { s.Name = "x " }, finding.List{complaint("resources[0].name", badName)}},
		{"a name with a line end", func(s *Spec) { s.Name = "x\ny" }, finding.List{complaint("resources[0].name", badName)}},
		{"a name outside ASCII", func(s *Spec) { s.Name = "météo" }, finding.List{complaint("resources[0].name", badName)}},
		{"a name of 128 bytes", func(s *Spec) { s.Name = strings.Repeat("x", 128) }, nil},
		{"a name of 129 bytes", func(s *Spec) { s.Name = strings.Repeat("x", 129) }, finding.List{complaint("resources[0].name", badName)}},
		{"its own URL for a name", func(s *Spec) { s.Name = s.URI }, nil},

		{"an empty audience", func(s *Spec) { s.Audiences = []string{""} }, finding.List{complaint("resources[0].audiences[0]", "is empty: write an exact aud value, or leave it out")}},
		{"the resource as an audience", func(s *Spec) { s.Audiences = []string{s.URI} }, finding.List{warning("resources[0].audiences[0]", implied)}},
		{"the resource as an audience in another spelling (AU-5)", func(s *Spec) { s.Audiences = []string{"HTTPS://H.example:443/mcp"} }, finding.List{warning("resources[0].audiences[0]", implied)}},
		{"an audience with a star", func(s *Spec) { s.Audiences = []string{"https://h.example/*"} }, finding.List{warning("resources[0].audiences[0]", unreachable)}},
		{"an audience with a space", func(s *Spec) { s.Audiences = []string{"api://weather "} }, finding.List{warning("resources[0].audiences[0]", unreachable)}},
		{"a path below the resource is another audience", func(s *Spec) { s.Audiences = []string{s.URI + "/"} }, nil},
		{"generic words (AU-4)", func(s *Spec) { s.Audiences = []string{"api", "my-service"} }, finding.List{warning("resources[0].audiences[0]", generic), warning("resources[0].audiences[1]", generic)}},
		{"an audience twice", func(s *Spec) { s.Audiences = []string{"urn:x", "urn:x"} }, finding.List{complaint("resources[0].audiences[1]", twice)}},

		{"no issuer (PR-1)", func(s *Spec) { s.Issuers = nil }, finding.List{complaint("resources[0].issuers", "is empty, so that no token could be accepted: write [https://issuer]")}},
		{"an issuer twice", func(s *Spec) { s.Issuers = []string{issuer, "https://b.example", issuer} }, finding.List{complaint("resources[0].issuers[2]", twice)}},

		{"scopes that are no scope-tokens", func(s *Spec) { s.Scopes = []string{"", "a b", `a"b`, `a\b`, "é", "a\x7f", "ok"} }, finding.List{
			complaint("resources[0].scopes[0]", badScope), complaint("resources[0].scopes[1]", badScope), complaint("resources[0].scopes[2]", badScope),
			complaint("resources[0].scopes[3]", badScope), complaint("resources[0].scopes[4]", badScope), complaint("resources[0].scopes[5]", badScope),
		}},
		{"a scope twice", func(s *Spec) { s.Scopes = []string{"a", "b", "a"} }, finding.List{complaint("resources[0].scopes[2]", twice)}},
		{"scopes with the prefix that is taken off", func(s *Spec) {
			s.ScopePrefix, s.Scopes, s.ScopesAny = "api://x/", []string{"a", "api://x/a"}, [][]string{{"b"}, {"api://x/b"}}
		}, finding.List{
			complaint("resources[0].scopes[1]", withPrefix+"a"), complaint("resources[0].scopes_any[1][0]", withPrefix+"b"),
		}},
		{"claims that every caller has", func(s *Spec) {
			s.Claims = map[string][]string{"aud": {s.URI}, "iss": {issuer}, "sub": {"alice"}}
		}, finding.List{complaint("resources[0].claims.aud", noCaller), complaint("resources[0].claims.iss", noCaller)}},
		{"offline_access (CH-10)", func(s *Spec) { s.Scopes = []string{"offline_access"} }, finding.List{complaint("resources[0].scopes[0]", offline)}},

		{"any origin", func(s *Spec) { s.Origins = []string{"*"} }, finding.List{warning("resources[0].origins[0]", "lets every web page send requests: name the origins instead")}},
		{"no origin", func(s *Spec) { s.Origins = []string{"null"} }, finding.List{warning("resources[0].origins[0]", "is what every sandboxed page sends: name the origin of the page, such as https://app.example.com")}},
		{"an empty origin", func(s *Spec) { s.Origins = []string{""} }, finding.List{complaint("resources[0].origins[0]", "is not an origin"+advice)}},
		{"a host for an origin", func(s *Spec) { s.Origins = []string{"app.example.com"} }, finding.List{complaint("resources[0].origins[0]", "is not an origin"+advice)}},
		{"an origin without a scheme", func(s *Spec) { s.Origins = []string{"://app.example.com"} }, finding.List{complaint("resources[0].origins[0]", "is not an origin"+advice)}},
		{"a scheme that begins with a digit", func(s *Spec) { s.Origins = []string{"1x://app.example.com"} }, finding.List{complaint("resources[0].origins[0]", "is not an origin"+advice)}},
		{"a scheme that begins like none", func(s *Spec) { s.Origins = []string{"~x://app.example.com"} }, finding.List{complaint("resources[0].origins[0]", "is not an origin"+advice)}},
		{"a scheme with an underscore", func(s *Spec) { s.Origins = []string{"x_y://app.example.com"} }, finding.List{complaint("resources[0].origins[0]", "is not an origin"+advice)}},
		{"a scheme in capitals", func(s *Spec) { s.Origins = []string{"HTTPS://app.example.com"} }, finding.List{complaint("resources[0].origins[0]", "is not an origin"+advice)}},
		{"an origin with a slash", func(s *Spec) { s.Origins = []string{"https://app.example.com/"} }, finding.List{complaint("resources[0].origins[0]", "is more than an origin"+advice+", without a slash after it")}},
		{"an origin with user information", func(s *Spec) { s.Origins = []string{"https://u@app.example.com"} }, finding.List{complaint("resources[0].origins[0]", "is more than an origin"+advice+", without a slash after it")}},
		{"an origin with a label open", func(s *Spec) { s.Origins = []string{"https://*.example.com", "x-app://*.example.com:1"} }, nil},
		{"an origin with a domain open", func(s *Spec) { s.Origins = []string{"https://*.com"} }, finding.List{complaint("resources[0].origins[0]", "has * before a domain of one label, which has pages of others: write *.example.com")}},
		{"an origin with a star in it", func(s *Spec) { s.Origins = []string{"https://a.*.example.com"} }, finding.List{complaint("resources[0].origins[0]", "has * in another place than a whole first label: write https://*.example.com, or name each origin")}},
		{"an origin with a star in a label", func(s *Spec) { s.Origins = []string{"https://a*.example.com"} }, finding.List{complaint("resources[0].origins[0]", "has * in another place than a whole first label: write https://*.example.com, or name each origin")}},
		{"an origin in capitals", func(s *Spec) { s.Origins = []string{"https://App.example.com"} }, finding.List{complaint("resources[0].origins[0]", "has a host that is not in lower case: write https://app.example.com")}},
		{"an origin of an editor in capitals", func(s *Spec) { s.Origins = []string{"vscode-webview://Abc"} }, finding.List{complaint("resources[0].origins[0]", "is not in lower case: write vscode-webview://abc")}},
		{"an origin with the default port", func(s *Spec) { s.Origins = []string{"https://app.example.com:443"} }, finding.List{complaint("resources[0].origins[0]", "writes the default port out: write https://app.example.com")}},
		{"an origin twice", func(s *Spec) { s.Origins = []string{"https://a.example", "https://a.example"} }, finding.List{complaint("resources[0].origins[1]", twice)}},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			s := spec("https://h.example/mcp")
			tt.change(&s)
			checkProblems(t, []Spec{s}, nil, tt.want)
		})
	}
}

// PR-6 to PR-9: what metadata may add to the document.
func TestMetadataProblems(t *testing.T) {
	const list = "is not a list of strings: write [value, …]"
	const url = "is not an absolute URL: write https://host/path"
	const quotes = "is not a string: put it in quotes"
	const foreign = "is a value that JSON cannot hold, such as a date or a key that is no string: put it in quotes"
	tests := []struct {
		name  string
		value any
		at    string // what follows the member's name in the path
		want  string // "" for none
	}{
		{"resource", "https://h.example/mcp", "", "is written by doorward from the resource itself: leave it out"},
		{"authorization_servers", []any{issuer}, "", "is written by doorward from the issuers trusted here: leave it out, and name them in issuers"},
		{"authorization_servers#en", []any{issuer}, "", "is written by doorward from the issuers trusted here: leave it out, and name them in issuers"},
		{"bearer_methods_supported", []any{"body"}, "", "is written by doorward, which reads tokens from the header alone: leave it out"},
		{"jwks_uri", "https://h.example/jwks", "", "would promise signed responses by the resource, it is not where the issuer's keys are: leave it out, and give the issuer its jwks_uri"},
		{"signed_metadata", "x", "", "is not supported, and would override the plain members: leave it out"},

		{"scopes_supported", []any{"mcp:read"}, "", ""},
		{"scopes_supported", nil, "", ""},
		{"scopes_supported", "mcp:read", "", "is not a list: write [scope, …]"},
		{"scopes_supported", []any{"a", 1}, "[1]", quotes},
		{"scopes_supported", []any{"a b"}, "[0]", "is not one scope: write visible ASCII without space, quote and backslash, one scope an entry"},
		{"scopes_supported", []any{"a", "a"}, "[1]", "is listed twice: leave one out"},

		{"resource_name", "Weather", "", ""},
		{"resource_name", 7, "", quotes},
		{"resource_name#fr", true, "", quotes},
		{"resource_documentation", "https://h.example/docs", "", ""},
		{"resource_documentation", "", "", ""},
		{"resource_documentation", nil, "", ""},
		{"resource_documentation", "/docs", "", url},
		{"resource_documentation", "javascript:alert(1)", "", url},
		{"resource_documentation#fr", "docs", "", url},
		{"resource_policy_uri", "https:///docs", "", url},
		{"resource_tos_uri", 1, "", url},
		{"x_own_uri", "https://h.example/\x7f", "", url},
		{"resource_signing_alg_values_supported", []any{"ES256"}, "", ""},
		{"resource_signing_alg_values_supported", "ES256", "", list},
		{"dpop_signing_alg_values_supported", []any{"ES256"}, "", "is written by doorward from dpop: leave it out"},
		{"authorization_details_types_supported", true, "", list},
		{"tls_client_certificate_bound_access_tokens", true, "", ""},
		{"tls_client_certificate_bound_access_tokens", "yes", "", "is neither true nor false: write one of them"},
		{"dpop_bound_access_tokens_required", true, "", "is written by doorward from dpop: leave it out"},

		{"x_unknown", map[string]any{"a": []any{1, 1.5, uint64(1), int64(1), "x", nil, false}}, "", ""},
		{"x_date", time.Now(), "", foreign},
		{"x_keys", map[string]any{"a": []any{1, map[any]any{1: 2}}}, ".a[1]", foreign},
		{"x_number", math.Inf(1), "", "is a number that JSON cannot hold: write a finite number, or a string"},
		{"x_number", []any{math.NaN()}, "[0]", "is a number that JSON cannot hold: write a finite number, or a string"},
	}
	for _, tt := range tests {
		t.Run(tt.name+": "+tt.want, func(t *testing.T) {
			s := spec("https://h.example/mcp")
			s.Metadata = map[string]any{tt.name: tt.value}
			var want finding.List
			if tt.want != "" {
				want = finding.List{complaint("resources[0].metadata."+tt.name+tt.at, tt.want)}
			}
			checkProblems(t, []Spec{s}, nil, want)
		})
	}
	advised := spec("https://h.example/mcp")
	advised.Metadata = map[string]any{"scopes_supported": []any{"mcp:read", "offline_access"}}
	checkProblems(t, []Spec{advised}, nil, finding.List{warning("resources[0].metadata.scopes_supported[1]", "is offline_access, which the MCP authorization "+
		"chapter advises against: leave it out, unless clients get no refresh token without it")})
	nameless := spec("https://h.example/mcp")
	nameless.Metadata = map[string]any{"": 1}
	checkProblems(t, []Spec{nameless}, nil, finding.List{complaint("resources[0].metadata", "has a member without a name: give it one")})
}

func TestProblemsBetweenSpecs(t *testing.T) {
	named := func(name string, s Spec) Spec {
		s.Name = name
		return s
	}
	heard := func(s Spec, audiences ...string) Spec {
		s.Audiences = audiences
		return s
	}
	const a, b = "https://a.example/mcp", "https://b.example/mcp"
	const same = "is the same authority and path as resources[0].resource: give each URL to one resource"
	const alike = "differs from resources[0].resource in case or escapes alone: write paths that no server takes for each other"
	tests := []struct {
		intent string
		specs  []Spec
		want   finding.List
	}{
		{"neighbours", []Spec{spec(a), spec(b), spec(a + "/x"), spec(a + "x"), spec("https://a.example")}, nil},
		{"one host on two ports", []Spec{spec(a), spec("https://a.example:8443/mcp")}, nil},
		{"with and without a slash at the end", []Spec{spec(a), spec(a + "/")}, nil},
		{"one place by two schemes", []Spec{spec(a, "http://a.example/mcp")}, nil},

		{"one URL twice", []Spec{spec(a), spec(a)}, finding.List{complaint("resources[1].resource", same)}},
		{"a whole host with and without a slash", []Spec{spec("https://a.example"), spec("https://a.example/")}, finding.List{complaint("resources[1].resource", same)}},
		{"another's URL as also_at", []Spec{spec(a), spec(b, "http://svc.ns/x", a)}, finding.List{complaint("resources[1].also_at[1]", same)}},
		{"another's authority by http, whose port is not seen", []Spec{spec(a), spec(b, "http://a.example/mcp")}, finding.List{complaint("resources[1].also_at[0]", same)}},
		{"one also_at twice", []Spec{spec(a, "http://svc.ns/x"), spec(b, "http://svc.ns/x")}, finding.List{
			complaint("resources[1].also_at[0]", "is the same authority and path as resources[0].also_at[0]: give each URL to one resource"),
		}},
		{"paths that differ in case", []Spec{spec(a), spec("https://a.example/MCP")}, finding.List{complaint("resources[1].resource", alike)}},
		{"paths that differ in an escape", []Spec{spec("https://a.example/a!"), spec("https://a.example/a%21")}, finding.List{complaint("resources[1].resource", alike)}},
		{"an own URL twice", []Spec{spec(a, a)}, finding.List{complaint("resources[0].also_at[0]", "is the same URL as resources[0].resource: leave it out")}},
		{"paths of one resource that differ in case", []Spec{spec(a, "https://a.example/MCP")}, nil},

		{"one name twice", []Spec{named("x", spec(a)), named("x", spec(b))}, finding.List{complaint("resources[1].name", "is also the name of resources[0]: give each resource its own")}},
		{"a name that is another's URL", []Spec{named(b, spec(a)), spec(b)}, finding.List{complaint("resources[0].name", "is the URL of resources[1]: write a short name")}},
		{"a name that is an earlier one's URL", []Spec{spec(a), named(a, spec(b))}, finding.List{complaint("resources[1].name", "is the URL of resources[0]: write a short name")}},

		{"a shared audience", []Spec{heard(spec(a), "urn:x"), heard(spec(b), "urn:y", "urn:x")}, finding.List{
			warning("resources[1].audiences[1]", "is also accepted by resources[0], so that a token for one opens both: give each its own"),
		}},
		{"another's URL for an audience", []Spec{heard(spec(a), b), spec(b)}, finding.List{
			warning("resources[0].audiences[0]", "is the URL of resources[1], so that its tokens open this resource too: leave it out"),
		}},
		{"another's URL for an audience, spelled so that it matches there (AU-5)", []Spec{heard(spec(a), "HTTPS://b.example:443/"), spec("https://b.example")}, finding.List{
			warning("resources[0].audiences[0]", "is the URL of resources[1], so that its tokens open this resource too: leave it out"),
		}},
		{"another's URL with a query is another audience", []Spec{heard(spec(a), b+"?x"), spec(b)}, nil},

		{"an audience is not compared with a URL that cannot be read", []Spec{heard(spec("ftp://x"), "urn:x")}, finding.List{
			complaint("resources[0].resource", "has a scheme other than https: write https://host/path"),
		}},
		{"a URL with a fault is not compared with others", []Spec{spec("HTTPS://a.example/mcp"), spec(a)}, finding.List{
			complaint("resources[0].resource", "has a scheme that is not in lower case: write https://a.example/mcp"),
		}},
		{"everything at once, in the order of the specs", []Spec{spec("ftp://x"), spec(a, "nonsense"), spec("")}, finding.List{
			complaint("resources[0].resource", "has a scheme other than https: write https://host/path"),
			complaint("resources[1].also_at[0]", "is not an absolute URL: write https://host/path"),
			complaint("resources[2].resource", "is missing: write the URL that users give to their clients, such as https://mcp.example.com/mcp"),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) { checkProblems(t, tt.specs, nil, tt.want) })
	}
}

// No message repeats a password, and all follow one form.
func TestProblemsKeepSecrets(t *testing.T) {
	_, problems := NewTable([]Spec{spec("HTTPS://user:hunter2@H.example:0/mcp?hunter2#hunter2", "ftp://hunter2@h")}, nil)
	if len(problems) == 0 {
		t.Fatal("no problems")
	}
	for _, p := range problems {
		if strings.Contains(p.Message, "hunter2") {
			t.Errorf("%s: %s", p.Path, p.Message)
		}
	}
}

// FuzzNewTable: a URL that is accepted is found under its own authority and
// path, and its document under its own metadata URL.
func FuzzNewTable(f *testing.F) {
	for _, seed := range []string{
		"https://h.example/mcp", "https://h.example", "https://[::1]:81/", "https://bücher.example", "HTTPS://h", "https://h/%20/",
		"https://h:443", "https://a@b", "https://h//", "https://h/.well-known/oauth-protected-resource",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		tb, problems := NewTable([]Spec{spec(raw)}, []string{"loopback"})
		if tb == nil {
			if len(problems) == 0 {
				t.Fatalf("%q is refused without a word", raw)
			}
			return
		}
		_, rest, _ := strings.Cut(raw, "://")
		authority, path, _ := strings.Cut(rest, "/")
		if r := tb.Find(authority, "/"+path); r == nil || r.URI != raw || !r.At(authority) {
			t.Fatalf("%q is not found under itself", raw)
		}
		_, rest, _ = strings.Cut(tb.All()[0].MetadataURL, "://")
		authority, path, _ = strings.Cut(rest, "/")
		if d := tb.Document("GET", authority, "/"+path); d.Status != 200 {
			t.Fatalf("%q: %s answers %d", raw, tb.All()[0].MetadataURL, d.Status)
		}
	})
}
