package extauthz

import (
	"testing"

	"github.com/doorward/doorward/extauthz/reason"

	"github.com/doorward/doorward/policy"
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
			in := &request{headers: headers{{"authorization", row.value}}}
			got, why := in.credential(false)
			if got.token != row.token || why != row.want || got.scheme == "DPoP" {
				t.Errorf("%q: got %+v, %s; want %q, %s", row.value, got, why, row.token, row.want)
			}
		})
	}
	repeated := &request{headers: headers{{"authorization", "Bearer a"}, {"authorization", ""}}}
	dpop := &request{headers: headers{{"authorization", "dPoP abc"}}}
	if got, why := dpop.credential(true); why != reason.Allowed || got != (credential{"DPoP", "abc"}) {
		t.Errorf("DPoP, where it is enabled: %+v, %s", got, why)
	}
	if _, why := repeated.credential(true); why != reason.InvalidRequest {
		t.Errorf("a repeated header: %s", why)
	}
}

// TestQueryTokens is TK-4 for every spelling of the name.
func TestQueryTokens(t *testing.T) {
	for _, row := range []struct {
		intent, query string
		tokens        int
		hidden        bool
	}{
		{"none", "a=b&c=access_token", 0, false},
		{"plain", "access_token=x", 1, false},
		{"without a value", "a&access_token", 1, false},
		{"twice in one spelling", "access_token=x&access_token=y", 1, false},
		{"escaped", "access%5Ftoken=x&%61ccess_token=y", 2, false},
		{"escaped twice is another name", "access%255Ftoken=x", 0, false},
		{"names have case", "Access_Token=x", 0, false},
		{"a longer name", "access_token2=x&xaccess_token=y", 0, false},
		{"a broken escape", "access_token%=x&%zzaccess_token=y", 0, false},
		{"behind a semicolon", "a=b;access_token=x", 0, true},
		{"behind a semicolon, escaped", "a;access%5ftoken=x;c", 0, true},
		{"behind a semicolon, without a value", "a=b;access_token", 0, true},
		{"the semicolon in its own value", "access_token=x;y=z", 1, false},
		{"an escaped semicolon separates nothing", "a=b%3Baccess_token=x", 0, false},
	} {
		t.Run(row.intent, func(t *testing.T) {
			q := splitQuery(row.query)
			if got := q.tokens(); len(got) != row.tokens {
				t.Errorf("tokens %q", got)
			}
			if got := q.hidesToken(); got != row.hidden {
				t.Errorf("hidden: %t", got)
			}
			if _, leaked := q.values(policy.Reads{AllQuery: true})[queryToken]; leaked {
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

// FuzzQuery: a policy never sees a token, and every spelling found is one that
// stands in the query, so that Envoy can remove it.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "access_token=x", "a=b;access_token=x&access%5Ftoken=", "%", "&&=&;;"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q := splitQuery(raw)
		if _, leaked := q.values(policy.Reads{AllQuery: true})[queryToken]; leaked {
			t.Error("a policy sees the token")
		}
		for _, spelling := range q.tokens() {
			if unescape(spelling) != queryToken || !q.has(spelling) {
				t.Errorf("%q is no spelling of %q", spelling, raw)
			}
		}
	})
}
