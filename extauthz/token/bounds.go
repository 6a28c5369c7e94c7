package token

import "time"

// Bounds returns the longest token that is accepted, in bytes, and how far clocks
// may differ, for messages about a token that was refused.
func (v *Verifier) Bounds() (maxBytes int, skew time.Duration) { return v.maxBytes, v.skew }

// Audience returns aud (RFC 7519, section 4.1.3), which may be one string or an
// array. Compare it with the resource: [Verifier.Verify] does not.
func (c *Claims) Audience() []string { return stringList(c.All["aud"]) }

// Now returns the time of the clock that dates of tokens are compared with.
func (v *Verifier) Now() time.Time { return v.now() }
