package extauthz

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/testenv/readers"
)

// TestCredential is every shape in which a header can hold none, one or two
// credentials (TK-5, TK-6, CH-3).
func TestCredential(t *testing.T) {
	for _, row := range []struct {
		intent, value, token string
		want                 reason.Reason
	}{
		{"one token", "Bearer abc", "abc", reason.Allowed},
		{"the scheme has no case", "bEaReR abc", "abc", reason.Allowed},
		{"several spaces", "Bearer    abc", "abc", reason.Allowed},
		{"what stands in the token is the verifier's to judge", "Bearer a b", "a b", reason.Allowed},
		{"a comma that starts no credential", "Bearer a,b", "a,b", reason.Allowed},
		{"a comma and a parameter", `Bearer a, realm="x"`, `a, realm="x"`, reason.Allowed},
		{"a comma and a lone scheme word", "Bearer a, Bearer", "a, Bearer", reason.Allowed},
		{"a comma, a word and only spaces", "Bearer a, Bearer  ", "a, Bearer  ", reason.Allowed},
		{"joined by Envoy", "Bearer a,Bearer b", "", reason.InvalidRequest},
		{"spaces around the comma", "Bearer a ,  DPoP b", "", reason.InvalidRequest},
		{"the second is not the first comma's", "Bearer a,b,Basic c", "", reason.InvalidRequest},
		{"two of another scheme", "Basic a, Basic b", "", reason.InvalidRequest},
		{"the first has no token", "Bearer ,Bearer b", "", reason.InvalidRequest},
		{"a scheme word of every character", "Bearer a,!#$%&'*+-.^_`|~9 b", "", reason.InvalidRequest},
		{"the second token is a comma", "Bearer a,Basic ,", "", reason.InvalidRequest},
		{"nothing after the scheme", "Bearer", "", reason.TokenMalformed},
		{"only spaces after the scheme", "Bearer   ", "", reason.Allowed},
		{"another scheme", "Basic dTpw", "", reason.NoCredentials},
		{"DPoP is not enabled", "DPoP abc", "", reason.NoCredentials},
		{"a prefix of the scheme", "Bear abc", "", reason.NoCredentials},
		{"no scheme", "abc", "", reason.NoCredentials},
		{"a tab is no space", "Bearer\tabc", "", reason.NoCredentials},
		{"a colon is no space", "Bearer:abc", "", reason.NoCredentials},
		{"an empty value", "", "", reason.NoCredentials},
	} {
		t.Run(row.intent, func(t *testing.T) {
			in := &request{headers: checkwire.Headers{{Name: "authorization", Value: row.value}}}
			got, why := in.credential(false)
			if got.token != row.token || why != row.want || got.scheme == "DPoP" {
				t.Errorf("%q: got %+v, %s; want %q, %s", row.value, got, why, row.token, row.want)
			}
		})
	}
	repeated := &request{headers: checkwire.Headers{{Name: "authorization", Value: "Bearer a"}, {Name: "authorization", Value: ""}}}
	dpop := &request{headers: checkwire.Headers{{Name: "authorization", Value: "dPoP abc"}}}
	if got, why := dpop.credential(true); why != reason.Allowed || got != (credential{"DPoP", "abc"}) {
		t.Errorf("DPoP, where it is enabled: %+v, %s", got, why)
	}
	if _, why := repeated.credential(true); why != reason.InvalidRequest {
		t.Errorf("a repeated header: %s", why)
	}
}

// TestQueryTokens is TK-4 for every spelling of the name that a server takes for
// it; package folding has them all.
func TestQueryTokens(t *testing.T) {
	for _, row := range []struct {
		intent, query string
		tokens        []string
		hidden        bool
	}{
		{"none", "a=b&c=access_token", nil, false},
		{"plain", "access_token=x", []string{"access_token"}, false},
		{"without a value", "a&access_token", []string{"access_token"}, false},
		{"twice in one spelling", "access_token=x&a&access_token=y", []string{"access_token"}, false},
		{"escaped", "access%5Ftoken=x&%61ccess_token=y", []string{"%61ccess_token", "access%5Ftoken"}, false},
		{"escaped as a whole", "%61%63%63%65%73%73%5f%74%6f%6b%65%6e=x", []string{"%61%63%63%65%73%73%5f%74%6f%6b%65%6e"}, false},
		{"escaped twice is another name", "access%255Ftoken=x", nil, false},
		{"in capitals", "Access_Token=x", []string{"Access_Token"}, false},
		{"as PHP reads it", "access.token=x&access[token=y&+access%20token=z", []string{"+access%20token", "access.token", "access[token"}, false},
		{"as a list", "access_token[]=x&access_token[a][b]=y", []string{"access_token[]", "access_token[a][b]"}, false},
		{"with an escape that is broken", "access%5Ftoken[%zz]=x", []string{"access%5Ftoken[%zz]"}, false},
		{"a longer name", "access_token2=x&xaccess_token=y", nil, false},
		{"a list of another name", "access[token]=x", nil, false},
		{"a broken escape", "access_token%=x&%zzaccess_token=y", nil, false},
		{"behind a semicolon", "a=b;access_token=x", nil, true},
		{"behind a semicolon of a name", "x;access_token=t", nil, true},
		{"behind a semicolon of a name, later", "a=b&x;access_token=t&c", nil, true},
		{"behind a semicolon, escaped", "a;access%5ftoken=x;c", nil, true},
		{"behind a semicolon, as PHP reads it", "a;+access.token[]=x", nil, true},
		{"behind a semicolon, without a value", "a=b;access_token", nil, true},
		{"behind a semicolon, last of three", "a;b;access_token", nil, true},
		{"the semicolon in its own value", "access_token=x;y=z", []string{"access_token"}, false},
		{"an escaped semicolon separates nothing", "a=b%3Baccess_token=x", nil, false},
		{"a semicolon before a pair, not in it", "a;b&access_token=x", []string{"access_token"}, false},
	} {
		t.Run(row.intent, func(t *testing.T) {
			if got := checkwire.QueryTokens(row.query); !slices.Equal(got, row.tokens) {
				t.Errorf("tokens %q, want %q", got, row.tokens)
			}
			if got := checkwire.HidesToken(row.query); got != row.hidden {
				t.Errorf("hidden: %t", got)
			}
			if _, leaked := allParameters(row.query)[checkwire.QueryToken]; leaked {
				t.Error("a policy sees the token")
			}
		})
	}
}

