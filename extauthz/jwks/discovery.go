package jwks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/outbound"
	"github.com/doorward/doorward/internal/strictjson"
)

// uri returns the URL of the key set, which is configured, or was discovered not
// too long ago.
func (f *fetcher) uri(ctx context.Context) (string, *failure) {
	if f.configuredURI != "" {
		return f.configuredURI, nil
	}
	if f.discoveredURI != "" && time.Since(f.discoveredAt) < f.defaultLifetime {
		return f.discoveredURI, nil
	}
	var uri string
	failed := f.discover(ctx, func(place string, document []byte) (failed *failure) {
		uri, failed = f.readMetadata(place, document)
		return failed
	})
	if failed != nil {
		return "", failed
	}
	f.discoveredURI, f.discoveredAt = uri, time.Now()
	return uri, nil
}

// discover tries the well-known places one after the other until read accepts a
// document. It continues after another status or another issuer's document, and
// stops at a host that does not answer. Of several failures it returns the one that
// an operator can mend: a wrong document, before an absent one.
func (f *fetcher) discover(ctx context.Context, read func(place string, document []byte) *failure) *failure {
	var worst *failure
	for _, place := range (Options{Issuer: f.issuer, DiscoveryURL: f.discoveryURL}).DiscoveryURLs() {
		answer, failed := f.get(ctx, place, "")
		if failed == nil {
			if failed = read(place, answer.body); failed == nil {
				f.discovered = answer.body
				return nil
			}
		}
		if worst == nil || worst.result != resultInvalid {
			worst = failed
		}
		if failed.result == resultNetwork {
			break
		}
	}
	return worst
}

// FetchMetadata fetches the issuer's metadata once, by [Options.DiscoveryURLs], and
// checks that it is the issuer's. Private reports that it came from an address that
// is not public. An error is a sentence that may be logged. Transport is as in
// [Environment].
func (o Options) FetchMetadata(
	ctx context.Context, transport http.RoundTripper,
) (document []byte, private bool, err error) {
	if len(o.DiscoveryURLs()) == 0 {
		return nil, false, errors.New("the issuer is no URL, so its metadata cannot be found")
	}
	o.JWKSURI = ""
	f := newFetcher(o, transport)
	defer f.client.CloseIdle()
	failed := f.discover(ctx, func(place string, document []byte) *failure {
		_, failed := f.readIssuer(place, document)
		return failed
	})
	if failed != nil {
		return nil, false, errors.New(failed.problem)
	}
	return f.discovered, f.client.Private(), nil
}

// DiscoveryURLs returns the URLs at which a [Source] looks for the issuer's
// metadata, in order: RFC 8414, section 3.1 (between host and path), the same
// for OpenID Connect (section 5), and OpenID Connect Discovery 1.0, section 4
// (after the path). It is DiscoveryURL alone where that is set, and nil where
// Issuer is not a URL.
func (o Options) DiscoveryURLs() []string {
	if o.DiscoveryURL != "" {
		return []string{o.DiscoveryURL}
	}
	return discoveryURLs(o.Issuer)
}

func discoveryURLs(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" {
		return nil
	}
	origin := u.Scheme + "://" + u.Host
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	places := []string{
		origin + "/.well-known/oauth-authorization-server" + path,
		origin + "/.well-known/openid-configuration" + path,
	}
	if path != "" {
		places = append(places, origin+path+"/.well-known/openid-configuration")
	}
	return places
}

// readMetadata returns the jwks_uri of a metadata document of the issuer.
func (f *fetcher) readMetadata(at string, body []byte) (string, *failure) {
	document, failed := f.readIssuer(at, body)
	if failed != nil {
		return "", failed
	}
	uri, _, err := text(document, "jwks_uri")
	if err != nil || uri == "" {
		return "", badMetadata(at, "has no jwks_uri: write jwks_uri: the URL of the key set")
	}
	if _, err := outbound.SecureURL(uri, f.insecureHosts); err != nil {
		return "", badMetadata(at, fmt.Sprintf("has a jwks_uri that %v", err))
	}
	return uri, nil
}

// readIssuer reads a metadata document, whose issuer must be the configured one byte
// for byte (RFC 8414, section 3.3), unless the document is at the configured
// discovery URL.
func (f *fetcher) readIssuer(at string, body []byte) (strictjson.Members, *failure) {
	document, err := strictjson.ReadMembers(body, "issuer", "jwks_uri")
	if err != nil && !json.Valid(body) {
		return document, notJSON(at)
	}
	if err != nil {
		return document, badMetadata(at, "is refused: "+err.Error())
	}
	issuer, present, err := text(document, "issuer")
	if err != nil || !present {
		return document, badMetadata(at, "names no issuer")
	}
	if issuer != f.issuer && f.discoveryURL == "" {
		return document, wrongIssuer(place(at), issuer, f.issuer)
	}
	return document, nil
}

func badMetadata(at, what string) *failure {
	return invalid(causeMetadata, "the metadata at %s %s", place(at), what)
}

// wrongIssuer names both issuers, since only the operator knows the right one.
func wrongIssuer(place, published, configured string) *failure {
	advice := "write the issuer exactly as there if that is the one you trust"
	if strings.TrimRight(published, "/") == strings.TrimRight(configured, "/") {
		advice = "they differ in the last slash, and must be equal byte for byte: " + advice
	}
	return invalid(causeWrongIssuer, "the metadata at %s is of the issuer %s, and %s is configured: %s",
		place, outbound.Clean(strconv.Quote(published)), strconv.Quote(configured), advice)
}
