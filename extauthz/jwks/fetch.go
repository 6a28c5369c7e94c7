package jwks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/outbound"
)

// fetchTimeout bounds one HTTP exchange, body included.
const fetchTimeout = 5 * time.Second

// The values of [Refresh.Result], which metrics show.
const (
	resultOK          = "ok"           // a key set came
	resultNotModified = "not_modified" // the issuer confirmed the one we have (304)
	resultNetwork     = "network"      // no answer, or not all of it, within its time
	resultStatus      = "status"       // an answer with another status, redirects among them
	resultKept        = "kept"         // the set of the last run was taken from CacheDir
	resultInvalid     = "invalid"      // an answer that breaks the rules: content, size, issuer, URL, no usable key
)

// The causes of a failed fetch, besides those of package outbound. Each belongs
// to one result: causeStatus to resultStatus, causeTokenFile to resultNetwork, the
// others and [outbound.TooLarge] to resultInvalid, and the rest of outbound's to
// resultNetwork.
const (
	causeStatus      outbound.Cause = "status"        // an answer with another status, redirects among them
	causeWrongIssuer outbound.Cause = "wrong_issuer"  // the metadata is another issuer's
	causeNotJSON     outbound.Cause = "not_json"      // the answer is no JSON
	causeMetadata    outbound.Cause = "bad_metadata"  // the metadata breaks RFC 8414 or has no usable jwks_uri
	causeKeySet      outbound.Cause = "bad_key_set"   // the key set breaks RFC 7517, or our bounds
	causeNoKey       outbound.Cause = "no_usable_key" // the key set has no key that can be used
	causeTokenFile   outbound.Cause = "token_file"    // TokenFile holds no token that can be sent
)

// failure is why a fetch brought no keys.
type failure struct {
	result    string // resultNetwork, resultStatus or resultInvalid
	cause     outbound.Cause
	problem   string // a sentence: the URL without its query, what is wrong, what to do
	withdraws bool   // the issuer answered by the rules, and with no usable key
}

func invalid(cause outbound.Cause, form string, values ...any) *failure {
	return &failure{result: resultInvalid, cause: cause, problem: fmt.Sprintf(form, values...)}
}

// download is what a fetch brought.
type download struct {
	began    time.Time     // of the request for the key set, or else of the attempt
	set      *Set          // nil: not modified
	body     []byte        // of set, as it came
	from     string        // the URL of set
	skipped  []Skipped     // of set
	metadata []byte        // the issuer's document, where a discovery came before; nil otherwise
	lifetime time.Duration // how long it is fresh
}

func (d download) result() string {
	if d.set == nil {
		return resultNotModified
	}
	return resultOK
}

// fetcher sends HTTP requests to one issuer. One goroutine uses it.
type fetcher struct {
	issuer          string
	configuredURI   string
	discoveryURL    string // "": the well-known places of issuer
	tokenFile       string
	keyUse          string
	insecureHosts   []string
	defaultLifetime time.Duration // lifetime of an answer without max-age, and of a discovery
	client          *outbound.Client

	discoveredURI string // "": discovery comes first
	discoveredAt  time.Time
	discovered    []byte // the document that the last discovery found and no download has brought yet
	etag, etagURI string // of the set that was accepted last
}

// maxRedirects is how many are followed for one request, within one https origin.
const maxRedirects = 5

func newFetcher(o Options, transport http.RoundTripper) *fetcher {
	client := outbound.New(outbound.Rules{
		URL:               o.configuredURL(),
		InsecureHTTPHosts: o.InsecureHTTPHosts,
		Redirects:         maxRedirects,
		Time:              fetchTimeout,
		Bytes:             maxDocument,
		Trust:             outbound.Trust{PEM: o.CAPEM},
		CertFile:          o.CertFile,
		KeyFile:           o.KeyFile,
		Base:              transport,
	})
	return &fetcher{
		client:          client,
		issuer:          o.Issuer,
		configuredURI:   o.JWKSURI,
		insecureHosts:   o.InsecureHTTPHosts,
		discoveryURL:    o.DiscoveryURL,
		tokenFile:       o.TokenFile,
		keyUse:          o.keyUse(),
		defaultLifetime: o.refresh().max,
	}
}

// forget makes the next fetch ask for the whole set.
func (f *fetcher) forget() { f.etag, f.etagURI = "", "" }

// keySet fetches the issuer's set, after discovery where that is due.
func (f *fetcher) keySet(ctx context.Context) (download, *failure) {
	began := time.Now()
	uri, failed := f.uri(ctx)
	if failed != nil {
		return download{began: began}, failed
	}
	began = time.Now()
	etag := ""
	if uri == f.etagURI {
		etag = f.etag
	}
	answer, failed := f.get(ctx, uri, etag)
	if failed == nil && answer.notModified {
		return download{began: began, lifetime: f.lifetime(answer.header)}, nil
	}
	var got download
	if failed == nil {
		got, failed = f.read(uri, answer)
	}
	if failed != nil {
		f.discoveredURI = "" // it may have moved: discover it again next time
	}
	got.began = began
	got.metadata, f.discovered = f.discovered, nil
	return got, failed
}

