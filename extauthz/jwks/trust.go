package jwks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"reflect"
	"slices"

	"github.com/doorward/doorward/internal/outbound"
)

// trust is everything on which the trust in a fetched key set depends. A set that
// outlives the configuration that fetched it, on disk or in memory, is kept with
// its trust, and used only if the options in force accept it. All fields are
// compared.
type trust struct {
	Issuer       string   `json:"issuer"`
	JWKSURI      string   `json:"jwks_uri,omitempty"`      // as configured; "": discovered
	DiscoveryURL string   `json:"discovery_url,omitempty"` // as configured; "": the issuer's own
	KeyUse       string   `json:"use"`                     // of the keys that were accepted
	From         string   `json:"from"`                    // the URL that the set came from
	CAs          []string `json:"cas,omitempty"`           // digests of the certificates trusted besides the system's
}

// trust returns what the trust in a set from this URL depends on.
func (o Options) trust(from string) trust {
	return trust{
		Issuer: o.Issuer, JWKSURI: o.JWKSURI, DiscoveryURL: o.DiscoveryURL, KeyUse: o.keyUse(),
		From: from, CAs: digests(o.CAPEM),
	}
}

// accepts reports whether a set that was trusted then is trusted under o: it would
// be fetched from the same place, no certificate authority was removed, and the
// place may still be fetched from without TLS if it was (InsecureHTTPHosts).
// Additional authorities and permissions do not affect the set.
func (o Options) accepts(then trust) bool {
	now := o.trust(then.From)
	for _, authority := range then.CAs {
		if !slices.Contains(now.CAs, authority) {
			return false
		}
	}
	now.CAs = then.CAs
	_, err := outbound.SecureURL(then.From, o.InsecureHTTPHosts)
	return err == nil && o.Static == nil && reflect.DeepEqual(now, then)
}

// digests returns those of the certificates in PEM, nil if there are no certificates.
func digests(caPEM []byte) []string {
	var all []string
	for block, rest := pem.Decode(caPEM); block != nil; block, rest = pem.Decode(rest) {
		sum := sha256.Sum256(block.Bytes)
		all = append(all, hex.EncodeToString(sum[:]))
	}
	return all
}