func TestPercentEncode(t *testing.T) {
	for raw, want := range map[string]string{
		"": "", "alice": "alice", "a b": "a%20b", "100%": "100%25", "\x00\x1f\x7f": "%00%1F%7F", "é": "%C3%A9", "!~": "!~", "a\r\nb": "a%0D%0Ab",
	} {
		if got := percentEncode(raw); got != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}

// FuzzPercentEncode: the output is visible ASCII, and decodes to the input.
func FuzzPercentEncode(f *testing.F) {
	for _, seed := range []string{"", "alice", "a b%\r\n", "\xff\x00é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		encoded := percentEncode(raw)
		for _, b := range []byte(encoded) {
			if b < 0x21 || b > 0x7e {
				t.Fatalf("%q holds %#x", encoded, b)
			}
		}
		if got := pathUnescape(t, encoded); got != raw {
			t.Errorf("%q came back as %q", raw, got)
		}
	})
}

// tokenName is a name that some server takes for access_token, as the rule has
// it: in lower case, decoded, of leading spaces and brackets.
var tokenName = regexp.MustCompile(`^[ \[\]]*access([^a-z0-9\x00]token(\x00|$)|[^a-z0-9\x00\[\]]token[\[\]])`)

// isTokenName asks that rule.
func isTokenName(spelling string) bool {
	ascii := func(c rune) rune {
		if c >= 'A' && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}
	bytes := make([]rune, 0, len(spelling))
	for _, b := range []byte(readers.Unescape(spelling)) {
		bytes = append(bytes, ascii(min(rune(b), 0x7f))) // any byte outside ASCII is as good as DEL
	}
	return tokenName.MatchString(string(bytes))
}

// FuzzQuery takes a query apart as plainly as can be and compares: the spellings
// to remove, what hides behind a semicolon, and what a policy sees. No server
// finds a token among what is left.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "access_token=x", "a=b;access_token=x&access%5Ftoken=", "%", "&&=&;;", "x;access_token=t", "access[token=t&[access_token]=t",
		"+access.token%00=t&access_token[]=", "a;%61%63%63%65%73%73%5f%74%6f%6b%65%6e", "access[token]=t&ACCESS-TOKEN", "acce\u017f\u017f_token",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		var tokens []string
		hidden := false
		for _, part := range strings.Split(raw, "&") {
			for i, piece := range strings.Split(part, ";") {
				hidden = hidden || i > 0 && isTokenName(strings.Split(piece, "=")[0])
			}
			name := strings.Split(part, "=")[0]
			if isTokenName(name) {
				tokens = append(tokens, name)
				continue
			}
			for server, read := range map[string]func(string) (string, bool){"PHP": readers.PHP, "Rack 2": readers.Rack2, "qs": readers.QS} {
				if key, found := read(name); found && key == checkwire.QueryToken {
					t.Errorf("%s finds a token under %q", server, name)
				}
			}
		}
		slices.Sort(tokens)
		if got, want := checkwire.QueryTokens(raw), slices.Compact(tokens); !slices.Equal(got, want) {
			t.Errorf("removed: %q, want %q", got, want)
		}
		if got := checkwire.HidesToken(raw); got != hidden {
			t.Errorf("hidden: %v, want %v", got, hidden)
		}
		for name, want := range allParameters(raw) {
			if name == checkwire.QueryToken {
				t.Error("a policy sees the token")
			}
			if got := parametersNamed(raw, name); !slices.Equal(got, want) {
				t.Errorf("%q by its name: %q, among all: %q", name, got, want)
			}
		}
	})
}
