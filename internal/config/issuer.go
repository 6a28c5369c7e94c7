package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/token"
)

// checkIssuers checks every issuer and returns them.
func (r *reader) checkIssuers() []Issuer {
	if len(r.doc.Issuers) == 0 {
		r.problem("issuers", "names no issuer, so no token could be accepted", "write issuers: [{issuer: https://…}]")
	}
	var issuers []Issuer
	var ids, paths []string
	for i, is := range r.doc.Issuers {
		at := element("issuers", i)
		ids, paths = append(ids, is.Issuer), append(paths, at+".issuer")
		if is.Issuer == "" {
			r.problem(at+".issuer", "is missing", "write the exact iss of its tokens")
		}
		issuers = append(issuers, r.checkIssuer(at, is))
	}
	r.unique(ids, paths)
	return issuers
}

func (r *reader) checkIssuer(at string, is issuer) Issuer {
	r.checkAlgorithms(at+".algorithms", is.Algorithms)
	r.checkRefresh(at+".refresh", is.Refresh)
	options := jwks.Options{
		Issuer:            is.Issuer,
		JWKSURI:           is.JWKSURI,
		Static:            r.staticKeys(at, is),
		CAPEM:             r.certificates(at+".ca_file", is.CAFile),
		InsecureHTTPHosts: r.doc.InsecureHTTPHosts,
		RefreshMin:        is.Refresh.Min,
		RefreshMax:        is.Refresh.Max,
		MaxStale:          is.Refresh.MaxStale,
	}
	if options.Static == nil {
		options.CacheDir = r.doc.JWKSCacheDir
	}
	for _, p := range options.Check() {
		key := p.Path
		if rest, ok := strings.CutPrefix(key, "jwks"); ok && is.JWKSFile != "" && !strings.HasPrefix(rest, "_") {
			key = "jwks_file" + rest
		}
		r.report(join(at, key), p)
	}
	profile := token.Standard
	if is.Profile == token.RFC9068.String() {
		profile = token.RFC9068
	}
	named := r.placeOf(at + ".issuer")
	return Issuer{
		Keys: options, Profile: profile, Algorithms: is.Algorithms,
		File: named.file, Line: named.line, Column: named.column,
	}
}

// staticKeys returns the JWK Set in the configuration or in the file that it names;
// nil if keys are to be fetched.
func (r *reader) staticKeys(at string, is issuer) []byte {
	var sources []string
	for _, key := range []string{"jwks_uri", "jwks_file", "jwks"} {
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
	for _, key := range []string{"ca_file", "refresh"} {
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

// checkAlgorithms refuses algorithms that need no public key.
func (r *reader) checkAlgorithms(path string, algorithms []string) {
	if len(algorithms) == 0 {
		r.problem(path, "is empty, so no token could be accepted",
			"name at least one, or remove it to accept all safe ones")
	}
	const usePublicKey = "write an algorithm with a public key, such as RS256 or ES256"
	known := token.DefaultAlgorithms()
	var paths []string
	for i, name := range algorithms {
		at := element(path, i)
		paths = append(paths, at)
		fix := "the algorithms are " + strings.Join(known, ", ")
		if meant := Nearest(name, known); meant != "" {
			fix = fmt.Sprintf("did you mean %s?", meant)
		}
		switch {
		case slices.Contains(known, name) || name == "":
		case strings.HasPrefix(name, "HS"):
			r.problem(at, "is "+name+", which is never accepted: "+
				"a shared secret that verifies a token can also sign one", usePublicKey)
		case strings.EqualFold(name, "none"):
			r.problem(at, "is none, which is never accepted: such a token has no signature", usePublicKey)
		default:
			r.problem(at, fmt.Sprintf("is %q, which is not known", name), fix)
		}
	}
	r.unique(algorithms, paths)
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
