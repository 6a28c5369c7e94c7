package config

import (
	"fmt"
	"strings"

	"github.com/doorward/doorward/extauthz/token"
)

const (
	// shortestNonceKey is in characters. 32 random bytes have more in every encoding.
	shortestNonceKey = 32

	// mostNonceKeys are the key that makes nonces and, while it is replaced, another.
	mostNonceKeys = 2
)

// checkProofs checks the keys about DPoP proofs and returns their rules.
func (r *reader) checkProofs() token.ProofRules {
	rules := token.ProofRules{
		ClockSkew:   r.doc.ClockSkew,
		NonceAlways: r.doc.DPoPNonce == nonceAlways,
		NonceKeys:   r.nonceKeys("dpop_nonce_key_file", r.doc.DPoPNonceKeyFile),
	}
	for _, e := range r.doc.Resources {
		if e.takesDPoP() {
			return rules
		}
	}
	for _, key := range []string{"dpop_nonce", "dpop_nonce_key_file"} {
		if r.written(key) {
			r.warn(key, "has no effect, because no resource accepts DPoP",
				"remove it, or add dpop: optional to a resource")
		}
	}
	return rules
}

// nonceKeys reads a file of one key a line. Messages never quote it.
func (r *reader) nonceKeys(path, name string) [][]byte {
	text, ok := r.readNamed(path, name)
	if !ok {
		return nil
	}
	const fix = "write the output of openssl rand -base64 32, " +
		"and while you replace a key the other one in a second line"
	var keys [][]byte
	for line := range strings.Lines(string(text)) {
		key := strings.TrimSpace(line)
		if key == "" {
			continue
		}
		if len(key) < shortestNonceKey {
			r.problem(path, fmt.Sprintf("is %s, which has a key of fewer than %d characters", name, shortestNonceKey),
				fix)
			return nil
		}
		keys = append(keys, []byte(key))
	}
	if len(keys) == 0 || len(keys) > mostNonceKeys {
		r.problem(path, fmt.Sprintf("is %s, which has %d keys", name, len(keys)), fix)
		return nil
	}
	return keys
}
