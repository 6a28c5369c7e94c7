package jwks

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/extauthz/reason"
)

// server is an https origin that notes the Authorization header of each path.
type server struct {
	*httptest.Server
	asked map[string]string // by path
}

func newServer(t *testing.T, answers map[string]string) *server {
	t.Helper()
	s := &server{asked: map[string]string{}}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked[r.URL.Path] = r.Header.Get("Authorization")
		answer, ok := answers[r.URL.Path]
		switch to, redirects := strings.CutPrefix(answer, "-> "); {
		case !ok:
			http.NotFound(w, r)
		case redirects:
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		default:
			fmt.Fprint(w, answer)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// options trust this server and others of the same package.
func (s *server) options() Options {
	return Options{
		Issuer: s.URL, JWKSURI: s.URL + "/keys",
		CAPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}),
	}
}

func tokenFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestRedirectsWithinOneOrigin are followed, and no others.
func TestRedirectsWithinOneOrigin(t *testing.T) {
	keys := string(setOf(ed25519JWK("a")))
	elsewhere := newServer(t, map[string]string{"/keys": keys})
	loop := map[string]string{"/keys": "-> /1", "/6": keys}
	for i := range 6 {
		loop[fmt.Sprintf("/%d", i)] = fmt.Sprintf("-> /%d", i+1)
	}
	for intent, row := range map[string]struct {
		answers map[string]string
		problem string // what is wrong, "" for nothing
	}{
		"a path":                     {map[string]string{"/keys": "-> /moved", "/moved": keys}, ""},
		"five in a row":              {map[string]string{"/keys": "-> /2", "/2": "-> /3", "/3": "-> /4", "/4": "-> /5", "/5": "-> /6", "/6": keys}, ""},
		"six in a row":               {loop, "redirects more than 5 times"},
		"another port":               {map[string]string{"/keys": "-> " + elsewhere.URL + "/keys"}, "only redirects within one https origin are followed"},
		"the same host without TLS":  {map[string]string{"/keys": "-> http://127.0.0.1/keys"}, "only redirects within one https origin are followed"},
		"a place that is not a URL":  {map[string]string{"/keys": "-> http://[:bad"}, "only redirects within one https origin are followed"},
		"a scheme that is not https": {map[string]string{"/keys": "-> file:///etc/passwd"}, "only redirects within one https origin are followed"},
	} {
		s := newServer(t, row.answers)
		_, failed := newFetcher(s.options(), nil).keySet(t.Context())
		switch {
		case row.problem == "" && failed != nil:
			t.Errorf("%s: %s", intent, failed.problem)
		case row.problem != "" && (failed == nil || !strings.Contains(failed.problem, row.problem)):
			t.Errorf("%s: %+v", intent, failed)
		}
	}
	if len(elsewhere.asked) > 0 {
		t.Errorf("another origin was asked: %q", elsewhere.asked)
	}
}

// TestTokenGoesToTheConfiguredOrigin alone: not to a URL that a document names on
// another origin, and not along with a redirect.
func TestTokenGoesToTheConfiguredOrigin(t *testing.T) {
	const secret = "a-secret"
	keys := string(setOf(ed25519JWK("a")))
	elsewhere := newServer(t, map[string]string{"/keys": keys})
	document := func(issuer, uri string) string { return `{"issuer":"` + issuer + `","jwks_uri":"` + uri + `"}` }
	answers := map[string]string{"/keys": keys, "/moved": "-> /keys", "/named": document("https://any.example", elsewhere.URL+"/keys")}
	for intent, row := range map[string]struct {
		change  func(o *Options, here string)
		sent    []string // paths of the configured origin that get the token
		without []string // paths that are asked without it
	}{
		"the key set":             {func(*Options, string) {}, []string{"/keys"}, nil},
		"a redirect":              {func(o *Options, here string) { o.JWKSURI = here + "/moved" }, []string{"/moved"}, []string{"/keys"}},
		"a document's other host": {func(o *Options, here string) { o.JWKSURI, o.DiscoveryURL = "", here+"/named" }, []string{"/named"}, nil},
	} {
		s := newServer(t, answers)
		clear(elsewhere.asked)
		o := s.options()
		o.CAPEM = slices.Concat(o.CAPEM, elsewhere.options().CAPEM)
		o.TokenFile = tokenFile(t, secret+"\n")
		row.change(&o, s.URL)
		if _, failed := newFetcher(o, nil).keySet(t.Context()); failed != nil {
			t.Errorf("%s: %s", intent, failed.problem)
		}
		for _, path := range row.sent {
			if got := s.asked[path]; got != "Bearer "+secret {
				t.Errorf("%s: %s was sent %q", intent, path, got)
			}
		}
		for _, path := range row.without {
			if got, asked := s.asked[path]; !asked || got != "" {
				t.Errorf("%s: %s was sent %q", intent, path, got)
			}
		}
		for path, got := range elsewhere.asked {
			if got != "" {
				t.Errorf("%s: the other origin's %s was sent %q", intent, path, got)
			}
		}
	}
}

