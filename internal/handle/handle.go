// Package handle seals an access token into a text that an MCP server passes on
// with its own requests, and opens it again: the server holds no token, and
// doorward needs no store to exchange the token later.
//
// A handle is base64url of
//
//	version | key id | expiry | SHA-256 of the token | issuer | nonce | sealed(URL, token)
//
// sealed with XChaCha20-Poly1305, whose associated data is the name of the resource
// and all of the above before the nonce. It opens for the resource that it was sealed
// for, with a key of its deployment, until it expires.
package handle

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// KeyBytes is the size of a key. A key file holds exactly these bytes.
const KeyBytes = chacha20poly1305.KeySize

// MaxBytes is the longest text of any handle. Open refuses a longer one unread.
const MaxBytes = 32 << 10

// Options are what a [Sealer] is made of.
type Options struct {
	Keys     [][]byte      // the first one seals, all of them open; KeyBytes each
	Lifetime time.Duration // of a handle; one of a token that ends earlier ends with it
	MaxBytes int           // of a handle's text; 0: the constant MaxBytes
	Random   io.Reader     // of nonces; nil: crypto/rand
}

// Sealer seals and opens handles. It may be used by any number of goroutines. The nil
// Sealer seals nothing and opens nothing.
type Sealer struct {
	keys     []key
	lifetime time.Duration
	maxBytes int
	random   io.Reader
}

type key struct {
	id   [idBytes]byte
	aead cipher.AEAD
}

// Content is what a handle holds.
type Content struct {
	Resource string // its name in the configuration
	URL      string // the resource as the request asked for it, which differs for a pattern
	Issuer   string // the iss of the token
	Token    string // compact
	// Expiry is the end of the token for Seal, and of the handle after Open. A
	// fraction of a second is cut off.
	Expiry time.Time
	Digest [sha256.Size]byte // SHA-256 of Token, set by Open
}

// These are the errors of Seal and Open. No error has a part of a token or of a handle.
var (
	ErrTooLarge   = errors.New("the handle would be larger than max_bytes")
	ErrTooLong    = errors.New("the handle is too long")
	ErrMalformed  = errors.New("the handle is malformed")
	ErrUnknownKey = errors.New("the handle was sealed with a key that is not configured")
	ErrNotOpened  = errors.New("the handle was altered, or sealed for another resource")
	ErrExpired    = errors.New("the handle has expired")
)

// The parts of a handle, in bytes.
const (
	version     = 1
	idBytes     = 8
	expiryBytes = 8
	issuerAt    = 1 + idBytes + expiryBytes + sha256.Size
	nonceBytes  = chacha20poly1305.NonceSizeX
)

var encoding = base64.RawURLEncoding.Strict()

// New makes a Sealer.
func New(options Options) (*Sealer, error) {
	s := &Sealer{lifetime: options.Lifetime, maxBytes: options.MaxBytes, random: options.Random}
	if s.random == nil {
		s.random = rand.Reader
	}
	if s.maxBytes == 0 {
		s.maxBytes = MaxBytes
	}
	switch {
	case len(options.Keys) == 0:
		return nil, errors.New("a handle needs a key")
	case s.lifetime < time.Second:
		return nil, errors.New("the lifetime of a handle must be a second or more")
	case s.maxBytes < 0 || s.maxBytes > MaxBytes:
		return nil, fmt.Errorf("a handle has at most %d bytes", MaxBytes)
	}
	for _, bytes := range options.Keys {
		if len(bytes) != KeyBytes {
			return nil, fmt.Errorf("a key of handles has exactly %d bytes, and this one has %d", KeyBytes, len(bytes))
		}
		aead, err := chacha20poly1305.NewX(bytes)
		if err != nil {
			return nil, err // cannot be: the size is right
		}
		k := key{id: keyID(bytes), aead: aead}
		if s.find(k.id) != nil {
			return nil, errors.New("two keys of handles are equal")
		}
		s.keys = append(s.keys, k)
	}
	return s, nil
}

// keyID names a key in front of the handles that it sealed. It is no secret.
func keyID(bytes []byte) [idBytes]byte {
	sum := sha256.Sum256(append([]byte("doorward handle key id\x00"), bytes...))
	return [idBytes]byte(sum[:])
}

func (s *Sealer) find(id [idBytes]byte) *key {
	for i := range s.keys {
		if s.keys[i].id == id {
			return &s.keys[i]
		}
	}
	return nil
}

