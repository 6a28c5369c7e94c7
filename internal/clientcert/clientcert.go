// Package clientcert reads the client's certificate out of what Envoy attests of
// the connection: source.certificate, or the header x-forwarded-client-cert.
// Both functions return the SHA-256 of the certificate in DER (RFC 8705, section
// 3.1), and false for everything that is not exactly in Envoy's format.
package clientcert

import (
	"crypto/sha256"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"net/url"
	"strings"
)

// ReadSource reads source.certificate: one certificate in PEM, then URL-encoded.
// It is "" for a client without a certificate, which returns false.
func ReadSource(pemURLEncoded string) ([sha256.Size]byte, bool) {
	var none [sha256.Size]byte
	if strings.ContainsAny(pemURLEncoded, "\n +/=") { // Envoy escapes each of them
		return none, false
	}
	text, err := url.PathUnescape(pemURLEncoded)
	if err != nil {
		return none, false
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || len(block.Headers) > 0 {
		return none, false
	}
	// The decoder looks for a block anywhere and skips what it cannot read.
	// This text holds the one block and nothing else.
	if string(pem.EncodeToMemory(block)) != text || !isSequence(block.Bytes) {
		return none, false
	}
	return sha256.Sum256(block.Bytes), true
}

// isSequence reports whether der is one SEQUENCE (RFC 5280, section 4.1) with nothing
// after it. TLS has verified its content.
func isSequence(der []byte) bool {
	var value asn1.RawValue
	rest, err := asn1.Unmarshal(der, &value)
	sequence := value.Class == asn1.ClassUniversal && value.Tag == asn1.TagSequence && value.IsCompound
	return err == nil && len(rest) == 0 && sequence
}

// ReadXFCC reads the values of x-forwarded-client-cert, one per occurrence. There
// must be one element in all, because nothing shows which of several is the
// client's own, and one Hash of 64 hexadecimal digits in it.
//
// Trust the header only where Envoy sanitises it.
func ReadXFCC(header []string) ([sha256.Size]byte, bool) {
	var none, digest [sha256.Size]byte
	if len(header) != 1 {
		return none, false
	}
	hashes, hash := 0, ""
	for rest, more := header[0], true; more; {
		var name, value string
		var ok bool
		name, value, rest, ok = cutPair(rest)
		if !ok {
			return none, false
		}
		if strings.EqualFold(name, "Hash") { // Envoy ignores the case of names
			hashes, hash = hashes+1, value
		}
		rest, more = strings.CutPrefix(rest, ";")
		if !more && rest != "" { // a comma: another element
			return none, false
		}
	}
	if hashes != 1 || len(hash) != 2*sha256.Size {
		return none, false
	}
	if _, err := hex.Decode(digest[:], []byte(hash)); err != nil {
		return none, false
	}
	return digest, true
}

// cutPair takes one name=value off an element. Of a quoted value it returns the
// text between the quotes.
func cutPair(s string) (name, value, rest string, ok bool) {
	name, rest, ok = strings.Cut(s, "=")
	if !ok || name == "" || !lettersOnly(name) {
		return "", "", "", false
	}
	if quoted, ok := strings.CutPrefix(rest, `"`); ok {
		value, rest, ok = cutQuoted(quoted)
		return name, value, rest, ok
	}
	end := 0
	for end < len(rest) && rest[end] != ';' && rest[end] != ',' {
		if c := rest[end]; c < 0x21 || c > 0x7E || c == '"' || c == '=' || c == '\\' {
			return "", "", "", false
		}
		end++
	}
	return name, rest[:end], rest[end:], true
}

// cutQuoted reads up to the closing quote. A backslash takes the meaning of
// whatever follows it: of a quote, and of the characters that a subject has
// escaped by RFC 4514, section 2.4.
func cutQuoted(s string) (value, rest string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < 0x20 || c > 0x7E:
			return "", "", false
		case c == '"':
			return s[:i], s[i+1:], true
		case c == '\\':
			i++
			if i < len(s) && (s[i] < 0x20 || s[i] > 0x7E) {
				return "", "", false
			}
		}
	}
	return "", "", false
}

func lettersOnly(s string) bool {
	for _, c := range []byte(s) {
		if c |= 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}
