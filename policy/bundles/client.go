package bundles

import (
	"bytes"
	"context"
	"crypto/x509"
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
)

// patience is how long one request may take in all, beside what the server was
// asked to hold it.
const patience = time.Minute

var errPlain = errors.New("the server leads to a URL that is not https: correct the redirect, or name the host in insecure_http_hosts")

// newClient is OPA's client with the credentials of o, and our bounds around it.
func newClient(o Options, u *url.URL) (rest.Client, error) {
	config := map[string]any{"name": o.Name, "url": u.Scheme + "://" + u.Host, "credentials": o.credentials(u.Scheme == "oci")}
	if u.Scheme == "oci" {
		config["type"], config["url"] = "oci", "https://"+u.Host
		if o.mayBePlain(u) {
			config["url"] = "http://" + u.Host
		}
	}
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
	return rest.New(text, nil, log, rest.AuthPluginLookup(func(string) rest.HTTPAuthPlugin { return &bounded{inner, o} }))
}

// credentials are in the form of OPA's configuration.
func (o Options) credentials(oci bool) map[string]any {
	switch {
	case o.TokenFile != "" && oci:
		return map[string]any{"bearer": map[string]any{"token_path": o.TokenFile, "scheme": "Basic"}}
	case o.TokenFile != "":
		return map[string]any{"bearer": map[string]any{"token_path": o.TokenFile}}
	case o.CertFile != "":
		return map[string]any{"client_tls": map[string]any{"cert": o.CertFile, "private_key": o.KeyFile}}
	case o.AWS != "":
		from := map[string]any{}
		if o.Region != "" && o.AWS != "environment" {
			from["aws_region"] = o.Region
		}
		return map[string]any{"s3_signing": map[string]any{o.AWS + "_credentials": from}}
	}
	return map[string]any{}
}

// bounded is a way to authenticate whose requests end, stay on TLS, and bring
// no more than a bundle may hold.
type bounded struct {
	rest.HTTPAuthPlugin
	options Options
}

// NewClient puts the bounds around the transport, which is all that OPA's
// downloader of OCI artifacts takes.
func (b *bounded) NewClient(config rest.Config) (*http.Client, error) {
	client, err := b.HTTPAuthPlugin.NewClient(config)
	if err != nil {
		return nil, err
	}
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		return nil, fmt.Errorf("a client without a transport of its own: %T", client.Transport)
	}
	transport.DisableCompression = true // a bundle is compressed by itself
	if b.options.CAPEM != "" {
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM([]byte(b.options.CAPEM))
	}
	client.Transport = &limits{base: transport, options: b.options}
	return client, nil
}

// Prepare does not ask for delta bundles, which OPA's downloader offers to take.
func (b *bounded) Prepare(request *http.Request) error {
	if prefer := request.Header.Get("Prefer"); prefer != "" {
		request.Header.Set("Prefer", strings.Replace(prefer, "modes=snapshot,delta", "modes=snapshot", 1))
	}
	return b.HTTPAuthPlugin.Prepare(request)
}

// limits reads each answer whole, within its bounds, before anybody looks at it.
type limits struct {
	base    http.RoundTripper
	options Options
}

// RoundTrip implements http.RoundTripper.
func (l *limits) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Scheme != "https" && !l.options.mayBePlain(request.URL) {
		return nil, errPlain
	}
	ctx, cancel := context.WithTimeout(request.Context(), patience+l.options.LongPoll)
	defer cancel()
	response, err := l.base.RoundTrip(request.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := whole(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK && bytes.HasPrefix(content, gzipMagic) {
		if err := unpacks(content); err != nil {
			return nil, err
		}
	}
	response.Body = io.NopCloser(bytes.NewReader(content))
	return response, nil
}
