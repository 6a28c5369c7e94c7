package config

import (
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/doorward/doorward/internal/outbound"
)

// Values of decision_log.to other than [Off] and a URL.
const (
	toStdout = "stdout"
	toFile   = "file:"
)

// DecisionLog is the destination of one event per decision, and its content.
type DecisionLog struct {
	// To is [Off], "stdout", "file:PATH", or the URL of a service that takes
	// OPA's decision logs, at URL/logs.
	To string `yaml:"to"`
	// TokenFile has a bearer token for the service, CAFile the authorities that are
	// trusted instead of the system's, CertFile and KeyFile the client certificate.
	// "" means that there is none.
	TokenFile string `yaml:"token_file,path"`
	CAFile    string `yaml:"ca_file,path"`
	CertFile  string `yaml:"cert_file,path"`
	KeyFile   string `yaml:"key_file,path"`
	// Claims are names of claims to log besides sub and jti.
	Claims []string `yaml:"claims"`
	// SampleAllows is the share of the allows that is logged, 0 to 1. Denials
	// always are.
	SampleAllows float64 `yaml:"sample_allows"`
	// Buffer bounds the memory of events that wait.
	Buffer Size `yaml:"buffer"`
}

// checkDecisionLog checks the destination and its files. The folder of a log file
// must exist.
func (r *reader) checkDecisionLog() {
	d := &r.doc.DecisionLog
	checkBounds(r, []bound[Size]{{"decision_log.buffer", d.Buffer, 1 << 20, 1 << 30}})
	if d.SampleAllows < 0 || d.SampleAllows > 1 {
		r.problem("decision_log.sample_allows", fmt.Sprintf("is %v, which is not a share", d.SampleAllows),
			"write a value from 0 to 1, such as 0.1")
	}
	var paths []string
	for i := range d.Claims {
		paths = append(paths, element("decision_log.claims", i))
	}
	r.unique(d.Claims, paths)
	path, isFile := strings.CutPrefix(d.To, toFile)
	isService := !isFile && d.To != Off && d.To != toStdout
	switch {
	case isFile:
		d.To = toFile + r.checkLogFile(path)
	case isService:
		r.checkLogService(d.To)
		r.checkLogCredentials(d)
	case d.To == Off && r.written("decision_log") && !r.written("decision_log.to"):
		r.warn("decision_log", "has no effect without to", "add to: stdout, file:PATH or https://host, or remove it")
	}
	for _, key := range []string{"token_file", "ca_file", "cert_file", "key_file"} {
		if at := "decision_log." + key; !isService && r.written("decision_log.to") && r.written(at) {
			r.warn(at, "has no effect, because decision_log.to is not a URL", "remove it")
		}
	}
}

// checkLogFile returns the path. A relative one begins at the file that names it.
func (r *reader) checkLogFile(path string) string {
	const at = "decision_log.to"
	if path == "" {
		r.problem(at, "names no file", "write file:PATH")
		return path
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(r.placeOf(at).file), path)
	}
	switch {
	case r.files.Is(path, fs.ModeDir):
		r.problem(at, "is "+path+", which is a folder", "name a file in it")
	case r.files.Is(path, fs.ModeNamedPipe):
		r.problem(at, "is "+path+", which is a pipe", "write stdout, and pipe that")
	case !r.files.Is(filepath.Dir(path), fs.ModeDir):
		r.problem(at, "is "+path+", in a folder that does not exist", "create the folder, writable by doorward")
	}
	return path
}

func (r *reader) checkLogService(to string) {
	const at = "decision_log.to"
	u, err := url.Parse(to)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		r.problem(at, "is not a destination", "write off, stdout, file:PATH or https://host")
	case u.User != nil:
		r.problem(at, "contains user information", "remove it, and name a bearer token in token_file")
	case u.RawQuery != "" || strings.ContainsAny(to, "?#"):
		r.problem(at, "has a query or a fragment", "remove it; events are posted to URL/logs")
	case u.Scheme == "http" && !outbound.MayBePlain(u, r.doc.InsecureHTTPHosts):
		r.problem(at, "is not https", "write https, or name its host in insecure_http_hosts")
	case u.Scheme == "http":
		r.warn(at, "is plain http: events can be read on the network", "write https outside of tests")
	}
}

func (r *reader) checkLogCredentials(d *DecisionLog) {
	if d.TokenFile != "" && !r.files.Is(d.TokenFile, 0) {
		r.problem("decision_log.token_file", "is "+d.TokenFile+", which is not a readable file",
			"name a file that contains a bearer token alone")
	}
	hasCert, hasKey := d.CertFile != "", d.KeyFile != ""
	switch {
	case d.TokenFile != "" && (hasCert || hasKey):
		r.problem("decision_log.token_file", "is a second kind of credentials", "keep it, or cert_file and key_file")
	case hasCert != hasKey:
		r.problem("decision_log", "has one of cert_file and key_file without the other", "write both")
	case hasCert:
		r.checkPair("decision_log", d.CertFile, d.KeyFile)
	}
	r.certificates("decision_log.ca_file", d.CAFile)
}
