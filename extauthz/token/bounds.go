package token

import "time"

// Bounds are those of a token, for words about one that broke them: the longest
// that is accepted, in bytes, and how far clocks may differ.
func (v *Verifier) Bounds() (maxBytes int, skew time.Duration) { return v.maxBytes, v.skew }

// Audience returns aud (RFC 7519, section 4.1.3), which may be one string or an
// array. Compare it with the resource: [Verifier.Verify] does not.
func (c *Claims) Audience() []string { return stringList(c.All["aud"]) }

// Now is the time by the clock that tokens are compared with.
func (v *Verifier) Now() time.Time { return v.now() }