// Lifetime is the longest time for which a handle may be used; 0 for the nil Sealer.
func (s *Sealer) Lifetime() time.Duration {
	if s == nil {
		return 0
	}
	return s.lifetime
}

// Seal makes the handle of a token at the time now. It fails with ErrTooLarge where the
// text would be longer than the options allow. The nil Sealer returns "".
func (s *Sealer) Seal(c Content, now time.Time) (text string, err error) {
	if s == nil {
		return "", nil
	}
	k := &s.keys[0]
	size := issuerAt + len(c.Issuer) + len(c.URL) + len(c.Token) + nonceBytes + k.aead.Overhead()
	if encoding.EncodedLen(size+2) > s.maxBytes { // 2: a length is one byte at least
		return "", ErrTooLarge
	}
	ends := now.Add(s.lifetime)
	if c.Expiry.Before(ends) {
		ends = c.Expiry
	}
	digest := sha256.Sum256([]byte(c.Token))
	raw := make([]byte, 0, size+2*binary.MaxVarintLen64)
	raw = append(append(raw, version), k.id[:]...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(ends.Unix())) //nolint:gosec // only compared
	raw = appendText(append(raw, digest[:]...), c.Issuer)
	head := len(raw)
	raw = raw[:head+nonceBytes]
	if _, err := io.ReadFull(s.random, raw[head:]); err != nil {
		return "", fmt.Errorf("no randomness for a nonce: %w", err)
	}
	secret := append(appendText(make([]byte, 0, binary.MaxVarintLen64+len(c.URL)+len(c.Token)), c.URL), c.Token...)
	raw = k.aead.Seal(raw, raw[head:], secret, associated(c.Resource, raw[:head]))
	if encoding.EncodedLen(len(raw)) > s.maxBytes {
		return "", ErrTooLarge
	}
	return encoding.EncodeToString(raw), nil
}

// Open returns the content of a handle that the server of a resource sent, at the time
// now. Resource is the name in the configuration. The nil Sealer knows no key.
func (s *Sealer) Open(text, resource string, now time.Time) (Content, error) {
	if len(text) > MaxBytes {
		return Content{}, ErrTooLong
	}
	raw, err := encoding.DecodeString(text)
	// The decoder skips line breaks, which make the result shorter.
	if err != nil || len(raw) != encoding.DecodedLen(len(text)) || len(raw) < issuerAt || raw[0] != version {
		return Content{}, ErrMalformed
	}
	var k *key
	if s != nil {
		k = s.find([idBytes]byte(raw[1:]))
	}
	if k == nil {
		return Content{}, ErrUnknownKey
	}
	issuer, rest, ok := cutText(raw[issuerAt:])
	if !ok || len(rest) < nonceBytes {
		return Content{}, ErrMalformed
	}
	head := raw[:len(raw)-len(rest)]
	secret, err := k.aead.Open(nil, rest[:nonceBytes], rest[nonceBytes:], associated(resource, head))
	if err != nil {
		return Content{}, ErrNotOpened
	}
	url, compact, ok := cutText(secret)
	if !ok {
		return Content{}, ErrMalformed
	}
	expiry := int64(binary.BigEndian.Uint64(raw[1+idBytes:])) //nolint:gosec // written by Seal
	c := Content{
		Resource: resource, URL: string(url), Issuer: string(issuer), Token: string(compact),
		Expiry: time.Unix(expiry, 0), Digest: [sha256.Size]byte(raw[1+idBytes+expiryBytes:]),
	}
	if !now.Round(0).Before(c.Expiry) {
		return Content{}, ErrExpired
	}
	return c, nil
}

// associated is what is authenticated beside the secret.
func associated(resource string, head []byte) []byte {
	data := make([]byte, 0, len("doorward handle\x00")+binary.MaxVarintLen64+len(resource)+len(head))
	return append(appendText(append(data, "doorward handle\x00"...), resource), head...)
}

// appendText appends a text with its length in front.
func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// cutText is the opposite of appendText.
func cutText(from []byte) (text, rest []byte, ok bool) {
	length, size := binary.Uvarint(from)
	if size <= 0 || length > uint64(len(from)-size) { //nolint:gosec // not negative
		return nil, nil, false
	}
	end := size + int(length) //nolint:gosec // within from
	return from[size:end], from[end:], true
}
