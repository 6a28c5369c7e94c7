package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/extauthz/jwks"
)

// keySources are the keys that say where an issuer's keys are, of which at most
// one is written. Without one they are discovered.
var keySources = []string{"jwks_uri", "jwks_file", "jwks"}

// keySource returns the first of [keySources] that is written, or "".
func (r *reader) keySource(at string) string {
	for _, key := range keySources {
		if r.written(join(at, key)) {
			return key
		}
	}
	return ""
}

// keySourceOptions checks where the keys of an issuer come from.
func (r *reader) keySourceOptions(at string, is issuer) jwks.Options {
	r.checkRefresh(at+".refresh", is.Refresh)
	r.checkIssuerCredentials(at, is)
	options := jwks.Options{
		Issuer:            is.Issuer,
		DiscoveryURL:      is.DiscoveryURL,
		JWKSURI:           is.JWKSURI,
		Static:            r.staticKeys(at, is),
		CAPEM:             r.certificates(at+".ca_file", is.CAFile),
		InsecureHTTPHosts: r.doc.InsecureHTTPHosts,
		TokenFile:         is.TokenFile,
		CertFile:          is.ClientCertificate.CertFile,
		KeyFile:           is.ClientCertificate.KeyFile,
		SPIFFE:            is.SPIFFETrustDomain != "",
		RefreshMin:        is.Refresh.Min,
		RefreshMax:        is.Refresh.Max,
		MaxStale:          is.Refresh.MaxStale,
	}
	if options.Static == nil {
		options.CacheDir = r.doc.JWKSCacheDir
	}
	checked := options
	checked.Issuer = is.filled("tenant") // a URL also where the host has the placeholder
	bare := r.file != "" && r.keySource(at) == "" && is.DiscoveryURL == ""
	for _, p := range checked.Check() {
		key := p.Path
		if rest, ok := strings.CutPrefix(key, "jwks"); ok && is.JWKSFile != "" && !strings.HasPrefix(rest, "_") {
			key = "jwks_file" + rest
		}
		if key == "issuer" && p.Severity == finding.Error && bare {
			p.Message += "; for a name that is no URL, write discovery_url, jwks_uri or jwks_file too"
		}
		r.report(join(at, key), p)
	}
	return options
}

// staticKeys returns the JWK Set in the configuration or in the file that it names;
// nil if keys are to be fetched.
func (r *reader) staticKeys(at string, is issuer) []byte {
	var sources []string
	for _, key := range keySources {
		if r.written(join(at, key)) {
			sources = append(sources, key)
		}
	}
	if len(sources) > 1 {
		r.problem(join(at, sources[1]), "is a second source of keys", "keep one of "+strings.Join(sources, ", "))
		for _, key := range sources {
			r.broken[join(at, key)] = true
		}
		return nil
	}
	if len(sources) == 0 || sources[0] == "jwks_uri" {
		return nil
	}
	for _, key := range []string{"ca_file", "refresh", "discovery_url"} {
		if r.written(join(at, key)) {
			r.warn(join(at, key), "has no effect beside "+sources[0]+", because nothing is fetched",
				"remove one of them")
		}
	}
	if sources[0] == "jwks" {
		return is.JWKS
	}
	text, _ := r.readNamed(at+".jwks_file", is.JWKSFile)
	return text
}

// checkIssuerCredentials demands at most one kind of credentials, for keys that are
// fetched, and that its files are readable. They are read again when they are sent.
func (r *reader) checkIssuerCredentials(at string, is issuer) {
	hasToken, hasCertificate := r.written(at+".token_file"), r.written(at+".client_certificate")
	if hasToken && hasCertificate {
		r.problem(at+".client_certificate", "is a second kind of credentials",
			"keep one of token_file and client_certificate")
	}
	for _, key := range []string{"token_file", "client_certificate"} {
		if source := r.keySource(at); r.written(join(at, key)) && source != "" && source != "jwks_uri" {
			r.problem(join(at, key), "is sent nowhere, because "+source+" has the keys and nothing is fetched",
				"remove one of them")
		}
	}
	if hasCertificate && (is.ClientCertificate.CertFile == "" || is.ClientCertificate.KeyFile == "") {
		r.problem(at+".client_certificate", "is incomplete", "write cert_file and key_file")
	}
	for _, file := range []struct{ key, name string }{
		{"token_file", is.TokenFile},
		{"client_certificate.cert_file", is.ClientCertificate.CertFile},
		{"client_certificate.key_file", is.ClientCertificate.KeyFile},
	} {
		if file.name == "" || r.isBroken(join(at, file.key)) {
			continue
		}
		switch info, err := r.files.Stat(file.name); {
		case err != nil || !info.Mode().IsRegular():
			r.problem(join(at, file.key), fmt.Sprintf("is %s, which is not a readable file", file.name), nameReadable)
		case info.Size() == 0:
			r.problem(join(at, file.key), fmt.Sprintf("is %s, which is empty", file.name),
				"name a file with the credentials in it")
		}
	}
}

// checkRefresh refuses zero, which is the default in jwks.Options.
func (r *reader) checkRefresh(path string, times refresh) {
	for _, t := range []struct {
		key    string
		value  time.Duration
		effect string
	}{
		{"min", times.Min, "fetch keys without a pause"},
		{"max", times.Max, "fetch keys without a pause"},
		{"max_stale", times.MaxStale, "discard keys as soon as they are fetched"},
	} {
		if t.value == 0 {
			r.problem(join(path, t.key), "is zero, which would "+t.effect, "write a duration such as 1m, 1h or 24h")
		}
	}
}