// TestTokenFile is read at each fetch, and a fetch without a token is none.
func TestTokenFile(t *testing.T) {
	s := newServer(t, map[string]string{"/keys": string(setOf(ed25519JWK("a")))})
	o := s.options()
	o.TokenFile = tokenFile(t, "first")
	f := newFetcher(o, nil)
	for _, row := range []struct {
		intent, content string
		sent            string // the token; "" where nothing is asked
		problem         string
	}{
		{"a token", "first", "first", ""},
		{"another one", "second\n", "second", ""},
		{"an empty file", " \n", "", "token_file " + o.TokenFile + " is empty: write the token into it"},
		{"two tokens", "s3cr3t s3cr3t", "", "holds no bearer token"},
		{"a control character", "s3cr3t\x01", "", "holds no bearer token"},
		{"too long a token", strings.Repeat("x", maxToken+1), "", "holds no bearer token"},
	} {
		if err := os.WriteFile(o.TokenFile, []byte(row.content), 0o600); err != nil {
			t.Fatal(err)
		}
		clear(s.asked)
		_, failed := f.keySet(t.Context())
		got, asked := s.asked["/keys"]
		if asked != (row.sent != "") || asked && got != "Bearer "+row.sent {
			t.Errorf("%s: asked %t with %q", row.intent, asked, got)
		}
		if (failed != nil) != (row.problem != "") || failed != nil && (failed.cause != causeTokenFile || !strings.Contains(failed.problem, row.problem)) {
			t.Errorf("%s: %+v", row.intent, failed)
		}
		if failed != nil && strings.Contains(failed.problem, "s3cr3t") {
			t.Errorf("%s: the problem shows the content: %s", row.intent, failed.problem)
		}
	}
	if err := os.Remove(o.TokenFile); err != nil {
		t.Fatal(err)
	}
	if _, failed := f.keySet(t.Context()); failed == nil || !strings.Contains(failed.problem, "cannot be read (no such file or directory)") {
		t.Errorf("no file: %+v", failed)
	}
}

// TestDiscoveryURL: the configuration vouches for the place, so that the document
// may be of an issuer with another name; without it the names must be equal.
func TestDiscoveryURL(t *testing.T) {
	s := newServer(t, map[string]string{"/keys": string(setOf(ed25519JWK("a")))})
	document := `{"issuer":"https://other.example.com" ,"jwks_uri":"` + s.URL + `/keys"}`
	answers := map[string]string{"/keys": string(setOf(ed25519JWK("a"))), "/anywhere": document, "/.well-known/oauth-authorization-server": document}
	there := newServer(t, answers)
	o := there.options()
	o.CAPEM = slices.Concat(o.CAPEM, s.options().CAPEM)
	o.JWKSURI, o.DiscoveryURL = "", there.URL+"/anywhere"
	got, failed := newFetcher(o, nil).keySet(t.Context())
	if failed != nil || got.set.Len() != 1 || string(got.metadata) != document {
		t.Errorf("%+v, %+v", got, failed)
	}
	o.DiscoveryURL = ""
	if _, failed := newFetcher(o, nil).keySet(t.Context()); failed == nil || failed.cause != causeWrongIssuer {
		t.Errorf("a document of another issuer: %+v", failed)
	}
}

