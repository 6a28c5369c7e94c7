package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"time"
)

// nonceLifetime is how long a client may use one nonce. After that it is given
// the next, at the price of one request that it sends twice.
const nonceLifetime = proofWindow

// ProofRules are what the configuration in force says about DPoP proofs. The
// zero value is usable and strict: no clock may be ahead of ours, and nonces
// are the process's own, so that another replica does not take them.
type ProofRules struct {
	ClockSkew   time.Duration // how far iat may lie in the future
	NonceAlways bool          // every proof needs a nonce, not only those soon after a start

	// NonceKeys are secrets that all replicas share. The first one makes
	// nonces, a nonce of any of them is taken.
	NonceKeys [][]byte
}

// A nonce (RFC 9449, section 9) is the time and the process it was made in, and
// a MAC over both.
const (
	nonceTime    = 8
	nonceProcess = 8
	nonceMAC     = 16
	nonceBytes   = nonceTime + nonceProcess + nonceMAC
)

// nonces makes and reads the nonces of one process.
type nonceIssuer struct {
	since   time.Time // of the wall clock: since when every accepted proof is remembered
	process [nonceProcess]byte
	secret  [sha256.Size]byte // where no key is shared
}

// newNonces takes what nobody else may know from random.
func newNonceIssuer(since time.Time, random io.Reader) nonceIssuer {
	n := nonceIssuer{since: since.Round(0)}
	for _, bytes := range [][]byte{n.process[:], n.secret[:]} {
		if _, err := io.ReadFull(random, bytes); err != nil {
			panic("token: no randomness for nonces: " + err.Error()) // crypto/rand never fails
		}
	}
	return n
}

// demanded tells whether a proof needs a nonce now. A proof that was accepted
// before since, and forgotten, has an iat of at most since and the skew of
// clocks, and is fresh for another proofWindow.
func (n *nonceIssuer) required(rules ProofRules, now time.Time) bool {
	return rules.NonceAlways || !now.Round(0).After(n.since.Add(rules.ClockSkew+proofWindow))
}

// holds tells whether a nonce shows that its proof was made since then: it is
// of this process, or of another one that shares a key and had our time or a
// later one.
func (n *nonceIssuer) valid(nonce string, rules ProofRules, now time.Time) bool {
	if len(nonce) != base64.RawURLEncoding.EncodedLen(nonceBytes) {
		return false // also of line breaks, which the decoder would pass over
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(raw) != nonceBytes || !n.authentic(raw, rules) {
		return false
	}
	made := time.Unix(0, int64(binary.BigEndian.Uint64(raw))) //nolint:gosec // genuine: written by mint
	age := now.Round(0).Sub(made)
	ours := [nonceProcess]byte(raw[nonceTime:]) == n.process
	return -rules.ClockSkew <= age && age <= nonceLifetime && (ours || !made.Before(n.since))
}

func (n *nonceIssuer) authentic(raw []byte, rules ProofRules) bool {
	claimed := raw[nonceTime+nonceProcess:]
	for _, key := range n.keys(rules) {
		if hmac.Equal(claimed, authenticate(key, raw[:nonceTime+nonceProcess])) {
			return true
		}
	}
	return false
}

// mint makes the nonce of this moment.
func (n *nonceIssuer) issue(rules ProofRules, now time.Time) string {
	raw := binary.BigEndian.AppendUint64(make([]byte, 0, nonceBytes), uint64(now.UnixNano()))
	raw = append(raw, n.process[:]...)
	raw = append(raw, authenticate(n.keys(rules)[0], raw)...)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func (n *nonceIssuer) keys(rules ProofRules) [][]byte {
	if len(rules.NonceKeys) > 0 {
		return rules.NonceKeys
	}
	return [][]byte{n.secret[:]}
}

// authenticate is half an HMAC-SHA256. The label keeps a key that is used for
// something else too from making nonces there.
func authenticate(key, message []byte) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte("doorward DPoP nonce\x00")) // a hash cannot fail
	_, _ = mac.Write(message)
	return mac.Sum(nil)[:nonceMAC]
}
