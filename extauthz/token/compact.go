package token

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/doorward/doorward/internal/strictjson"
)

// flaw is what is wrong, "" for nothing. It consists of fixed words and has no
// byte of the token, so that it may be logged.
type flaw string

// compactJWS is the parts of a token, none of them verified.
type compactJWS struct {
	header    header
	payload   strictjson.Document
	text      []byte // of payload
	input     string // what the signature covers (RFC 7515, section 5.1, step 8)
	signature []byte
}

// parse splits and decodes a token. A token with a flaw is malformed.
func parse(token string, maxBytes int) (compactJWS, flaw) {
	parts, flaw := split(token, maxBytes)
	if flaw != "" {
		return compactJWS{}, flaw
	}
	members, flaw := scanObject(parts[0], headerNames)
	if flaw != "" {
		return compactJWS{}, "header: " + flaw
	}
	header, flaw := readHeader(members.Members)
	if flaw != "" {
		return compactJWS{}, flaw
	}
	payload, flaw := scanObject(parts[1], claimNames)
	if flaw != "" {
		return compactJWS{}, "payload: " + flaw
	}
	return compactJWS{
		header:    header,
		payload:   payload,
		text:      parts[1],
		input:     token[:strings.LastIndexByte(token, '.')],
		signature: parts[2],
	}, ""
}

// split decodes the three parts of the compact serialisation (RFC 7515, section
// 7.1). Each part has exactly one spelling: the alphabet of RFC 4648, section 5,
// no padding, and unused bits zero. A JWE has five parts (RFC 7516, section
// 7.1), and a JSON serialisation has other characters: both are refused here.
//
// The signature may be empty, as with alg "none" (RFC 7515, appendix A.5): such a
// token is refused for its algorithm.
func split(token string, maxBytes int) ([3][]byte, flaw) {
	var decoded [3][]byte
	if len(token) > maxBytes {
		return decoded, "over the limit of bytes"
	}
	if strings.Count(token, ".") != len(decoded)-1 {
		return decoded, "not three parts"
	}
	for i, part := range strings.Split(token, ".") {
		bytes, err := strictBase64.DecodeString(part)
		switch {
		case err != nil && base64urlOnly(part):
			return decoded, "not canonical base64url"
		case err != nil, hasLineBreak(part): // the decoder skips those
			return decoded, "a character outside base64url"
		}
		decoded[i] = bytes
	}
	return decoded, ""
}

// strictBase64 refuses unused bits that are not zero.
var strictBase64 = base64.RawURLEncoding.Strict()

func hasLineBreak(s string) bool {
	return strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0
}

func base64urlOnly(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		digit := '0' <= c && c <= '9'
		if !letter && !digit && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// scanObject checks that the text is one JSON object with only one reading (RFC
// 7515, section 4; RFC 7519, section 4), and finds the members with these names.
// It builds no tree, since the signature of the text is not verified yet.
func scanObject(text []byte, names []string) (strictjson.Document, flaw) {
	document, err := strictjson.Scan(text, names...)
	switch {
	case err == nil:
		return document, ""
	case errors.Is(err, strictjson.ErrDepth), errors.Is(err, strictjson.ErrTrailing),
		errors.Is(err, strictjson.ErrNotObject):
		return document, flaw(err.Error())
	}
	return document, flaw("not strict JSON: " + err.Error())
}
