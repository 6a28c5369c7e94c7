package bundles

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/logging"
	"github.com/open-policy-agent/opa/v1/plugins/rest"

	"github.com/doorward/doorward/internal/outbound"
)

// patience is how long one request may take, beside the time for which the server
// was asked to hold it.
const patience = time.Minute

// hops is how many redirects a download may follow, as from a registry to the store of
// its layers.
const hops = 5

// newClient is OPA's client with the credentials of o, over doorward's transport.
func newClient(o Options, u *url.URL) (rest.Client, error) {
	place := *u
	place.Path, place.RawQuery = "", ""
	config := map[string]any{"name": o.Name, "credentials": o.credentials(u.Scheme == "oci")}
	if u.Scheme == "oci" {
		config["type"], place.Scheme = "oci", "https"
		if o.mayBePlain(u) {
			place.Scheme = "http"
		}
	}
	config["url"] = place.String()
	log := rest.Logger(logging.NewNoOpLogger())
	text, err := json.Marshal(config)
	if err != nil {
		return rest.Client{}, err
	}
	bare, err := rest.New(text, nil, log)
	if err != nil {
		return rest.Client{}, err
	}
	inner, err := bare.Config().AuthPlugin(nil)
	if err != nil {
		return rest.Client{}, err
	}
	config["credentials"] = map[string]any{"plugin": "bounded"}
	if text, err = json.Marshal(config); err != nil {
		return rest.Client{}, err
	}
	plugin := &bounded{inner, o.transport(place.String()), o.TokenFile+o.CertFile+o.AWS != ""}
	return rest.New(text, nil, log, rest.AuthPluginLookup(func(string) rest.HTTPAuthPlugin { return plugin }))
}

// transport applies the rules for all of doorward's requests.
func (o Options) transport(url string) *outbound.Client {
	return outbound.New(outbound.Rules{
		URL:               url,
		InsecureHTTPHosts: strings.Fields(o.InsecureHTTPHosts),
		Redirects:         hops,
		Time:              patience + o.LongPoll,
		Bytes:             maxPacked,
		Packed:            true, // a bundle is compressed by itself
		Trust:             outbound.Trust{PEM: []byte(o.CAPEM), Only: o.CAPEM != ""},
		CertFile:          o.CertFile, KeyFile: o.KeyFile,
	})
}

// credentials are those of o, in the form of OPA's configuration.
func (o Options) credentials(oci bool) map[string]any {
	switch {
	case o.TokenFile != "" && oci:
		return map[string]any{"bearer": map[string]any{"token_path": o.TokenFile, "scheme": "Basic"}}
	case o.TokenFile != "":
		return map[string]any{"bearer": map[string]any{"token_path": o.TokenFile}}
	case o.AWS != "":
		from := map[string]any{}
		if o.Region != "" && o.AWS != "environment" {
			from["aws_region"] = o.Region
		}
		return map[string]any{"s3_signing": map[string]any{o.AWS + "_credentials": from}}
	}
	return map[string]any{}
}

// bounded authenticates as OPA does, and sends through doorward's transport.
type bounded struct {
	rest.HTTPAuthPlugin
	transport   *outbound.Client
	credentials bool // there are some
}

// NewClient leaves OPA's transport unused. It is called for every pull of an
// OCI artifact, which takes the transport alone.
func (b *bounded) NewClient(config rest.Config) (*http.Client, error) {
	if _, err := b.HTTPAuthPlugin.NewClient(config); err != nil { // it reads the configuration, too
		return nil, err
	}
	client := b.transport.HTTP()
	client.Transport = &answers{b.transport, b.credentials}
	return client, nil
}

// Prepare does not ask for delta bundles, which OPA's downloader offers to take.
func (b *bounded) Prepare(request *http.Request) error {
	if prefer := request.Header.Get("Prefer"); prefer != "" {
		request.Header.Set("Prefer", strings.Replace(prefer, "modes=snapshot,delta", "modes=snapshot", 1))
	}
	return b.HTTPAuthPlugin.Prepare(request)
}

// answers reads each answer to its end, and fails if it would unpack to too much,
// before OPA reads it.
type answers struct {
	transport   *outbound.Client
	credentials bool // there are some
}

// RoundTrip implements http.RoundTripper.
func (a *answers) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := a.transport.RoundTrip(request)
	if err != nil {
		return nil, a.explain(request, err)
	}
	defer response.Body.Close()
	denied := response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden
	if denied && a.credentials && request.Response != nil {
		return nil, &unreached{fmt.Sprintf("%s answers %d after a redirect, "+
			"and credentials go to the configured host alone: write the URL that it leads to",
			outbound.Place(request.URL), response.StatusCode)}
	}
	content, err := io.ReadAll(response.Body)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errCutOff
	case err != nil:
		return nil, a.explain(request, err)
	}
	if response.StatusCode == http.StatusOK && bytes.HasPrefix(content, gzipMagic) {
		if err := unpacks(content); err != nil {
			return nil, err
		}
	}
	response.Body = io.NopCloser(bytes.NewReader(content))
	return response, nil
}

// unreached is why a server gave no answer, in a sentence.
type unreached struct{ words string }

func (u *unreached) Error() string { return u.words }

func (a *answers) explain(request *http.Request, err error) error {
	cause, words := a.transport.Explain(err)
	if cause == outbound.TooLarge {
		return errTooLarge
	}
	return &unreached{outbound.Place(request.URL) + " " + words}
}