// read parses a set. It remembers the ETag of an accepted set alone, so that a 304
// cannot confirm one that was refused.
func (f *fetcher) read(uri string, a *answer) (download, *failure) {
	f.forget()
	set, skipped, err := parse(a.body, f.keyUse)
	switch {
	case err != nil && !json.Valid(a.body):
		return download{}, notJSON(uri)
	case err != nil:
		return download{}, invalid(causeKeySet, "%s is %v", place(uri), err)
	case set.Len() == 0:
		failed := invalid(causeNoKey, "%s has no usable key among %d: "+
			"it needs a public RSA, EC or Ed25519 key for signatures", place(uri), len(skipped))
		failed.withdraws = true
		return download{skipped: skipped}, failed
	}
	f.etag, f.etagURI = a.header.Get("ETag"), uri
	return download{set: set, body: a.body, from: uri, skipped: skipped, lifetime: f.lifetime(a.header)}, nil
}

func notJSON(uri string) *failure {
	return invalid(causeNotJSON, "%s is no JSON: look for an error page, a login, or a proxy in between", place(uri))
}

// answer is a 200 with its body, or a 304.
type answer struct {
	header      http.Header
	body        []byte
	notModified bool
}

// get sends one request and follows its redirects.
func (f *fetcher) get(ctx context.Context, uri, etag string) (*answer, *failure) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, invalid(causeMetadata, "a URL cannot be read: %s", outbound.Clean(strconv.Quote(uri)))
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	req.Header.Set("User-Agent", "doorward")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	if failed := f.authorize(req); failed != nil {
		return nil, failed
	}
	res, err := f.exchange(req)
	if err != nil {
		return nil, f.broken(uri, err)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotModified && etag != "":
		return &answer{header: res.Header, notModified: true}, nil
	case res.StatusCode != http.StatusOK:
		return nil, &failure{result: resultStatus, cause: causeStatus, problem: place(uri) + " " + f.status(res)}
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, f.broken(uri, err)
	}
	return &answer{header: res.Header, body: body}, nil
}

// exchange follows redirects within one https origin. It returns any other
// redirect, which is a failure: the operator must configure the URL itself.
func (f *fetcher) exchange(req *http.Request) (*http.Response, error) {
	for {
		res, err := f.client.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		res.Request = req
		to := redirect(res)
		if to == nil || to.Scheme != "https" || !outbound.SameOrigin(to, req.URL) {
			return res, nil
		}
		_ = res.Body.Close() // it is not read
		req = req.Clone(req.Context())
		req.URL, req.Host, req.Response = to, "", res
	}
}

// redirect returns the URL to which an answer redirects, or nil.
func redirect(res *http.Response) *url.URL {
	switch res.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		to, err := res.Location()
		if err == nil {
			return to
		}
	}
	return nil
}

// maxToken bounds the token in TokenFile, in bytes.
const maxToken = 16 << 10

// authorize adds the token of TokenFile. Package outbound removes it for every
// origin that is not configured. The file is read each time, because tokens are
// rotated; messages do not repeat its content.
func (f *fetcher) authorize(req *http.Request) *failure {
	if f.tokenFile == "" {
		return nil
	}
	refuse := func(what string) *failure {
		return &failure{result: resultNetwork, cause: causeTokenFile, problem: place(req.URL.String()) +
			" was not asked: token_file " + f.tokenFile + " " + what}
	}
	content, err := os.ReadFile(f.tokenFile)
	token := strings.TrimSpace(string(content))
	switch {
	case err != nil:
		return refuse("cannot be read (" + cause(err) + ")")
	case token == "":
		return refuse("is empty: write the token into it")
	case len(token) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return refuse("holds no bearer token: write one token of visible ASCII characters, 16 KiB at most")
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// cause returns an error of the file system without the name of the file.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// broken returns the failure of an exchange without a whole answer.
func (f *fetcher) broken(uri string, err error) *failure {
	cause, words := f.client.Explain(err)
	failed := &failure{result: resultNetwork, cause: cause, problem: place(uri) + " " + words}
	if cause == outbound.TooLarge {
		failed.result = resultInvalid
	}
	return failed
}

// status explains a status other than 200 by the configuration of the issuer.
func (f *fetcher) status(res *http.Response) string {
	words := fmt.Sprintf("answered with status %d", res.StatusCode)
	switch {
	case res.StatusCode >= 300 && res.StatusCode <= 399 && res.StatusCode != http.StatusNotModified:
		if to, err := res.Request.URL.Parse(res.Header.Get("Location")); err == nil {
			words += ", a redirect to " + outbound.Place(to)
		}
		return words + ": only redirects within one https origin are followed, " +
			"write jwks_uri: the URL of the key set itself"
	case res.StatusCode == http.StatusNotFound && f.configuredURI == "" && res.Request.URL.String() != f.discoveredURI:
		return words + ": no metadata is there, compare issuer with the iss of its tokens, or write jwks_uri"
	}
	return words
}

// place returns a URL as it may be shown; see [outbound.Place].
func place(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "a URL that cannot be read"
	}
	return outbound.Place(u)
}

// lifetime returns how long an answer is fresh (RFC 9111, section 4.2): 0 for an
// invalid max-age (section 4.2.1).
func (f *fetcher) lifetime(h http.Header) time.Duration {
	lifetime := f.defaultLifetime
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-cache", "no-store":
			return 0
		case "max-age":
			lifetime = seconds(strings.Trim(value, `"`)) - seconds(h.Get("Age"))
		}
	}
	return lifetime
}

// seconds reads a delta-seconds (RFC 9111, section 1.2.2): 0 for another text, and
// the largest value for one that is too large.
func seconds(s string) time.Duration {
	n, err := strconv.ParseUint(s, 10, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		n = math.MaxUint32
	case err != nil:
		return 0
	}
	return time.Duration(n) * time.Second
}
