package token

import "time"

// Bounds are those of a token, for words about one that broke them: the longest
// that is accepted, in bytes, and how far clocks may differ.
func (v *Verifier) Bounds() (maxBytes int, skew time.Duration) { return v.maxBytes, v.skew }

// Texts is a claim that is a string or an array of strings, as readClaims takes
// aud; nil for any other.
func Texts(claim any) []string {
	r := reader{all: map[string]any{"": claim}}
	return r.list("")
}

// Now is the time by the clock that tokens are compared with.
func (v *Verifier) Now() time.Time { return v.now() }
