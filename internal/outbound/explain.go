package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
)

// Cause is why an exchange brought no answer, from a closed list that metrics
// may have as labels.
type Cause string

// The causes.
const (
	Forbidden   Cause = "forbidden"    // the rules of this package: no TLS, a redirect, an address
	NameUnknown Cause = "name_unknown" // DNS has no address for the host
	Refused     Cause = "refused"      // nothing listens there
	TimedOut    Cause = "timeout"      // no answer, or not all of it, in time
	TLS         Cause = "tls"          // the certificate, or what was spoken, is not to be trusted
	BrokenOff   Cause = "broken_off"   // the connection ended before the answer did
	TooLarge    Cause = "too_large"    // the answer has more bytes than it may have
	Unreachable Cause = "unreachable"  // any other failure of the network
)

var errTooLarge = errors.New("the answer is too large")

// Refusal is a request that the rules forbid. Nothing of it was sent.
type Refusal struct{ words string }

// Error implements error: a sentence about the host that was asked.
func (r *Refusal) Error() string { return r.words }

func refuse(form string, values ...any) *Refusal { return &Refusal{fmt.Sprintf(form, values...)} }

func refusePrivate(host string) *Refusal {
	return refuse("leads to %s, which is at an address that is not public, and a public host may not lead there: "+
		"configure that URL itself if it is right", Clean(host))
}

// Explain returns why a request, or the reading of its answer, failed: the cause,
// and a sentence without its subject, which is the host. The sentence is fixed but
// for the names in a certificate. Err is not nil.
func (c *Client) Explain(err error) (Cause, string) {
	var refusal *Refusal
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &refusal):
		return Forbidden, refusal.words
	case errors.Is(err, errTooLarge):
		return TooLarge, "sent more than " + size(c.rules.Bytes)
	case errors.As(err, &name) && !name.IsTimeout:
		return NameUnknown, "has no address: DNS does not know the name"
	case isTLS(err):
		return TLS, "cannot be trusted: " + c.tlsWords(err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return TimedOut, fmt.Sprintf("did not answer within %v", c.rules.Time)
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused, "refused the connection: nothing listens there"
	case isAny(err, io.ErrUnexpectedEOF, io.EOF, syscall.ECONNRESET, syscall.EPIPE):
		return BrokenOff, "broke off its answer"
	}
	return Unreachable, "cannot be reached: " + Clean(root(err).Error())
}

func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

// isTLS reports whether the handshake failed. Some of crypto/tls's errors have no
// type, and all of them have its prefix.
func isTLS(err error) bool {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	reason := root(err).Error()
	return errors.As(err, &verification) || errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch) ||
		strings.HasPrefix(reason, "tls: ") || strings.HasPrefix(reason, "remote error: tls: ")
}

// tlsWords has the reason of crypto/x509 in it, and what to do.
func (c *Client) tlsWords(err error) string {
	reason := Clean(root(err).Error())
	var unknown x509.UnknownAuthorityError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown) && len(c.rules.Trust.PEM) > 0:
		return reason + ": no certificate of ca_file has signed it: name the authority that has in ca_file"
	case errors.As(err, &unknown):
		return reason + ": if its authority is your own, name that one's certificate in ca_file"
	case errors.As(err, &verification):
		return reason + ": the server needs another certificate, which ca_file cannot mend"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return reason + ": look for http in place of https, or another port"
	}
	return reason
}

// root is the innermost error: those around it name the URL, whose query may be
// a secret.
func root(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func size(bytes int64) string {
	if bytes >= 1<<20 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d KiB", bytes>>10)
}
