package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"time"
)

// nonceLifetime is how long a client may use one nonce. Then it gets the next one
// with a refusal, and sends the request again.
const nonceLifetime = proofWindow

// ProofRules are the settings in force for DPoP proofs. The zero value is usable
// and strict: iat must not be in the future, and nonces are those of the process,
// which another replica does not accept.
type ProofRules struct {
	ClockSkew   time.Duration // how far iat may lie in the future
	NonceAlways bool          // every proof needs a nonce, not only those soon after a start

	// NonceKeys are secrets that all replicas share. The first one makes nonces;
	// nonces of all of them are accepted.
	NonceKeys [][]byte
}

// A nonce (RFC 9449, section 9) is the time when it was made, the process that
// made it, and a MAC over both.
const (
	nonceTime    = 8
	nonceProcess = 8
	nonceMAC     = 16
	nonceBytes   = nonceTime + nonceProcess + nonceMAC
)

// nonceIssuer makes and verifies the nonces of one process.
type nonceIssuer struct {
	since   time.Time // of the wall clock; from then on every accepted proof is remembered
	process [nonceProcess]byte
	secret  [sha256.Size]byte // for nonces where no key is shared
}

// newNonceIssuer reads its secret from random.
func newNonceIssuer(since time.Time, random io.Reader) nonceIssuer {
	n := nonceIssuer{since: since.Round(0)}
	for _, bytes := range [][]byte{n.process[:], n.secret[:]} {
		if _, err := io.ReadFull(random, bytes); err != nil {
			panic("token: no randomness for nonces: " + err.Error()) // crypto/rand never fails
		}
	}
	return n
}

// required reports whether a proof needs a nonce now. A proof that was accepted
// before n.since, and forgotten, has an iat of at most n.since plus the clock
// skew, and stays valid for another proofWindow.
func (n *nonceIssuer) required(rules ProofRules, now time.Time) bool {
	return rules.NonceAlways || !now.Round(0).After(n.since.Add(rules.ClockSkew+proofWindow))
}

// valid reports whether a nonce shows that its proof was made after n.since: the
// nonce is of this process, or of another one that shares a key and made it after
// n.since.
func (n *nonceIssuer) valid(nonce string, rules ProofRules, now time.Time) bool {
	if len(nonce) != base64.RawURLEncoding.EncodedLen(nonceBytes) {
		return false // line breaks included, which the decoder skips
	}
	raw, err := strictBase64.DecodeString(nonce)
	if err != nil || len(raw) != nonceBytes || !n.authentic(raw, rules) {
		return false
	}
	made := time.Unix(0, int64(binary.BigEndian.Uint64(raw))) //nolint:gosec // authentic: written by issue
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

// issue makes a nonce of the time now.
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

// authenticate returns half an HMAC-SHA256. The label separates nonces from other
// uses of the same key.
func authenticate(key, message []byte) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte("doorward DPoP nonce\x00")) // a hash cannot fail
	_, _ = mac.Write(message)
	return mac.Sum(nil)[:nonceMAC]
}
