package assertion

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/doorward/doorward/internal/signing"
)

// Signer signs assertions. It may be used by any number of goroutines.
type Signer struct {
	issuer, audience string
	lifetime         time.Duration
	key              *signing.Key
	published        []*signing.Key // key is one of them
	random           io.Reader
}

// New makes a Signer. The error of a key says what is wrong with it and holds no part
// of it.
func New(options Options) (*Signer, error) {
	switch {
	case options.Issuer == "" || options.Audience == "":
		return nil, errors.New("an assertion needs an issuer and an audience")
	case options.Lifetime < time.Second:
		return nil, errors.New("the lifetime of an assertion must be a second or more")
	}
	key, err := signing.ReadPrivate(options.Key, "")
	if err != nil {
		return nil, err
	}
	s := &Signer{
		issuer: options.Issuer, audience: options.Audience, lifetime: options.Lifetime,
		key: key, published: []*signing.Key{key}, random: options.Random,
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	for i, text := range options.Publish {
		other, err := signing.Read(text)
		if err != nil {
			return nil, &PublishError{Index: i, Err: err}
		}
		s.published = append(s.published, other)
	}
	return s, nil
}

// PublishError is a fault of one element of [Options].Publish.
type PublishError struct {
	Index int
	Err   error
}

// Error implements error.
func (e *PublishError) Error() string { return e.Err.Error() }

// Unwrap returns the fault without its place.
func (e *PublishError) Unwrap() error { return e.Err }

// Issuer is the iss of assertions.
func (s *Signer) Issuer() string { return s.issuer }

// Lifetime is the longest time for which an assertion is valid.
func (s *Signer) Lifetime() time.Duration { return s.lifetime }

// payload is what is signed. Sub alone would not name a user where a server has users
// of several issuers: sub_id does (RFC 9493, section 3.2.3).
type payload struct {
	Issuer    string         `json:"iss"`
	Audience  string         `json:"aud"`
	Subject   string         `json:"sub,omitempty"`
	SubjectID *subjectID     `json:"sub_id,omitempty"`
	Client    string         `json:"client_id,omitempty"`
	Scope     string         `json:"scope,omitempty"`
	Actor     map[string]any `json:"act,omitempty"`
	IssuedAt  int64          `json:"iat"`
	Expiry    int64          `json:"exp"`
	ID        string         `json:"jti"`
}

type subjectID struct {
	Format  string `json:"format"`
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
}

// Sign makes an assertion at the time now, which is valid until expires. With an
// audience of "", aud is that of the options.
func (s *Signer) Sign(claims Claims, audience string, now time.Time) (compact string, expires time.Time, err error) {
	if audience == "" {
		audience = s.audience
	}
	expires = now.Add(s.lifetime)
	if claims.Expiry.Before(expires) {
		expires = claims.Expiry
	}
	expires = time.Unix(expires.Unix(), 0)
	var id [16]byte
	if _, err := io.ReadFull(s.random, id[:]); err != nil {
		return "", time.Time{}, fmt.Errorf("no randomness for a jti: %w", err)
	}
	body := payload{
		Issuer: s.issuer, Audience: audience, Subject: claims.Subject, Client: claims.Client,
		Scope: strings.Join(claims.Scopes, " "), Actor: claims.Actor,
		IssuedAt: now.Unix(), Expiry: expires.Unix(), ID: base64.RawURLEncoding.EncodeToString(id[:]),
	}
	if claims.Subject != "" && claims.Issuer != "" {
		body.SubjectID = &subjectID{"iss_sub", claims.Issuer, claims.Subject}
	}
	signed, err := s.key.Sign(Type, s.key.ID, body)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("signing an assertion: %w", err)
	}
	return signed, expires, nil
}
