package config

import (
	"fmt"
	"strings"

	"github.com/doorward/doorward/internal/bundles"
)

// checkBundles checks every policy bundle and returns the options that download
// and verify it.
func (r *reader) checkBundles() []bundles.Options {
	var all []bundles.Options
	var names, paths []string
	lists := ""
	for i, e := range r.doc.Policy.Bundles {
		at := element("policy.bundles", i)
		names, paths = append(names, e.Name), append(paths, at+".name")
		if e.Name == "" {
			r.problem(at+".name", "is missing", "write a short one for logs and metrics")
		}
		all = append(all, r.checkBundle(at, e))
		switch here := at + ".revocations"; {
		case e.Revocations == "":
		case r.doc.RevocationFile != "":
			r.problem(here, "is a second revocation list",
				fmt.Sprintf("keep this one or revocation_file at %v", r.placeOf("revocation_file")))
		case lists != "":
			r.problem(here, "is a second revocation list",
				fmt.Sprintf("keep this one or the one at %v", r.placeOf(lists)))
		default:
			lists = here
		}
	}
	r.unique(names, paths)
	return all
}

func (r *reader) checkBundle(at string, e bundleEntry) bundles.Options {
	r.checkLocation(at, e)
	r.checkCredentials(at, e)
	var key []byte
	if !r.isBroken(at + ".verification.algorithm") {
		key, _ = r.readNamed(at+".verification.key_file", e.Verification.KeyFile)
	}
	switch signed := r.written(at + ".verification"); {
	case signed && e.InsecureUnsigned:
		r.problem(at+".insecure_unsigned", "cannot be combined with verification", "keep one of them")
	case signed && e.Verification.KeyFile == "":
		r.problem(at+".verification.key_file", "is missing",
			"name the PEM file with the public key of the bundle's signer")
	case !signed && !e.InsecureUnsigned:
		r.problem(at+".verification", "is missing: without it a bundle of any author would be accepted",
			"write verification: {key_file: …}, or insecure_unsigned: true")
	}
	o := bundles.Options{
		Name: e.Name, URL: e.URL, File: e.File,
		Key: string(key), Algorithm: e.Verification.Algorithm, Scope: e.Verification.Scope,
		InsecureUnsigned:  e.InsecureUnsigned,
		TokenFile:         e.TokenFile,
		CertFile:          e.ClientCertificate.CertFile,
		KeyFile:           e.ClientCertificate.KeyFile,
		AWS:               e.AWS.Credentials,
		Region:            e.AWS.Region,
		CAPEM:             string(r.certificates(at+".ca_file", e.CAFile)),
		InsecureHTTPHosts: strings.Join(r.doc.InsecureHTTPHosts, " "),
		PollMin:           e.Polling.Min,
		PollMax:           e.Polling.Max,
		LongPoll:          e.LongPoll,
		Revocations:       e.Revocations,
	}
	for _, p := range o.Check() {
		if p.Path == "name" && e.Name == "" {
			continue
		}
		r.report(join(at, p.Path), p)
	}
	return o
}

// checkLocation demands one of url and file. The file need not exist: a bundle may
// arrive later.
func (r *reader) checkLocation(at string, e bundleEntry) {
	switch {
	case e.URL != "" && e.File != "":
		r.problem(at+".file", "is a second location of the bundle", "keep one of url and file")
	case e.URL == "" && e.File == "":
		r.problem(at+".url", "is missing", "write url: https://…, url: oci://…, or file: …")
	}
	if e.File == "" {
		return
	}
	for _, key := range []string{"token_file", "client_certificate", "aws", "ca_file", "polling", "long_poll"} {
		if r.written(join(at, key)) {
			r.warn(join(at, key), "has no effect beside file, because nothing is downloaded", "remove one of them")
		}
	}
}

// checkCredentials demands at most one kind, and that its files are readable. OPA
// reads them again when it needs them.
func (r *reader) checkCredentials(at string, e bundleEntry) {
	var kinds []string
	for _, key := range []string{"token_file", "client_certificate", "aws"} {
		if r.written(join(at, key)) {
			kinds = append(kinds, key)
		}
	}
	if len(kinds) > 1 {
		r.problem(join(at, kinds[1]), "is a second kind of credentials", "keep one of "+strings.Join(kinds, ", "))
	}
	half := e.ClientCertificate.CertFile == "" || e.ClientCertificate.KeyFile == ""
	if r.written(at+".client_certificate") && half {
		r.problem(at+".client_certificate", "is incomplete", "write cert_file and key_file")
	}
	if r.written(at+".aws") && e.AWS.Credentials == "" {
		r.problem(at+".aws.credentials", "is missing", "write environment, metadata or web_identity")
	}
	for _, file := range []struct{ key, name string }{
		{"token_file", e.TokenFile},
		{"client_certificate.cert_file", e.ClientCertificate.CertFile},
		{"client_certificate.key_file", e.ClientCertificate.KeyFile},
	} {
		if file.name == "" {
			continue
		}
		if !r.files.Is(file.name, 0) {
			r.problem(join(at, file.key), fmt.Sprintf("is %s, which is not a readable file", file.name),
				"name a file that exists and is readable")
		}
	}
}