// TestMetadata is what the issuer sent, byte for byte, while there are keys.
func TestMetadata(t *testing.T) {
	document := `{ "issuer" : "` + issuerID + `","jwks_uri":"` + keysURI + `", "x":1}`
	i := &issuer{keys: setOf(ed25519JWK("a")), metadata: document}
	s := NewSource(Options{Issuer: issuerID}, Environment{Transport: i})
	if s.Metadata() != nil {
		t.Error("there is a document before the first fetch")
	}
	s.fetch(t.Context())
	if got := string(s.Metadata()); got != document {
		t.Errorf("%s", got)
	}
	heir := NewSource(Options{Issuer: issuerID}, Environment{Transport: i})
	if !heir.Inherit(s) || string(heir.Metadata()) != document {
		t.Errorf("inherited: %s", heir.Metadata())
	}
	heir.Close()
	if heir.Metadata() != nil {
		t.Error("there is a document after Close")
	}
}

// TestNames of issuers: any StringOrURI where the configuration says where the
// keys are, and a URL where discovery starts there.
func TestNames(t *testing.T) {
	static := setOf(ed25519JWK("a"))
	for name, wrong := range map[string]string{
		"accounts.google.com":          "",
		"kubernetes/serviceaccount":    "",
		"http://adfs.example.com/adfs": "",
		"urn:example:issuer":           "",
		"https://a.example/{tenant}":   "",
		"":                             "is no iss",
		"a b":                          "is no iss",
		"a\nb":                         "is no iss",
		strings.Repeat("x", 2049):      "is no iss",
		":x":                           "is no URI",
		"https://u:p@a.example":        "holds user information",
	} {
		problems := Options{Issuer: name, Static: static}.Check().Errors()
		switch {
		case wrong == "" && len(problems) > 0:
			t.Errorf("%q: %v", name, problems)
		case wrong != "" && (len(problems) != 1 || problems[0].Path != "issuer" || !strings.Contains(problems[0].Message, wrong)):
			t.Errorf("%q: %v", name, problems)
		}
		if problems := (Options{Issuer: name}).Check().Errors(); !strings.HasPrefix(name, "https://a") && len(problems) == 0 {
			t.Errorf("%q: discovery may start there", name)
		}
	}
}

// TestSVIDKeys count for a trust domain, and nowhere else.
func TestSVIDKeys(t *testing.T) {
	with := func(id, use string) member {
		members := ed25519JWK(id)
		if use != "" {
			members["use"] = use
		}
		return members
	}
	doc := setOf(with("svid", "jwt-svid"), with("x509", "x509-svid"), with("sig", "sig"), with("none", ""))
	for spiffe, want := range map[bool][]string{false: {"none", "sig"}, true: {"svid"}} {
		o := Options{Issuer: "spiffe://td.example", SPIFFE: spiffe, Static: doc}
		source := NewSource(o, Environment{})
		var got []string
		for _, k := range source.Set().keys {
			got = append(got, k.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("SPIFFE %t: %q", spiffe, got)
		}
	}
}

// TestIssuerOfAKey is part of what the key is.
func TestIssuerOfAKey(t *testing.T) {
	members := ed25519JWK("a")
	members["issuer"] = "https://login.example/{tenantid}"
	set, skipped, err := Parse(setOf(members))
	if err != nil || len(skipped) > 0 || set.keys[0].Issuer != "https://login.example/{tenantid}" {
		t.Errorf("%v, %v, %v", set, skipped, err)
	}
	other, _, _ := Parse(setOf(ed25519JWK("a")))
	if _, added, left := other.succeed(set); added != 1 || len(left) != 1 {
		t.Errorf("%d added, %d left", added, len(left))
	}
	members["issuer"] = 7
	if _, skipped, _ := Parse(setOf(members)); len(skipped) != 1 || skipped[0].Why != "issuer is not a string" {
		t.Errorf("%v", skipped)
	}
	if _, why := set.Lookup(name("a"), "EdDSA"); why != reason.Allowed {
		t.Error(why)
	}
}
