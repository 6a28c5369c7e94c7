package bundles

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/download"
)

// failure is why a source has no new bundle. The zero failure is none.
type failure struct {
	what   string // the same while the failure lasts
	detail string // of this attempt

	refused bool // a bundle was read and is invalid
	stays   bool // until the source has another bundle
}

func (f failure) String() string {
	if f.detail == "" {
		return f.what
	}
	return f.what + ": " + f.detail
}

// opaMessage maps OPA's messages, which are not typed errors, to those of doorward.
var opaMessage = []struct{ part, means string }{
	{"missing .signatures.json", "is not signed: sign it where it is built, with opa build --signing-key or opa sign"},
	{
		"verification key not provided",
		"is signed, and insecure_unsigned is set: write verification with the key instead",
	},
	{
		"failed to verify JWT signature",
		"is signed with another key: sign it with the key that belongs to verification.key_file, or correct the file",
	},
	{"scope mismatch", "is signed for another scope: sign it for the one in verification.scope, or correct that"},
	{"digest mismatch", "was changed after it was signed"},
	{"not included in bundle signature", "has a file that is not signed: sign it as the last step"},
	{"specified in bundle signatures but not found", "lacks a file that was signed: publish it as it was signed"},
	{"signatures.json", "has no signature of the form that opa sign writes"},
	{"delta bundle", "is a delta bundle, which carries no signature: serve whole bundles"},
	{"do not permit", "has a file outside of the roots in its .manifest: move it, or correct the roots"},
	{"overlapped roots", "has roots that overlap: correct them in .manifest"},
	{"multiple manifest files", "has more than one manifest: keep .manifest at the top"},
	{"manifest decode", "has a .manifest that cannot be read: correct it"},
	{"exceeded max size", "has a file that is too large: take out what no rule reads"},
	{"bundle load failed on", "has data that cannot be read: correct it"},
	{"bundle read failed", "is no bundle: publish a .tar.gz as opa build writes it"},
	{"no tarball descriptor", "is no bundle: push it with a layer of type application/vnd.oci.image.layer.v1.tar+gzip"},
	{"no layers in manifest", "is no bundle: push it with a layer of type application/vnd.oci.image.layer.v1.tar+gzip"},
}

// explain says what is wrong with an answer, and what to do.
func explain(err error) failure {
	for _, ours := range []error{errTooLarge, errCutOff, errNoGzip} {
		if errors.Is(err, ours) {
			return failure{what: ours.Error(), refused: true}
		}
	}
	var rego ast.Errors
	if errors.As(err, &rego) {
		return failure{what: "has a module that is not Rego v1: correct it", detail: rego[0].Error(), refused: true}
	}
	if status := (download.HTTPError{}); errors.As(err, &status) {
		code := status.StatusCode
		return failure{what: fmt.Sprintf("the server answers %d %s: %s", code, http.StatusText(code), remedy(code))}
	}
	var there *unreached
	switch {
	case errors.As(err, &there):
		return failure{what: "cannot be fetched: " + there.words}
	case strings.HasPrefix(err.Error(), "failed to pull"):
		return failure{what: "cannot be pulled from the registry: check url and credentials", detail: err.Error()}
	case strings.HasPrefix(err.Error(), "request failed"):
		return failure{what: "cannot be asked for: check url and credentials", detail: err.Error()}
	}
	for _, says := range opaMessage {
		if strings.Contains(err.Error(), says.part) {
			return failure{what: says.means, detail: err.Error(), refused: true}
		}
	}
	return failure{
		what: "is no bundle that can be read: publish it as opa build writes it", detail: err.Error(), refused: true,
	}
}

func remedy(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "check its credentials"
	case http.StatusNotFound:
		return "check its url"
	}
	return "look after it"
}
