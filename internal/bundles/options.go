package bundles

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/outbound"
)

// Options are where one bundle comes from and which key signs it. They can be
// compared with ==: a bundle with the same options keeps its [Source].
type Options struct {
	Name string // in logs, metrics and the places of problems

	// URL is https://host/path, or oci://registry/repository:tag. File is the
	// path of a .tar.gz. One of them is set.
	URL, File string

	// Key is the PEM of the public key that must have signed, with Algorithm
	// (such as RS256) and for Scope. With InsecureUnsigned there is none, and
	// nothing is verified.
	Key, Algorithm, Scope string
	InsecureUnsigned      bool

	TokenFile         string // a bearer token, read at every request; for oci:// it holds user:password
	CertFile, KeyFile string // a client certificate and its key, read at every handshake
	AWS               string // "environment", "metadata" or "web_identity": where AWS credentials come from
	Region            string // for AWS; "" for that of the environment
	CAPEM             string // certificates trusted instead of the system's roots
	InsecureHTTPHosts string // the hosts that may be reached without TLS, or "loopback", with spaces between

	PollMin, PollMax time.Duration // between two requests, in whole seconds
	LongPoll         time.Duration // how long the server may hold a request, in whole seconds; 0: not at all

	Revocations string // the path of a revocation list below data; "" for none
}

// Check finds what is wrong with the options, without the network. The paths of
// the findings are configuration keys below the bundle's entry, like
// "polling.min".
func (o Options) Check() finding.List {
	var problems finding.List
	problem := func(path, message, fix string) {
		problems = append(problems, finding.Finding{Path: path, Message: message, Fix: fix})
	}
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`).MatchString(o.Name) {
		problem("name", "is no short name", "write up to 64 of a-z, 0-9, - and _")
	}
	if o.URL != "" {
		problems = append(problems, o.checkURL()...)
	}
	if o.Key != "" {
		if fault, fix := keyFault(o.Key, o.Algorithm); fault != "" {
			problem("verification.key_file", fault, fix)
		}
	}
	if o.InsecureUnsigned {
		problems = append(problems, finding.Finding{
			Path: "insecure_unsigned", Severity: finding.Warning,
			Message: "nothing shows who wrote this bundle, and it decides on requests",
			Fix:     "sign it, and write verification",
		})
	}
	if o.AWS == "metadata" && o.Region == "" {
		problem("aws.region", "is missing, and the metadata service does not name it", "write one such as eu-central-1")
	}
	problems = append(problems, o.checkTimes()...)
	if o.Revocations != "" && !regexp.MustCompile(`^[^/]+(/[^/]+)*$`).MatchString(o.Revocations) {
		problem("revocations", "is no path below data", "write one such as security/revocations")
	}
	return problems
}

func (o Options) checkURL() finding.List {
	u, err := url.Parse(o.URL)
	var fault, fix string
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		fault, fix = "is no absolute URL", "write https://host/path or oci://registry/repository:tag"
	case u.User != nil:
		fault, fix = "holds user information", "leave it out, and write token_file"
	case u.Fragment != "" || strings.Contains(o.URL, "#"):
		fault, fix = "has a fragment", "leave it out"
	case u.Scheme == "oci" && !regexp.MustCompile(`^/[^:@]+([:@].+)$`).MatchString(u.Path):
		fault, fix = "names no tag or digest", "write oci://registry/repository:tag"
	case u.Scheme == "s3":
		fault, fix = "is s3://", "write the bucket's https:// URL and aws: {credentials: …}"
	case u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "oci":
		fault, fix = "is neither https:// nor oci://", "use one of them, or file for a file"
	case u.Scheme == "http" && !o.mayBePlain(u):
		fault, fix = "is not https", "use https, or name its host in insecure_http_hosts"
	case o.LongPoll > 0 && u.Scheme == "oci":
		return finding.List{{Path: "long_poll", Message: "does not exist for oci://", Fix: "use polling"}}
	}
	if fault != "" {
		return finding.List{{Path: "url", Message: fault, Fix: fix}}
	}
	if u.Scheme == "http" || u.Scheme == "oci" && o.mayBePlain(u) {
		return finding.List{{
			Path: "url", Severity: finding.Warning,
			Message: "plain http: others on the network can hold bundles back", Fix: "use https outside of tests",
		}}
	}
	return nil
}

func (o Options) checkTimes() finding.List {
	var problems finding.List
	for _, t := range []struct {
		path      string
		value     time.Duration
		low, high time.Duration
	}{
		{"polling.min", o.PollMin, time.Second, 24 * time.Hour},
		{"polling.max", o.PollMax, time.Second, 24 * time.Hour},
		{"long_poll", o.LongPoll, 0, 10 * time.Minute},
	} {
		if t.value < t.low || t.value > t.high || t.value%time.Second != 0 {
			problems = append(problems, finding.Finding{
				Path: t.path, Message: fmt.Sprintf("is %v", t.value),
				Fix: fmt.Sprintf("write whole seconds from %v to %v", max(t.low, time.Second), t.high),
			})
		}
	}
	if o.PollMin > o.PollMax {
		problems = append(problems, finding.Finding{
			Path: "polling.min", Fix: "make it shorter",
			Message: fmt.Sprintf("%v is longer than polling.max, %v", o.PollMin, o.PollMax),
		})
	}
	return problems
}

// keyFault returns the problem with a public key and its fix, both "" for a key
// that goes with algorithm. A private key is refused.
func keyFault(text, algorithm string) (fault, fix string) {
	const write = "write a PEM block of type PUBLIC KEY, as openssl pkey -pubout writes it"
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return "holds no PEM block", write
	}
	if strings.Contains(block.Type, "PRIVATE") {
		return "holds a private key", write
	}
	var key any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return fmt.Sprintf("holds a PEM block of type %q", block.Type), write
	}
	if err != nil {
		return "holds a key that cannot be read", write
	}
	elliptic := strings.HasPrefix(algorithm, "ES")
	switch key.(type) {
	case *rsa.PublicKey:
		if elliptic {
			return "holds an RSA key, which does not go with " + algorithm, "write algorithm: RS256"
		}
	case *ecdsa.PublicKey:
		if !elliptic {
			return "holds an EC key, which does not go with " + algorithm, "write algorithm: ES256"
		}
	default:
		return "holds a key that is neither RSA nor EC", write
	}
	return "", ""
}

// Location is where the bundle comes from, without its query, which may be a secret.
func (o Options) Location() string {
	place, _, _ := strings.Cut(o.URL, "?")
	return place + o.File
}

func (o Options) mayBePlain(u *url.URL) bool {
	return outbound.MayBePlain(u, strings.Fields(o.InsecureHTTPHosts))
}
