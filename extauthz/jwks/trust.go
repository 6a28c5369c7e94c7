package jwks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"reflect"
	"slices"
)

// trust is all that the trust in a fetched key set rests on. Whatever keeps a
// set beyond the configuration that fetched it, on disk or in memory, keeps its
// trust beside it, and uses the set only where the options of today hold that
// trust. A field that is added here is compared by itself.
type trust struct {
	Issuer       string   `json:"issuer"`
	JWKSURI      string   `json:"jwks_uri,omitempty"`      // as configured; "": discovered
	DiscoveryURL string   `json:"discovery_url,omitempty"` // as configured; "": the issuer's own
	KeyUse       string   `json:"use"`                     // of the keys that were taken
	From         string   `json:"from"`                    // the URL that the set came from
	CAs          []string `json:"cas,omitempty"`           // digests of the certificates trusted besides the system's
}

// trust is what a set from this URL rests on.
func (o Options) trust(from string) trust {
	return trust{
		Issuer: o.Issuer, JWKSURI: o.JWKSURI, DiscoveryURL: o.DiscoveryURL, KeyUse: o.keyUse(),
		From: from, CAs: digests(o.CAPEM),
	}
}

// holds says whether a set that was trusted then is trusted under o: it would
// be fetched from the same place, no certificate authority was taken away, and
// the place may still be spoken to as it was (InsecureHTTPHosts). More
// authorities and permissions than then change nothing for the set.
func (o Options) accepts(then trust) bool {
	now := o.trust(then.From)
	for _, authority := range then.CAs {
		if !slices.Contains(now.CAs, authority) {
			return false
		}
	}
	now.CAs = then.CAs
	_, err := secureURL(then.From, o.InsecureHTTPHosts)
	return err == nil && o.Static == nil && reflect.DeepEqual(now, then)
}

// digests are those of the certificates in PEM, nil for none.
func digests(caPEM []byte) []string {
	var all []string
	for block, rest := pem.Decode(caPEM); block != nil; block, rest = pem.Decode(rest) {
		sum := sha256.Sum256(block.Bytes)
		all = append(all, hex.EncodeToString(sum[:]))
	}
	return all
}
