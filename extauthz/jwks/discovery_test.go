package jwks

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward/doorward/internal/outbound"
)

// site is an authorization server on loopback that serves fixed pages, and
// remembers which were asked for.
type site struct {
	*httptest.Server
	pages map[string]string // path to body; "redirect:" leads elsewhere
	asked []string
}

func newSite(t *testing.T, pages map[string]string) *site {
	t.Helper()
	s := &site{pages: pages}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	s.asked = append(s.asked, r.URL.Path)
	body, ok := s.pages[r.URL.Path]
	switch {
	case !ok:
		http.NotFound(w, r)
	case body == "redirect":
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	default:
		fmt.Fprint(w, body)
	}
}

func (s *site) fetcher(path string) *fetcher {
	return newFetcher(Options{Issuer: s.URL + path, InsecureHTTPHosts: []string{"loopback"}}, nil)
}

func metadata(issuer, jwksURI string) string {
	return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q,"token_endpoint":"x","scopes_supported":[]}`, issuer, jwksURI)
}

const (
	oauthPlace    = "/.well-known/oauth-authorization-server/t/1"
	insertedPlace = "/.well-known/openid-configuration/t/1"
	appendedPlace = "/t/1/.well-known/openid-configuration"
)

func TestWellKnown(t *testing.T) {
	rows := []struct {
		issuer string
		want   []string
	}{
		{"https://as.example.com", []string{
			"https://as.example.com/.well-known/oauth-authorization-server",
			"https://as.example.com/.well-known/openid-configuration",
		}},
		{"https://as.example.com/", []string{
			"https://as.example.com/.well-known/oauth-authorization-server",
			"https://as.example.com/.well-known/openid-configuration",
		}},
		{"https://as.example.com:8443/realms/a%2Fb/", []string{
			"https://as.example.com:8443/.well-known/oauth-authorization-server/realms/a%2Fb",
			"https://as.example.com:8443/.well-known/openid-configuration/realms/a%2Fb",
			"https://as.example.com:8443/realms/a%2Fb/.well-known/openid-configuration",
		}},
	}
	for _, row := range rows {
		if diff := cmp.Diff(row.want, Options{Issuer: row.issuer}.DiscoveryURLs()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.issuer, diff)
		}
	}
}

func TestDiscoveryOrder(t *testing.T) {
	places := []string{oauthPlace, insertedPlace, appendedPlace}
	for n, place := range places {
		t.Run(place, func(t *testing.T) {
			s := newSite(t, map[string]string{"/jwks": string(setOf(ed25519JWK("a")))})
			for _, later := range places[n:] {
				s.pages[later] = metadata(s.URL+"/t/1", s.URL+"/other")
			}
			s.pages[place] = metadata(s.URL+"/t/1", s.URL+"/jwks")
			got, failed := s.fetcher("/t/1").keySet(t.Context())
			if failed != nil || got.set.Len() != 1 {
				t.Fatalf("%+v", failed)
			}
			if diff := cmp.Diff(append(slices.Clone(places[:n+1]), "/jwks"), s.asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMetadataIsRefused holds what keeps a document from being believed. Each
// is at the first place, and a good one at the last, which must be found.
func TestMetadataIsRefused(t *testing.T) {
	rows := []struct {
		intent  string
		page    func(issuer, keys string) string
		cause   outbound.Cause
		problem string // in it; ISSUER is replaced by the configured one
	}{
		{
			"another issuer's (J-8)", func(i, k string) string { return metadata(i+"2", k) }, causeWrongIssuer,
			`is of the issuer "ISSUER2", and "ISSUER" is configured: write the issuer exactly as there if that is the one you trust`,
		},
		{
			"a slash more is another issuer", func(i, k string) string { return metadata(i+"/", k) }, causeWrongIssuer,
			`is of the issuer "ISSUER/", and "ISSUER" is configured: they differ in the last slash, and must be equal byte for byte: write`,
		},
		{"an issuer of any length, with anything in it", func(_, k string) string { return metadata("a\n"+strings.Repeat("b", 1000), k) }, causeWrongIssuer, `is of the issuer "a\nbbb`},
		{"no issuer", func(_, k string) string { return `{"jwks_uri":"` + k + `"}` }, causeMetadata, "names no issuer"},
		{"issuer in another case", func(i, k string) string { return `{"Issuer":"` + i + `","jwks_uri":"` + k + `"}` }, causeMetadata, "names no issuer"},
		{"issuer is an array", func(i, k string) string { return `{"issuer":["` + i + `"],"jwks_uri":"` + k + `"}` }, causeMetadata, "names no issuer"},
		{"issuer twice", func(i, k string) string { return `{"issuer":"evil","issuer":"` + i + `","jwks_uri":"` + k + `"}` }, causeMetadata, "is refused: a member name occurs twice"},
		{"no JSON", func(string, string) string { return "<html>" }, causeNotJSON, "is no JSON"},
		{"no jwks_uri", func(i, _ string) string { return `{"issuer":"` + i + `"}` }, causeMetadata, "has no jwks_uri"},
		{"jwks_uri is a number", func(i, _ string) string { return `{"issuer":"` + i + `","jwks_uri":7}` }, causeMetadata, "has no jwks_uri"},
		{"jwks_uri without TLS", func(i, _ string) string { return metadata(i, "http://keys.example.com/") }, causeMetadata, "has a jwks_uri that is not https"},
		{"jwks_uri relative", func(i, _ string) string { return metadata(i, "/jwks") }, causeMetadata, "has a jwks_uri that is no absolute URL"},
		{"jwks_uri is a file", func(i, _ string) string { return metadata(i, "file:///etc/keys") }, causeMetadata, "has a jwks_uri that is no absolute URL"},
		{
			"a redirect", func(string, string) string { return "redirect" }, causeStatus,
			// The later places answer 404, and tell no less.
			"answered with status 404: no metadata is there, compare issuer with the iss of its tokens, or write jwks_uri",
		},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			s := newSite(t, map[string]string{"/jwks": string(setOf(ed25519JWK("a")))})
			issuer := s.URL + "/t/1"
			s.pages[oauthPlace] = row.page(issuer, s.URL+"/jwks")
			s.pages["/elsewhere"] = metadata(issuer, s.URL+"/jwks")

			_, failed := s.fetcher("/t/1").keySet(t.Context())
			if failed == nil || failed.cause != row.cause || (failed.result == resultStatus) != (row.cause == causeStatus) ||
				!strings.Contains(failed.problem, strings.ReplaceAll(row.problem, "ISSUER", issuer)) ||
				!strings.Contains(failed.problem, s.URL) || len(failed.problem) > 1000 {
				t.Fatalf("%+v", failed)
			}
			if slices.Contains(s.asked, "/elsewhere") {
				t.Error("a redirect was followed")
			}

			s.pages[appendedPlace] = metadata(issuer, s.URL+"/jwks")
			if got, failed := s.fetcher("/t/1").keySet(t.Context()); failed != nil || got.set.Len() != 1 {
				t.Errorf("the good document was not found: %+v", failed)
			}
		})
	}
}

// TestRediscovery: a key set that moved is found again, and a discovery is not
// believed for ever.
func TestRediscovery(t *testing.T) {
	discovered := Options{Issuer: issuerID}
	places := func(i *issuer) []string {
		var urls []string
		for _, r := range i.seen() {
			urls = append(urls, r.url)
		}
		return urls
	}
	const place = issuerID + "/.well-known/oauth-authorization-server"

	t.Run("while it works it is kept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a")), metadata: metadata(issuerID, keysURI)}
			i.headers = http.Header{"Cache-Control": {"max-age=600"}}
			start(t, discovered, i)
			pass(15 * time.Minute)
			if diff := cmp.Diff([]string{place, keysURI, keysURI}, places(i)); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("when it fails it is discovered again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a")), metadata: metadata(issuerID, keysURI), etag: `"1"`}
			i.headers = http.Header{"Cache-Control": {"max-age=600"}}
			s := start(t, discovered, i)
			key := s.mustFind("a")
			i.change(func(i *issuer) {
				i.moved = "https://keys.example.net/"
				i.metadata = metadata(issuerID, i.moved)
			})
			pass(10 * time.Minute)
			if diff := cmp.Diff([]string{place, keysURI, keysURI, place, "https://keys.example.net/"}, places(i)); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			if last := i.seen()[4]; last.ifNoneMatch != "" {
				t.Error("the ETag of one URL was sent to another")
			}
			if s.mustFind("a") != key {
				t.Error("moving changed the key")
			}
		})
	})
	t.Run("after RefreshMax it is discovered again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{keys: setOf(ed25519JWK("a")), metadata: metadata(issuerID, keysURI)}
			i.headers = http.Header{"Cache-Control": {"max-age=1800"}}
			start(t, discovered, i)
			pass(90 * time.Minute)
			if diff := cmp.Diff([]string{place, keysURI, keysURI, keysURI, place, keysURI}, places(i)); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	})
	t.Run("a host that does not answer is asked once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{down: true}
			start(t, discovered, i)
			if diff := cmp.Diff([]string{place}, places(i)); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	})
}

// TestFetchMetadata: the document of the issuer as it came, which needs no jwks_uri,
// and a sentence where there is none.
func TestFetchMetadata(t *testing.T) {
	for intent, row := range map[string]struct {
		o        Options
		metadata string
		words    string
	}{
		"found":                    {Options{Issuer: issuerID}, `{"issuer":"` + issuerID + `","token_endpoint":"x"}`, ""},
		"whatever jwks_uri says":   {Options{Issuer: issuerID, JWKSURI: keysURI}, `{"issuer":"` + issuerID + `"}`, ""},
		"another issuer's":         {Options{Issuer: issuerID}, `{"issuer":"https://other.example"}`, "is of the issuer"},
		"absent":                   {Options{Issuer: issuerID}, "", "answered with status 404"},
		"an issuer that is a name": {Options{Issuer: "kubernetes/serviceaccount"}, "", "is no URL"},
	} {
		document, private, err := row.o.FetchMetadata(t.Context(), &issuer{metadata: row.metadata})
		switch {
		case row.words == "" && (err != nil || string(document) != row.metadata || private):
			t.Errorf("%s: %s, %v, %v", intent, document, private, err)
		case row.words != "" && (err == nil || document != nil || !strings.Contains(err.Error(), row.words)):
			t.Errorf("%s: %s, %v", intent, document, err)
		}
	}
}
