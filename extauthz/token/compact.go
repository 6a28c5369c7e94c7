package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds nested objects and arrays, the outermost counted. Reading is
// recursive, and no access token comes near it.
const maxDepth = 64

// flaw says in fixed words what is wrong; "" means nothing. It never holds a
// byte of the token, so that it may be logged.
type flaw string

// compactJWS is a token taken apart. Nothing in it is verified.
type compactJWS struct {
	header    header
	payload   map[string]any
	input     string // what the signature covers (RFC 7515, section 5.1, step 8)
	signature []byte
}

// parse takes a token apart; every flaw it finds is a malformed token.
func parse(token string, maxBytes int) (compactJWS, flaw) {
	parts, flaw := split(token, maxBytes)
	if flaw != "" {
		return compactJWS{}, flaw
	}
	members, flaw := decodeObject(parts[0])
	if flaw != "" {
		return compactJWS{}, "header: " + flaw
	}
	header, flaw := readHeader(members)
	if flaw != "" {
		return compactJWS{}, flaw
	}
	payload, flaw := decodeObject(parts[1])
	if flaw != "" {
		return compactJWS{}, "payload: " + flaw
	}
	return compactJWS{
		header:    header,
		payload:   payload,
		input:     token[:strings.LastIndexByte(token, '.')],
		signature: parts[2],
	}, ""
}

// split decodes the three parts of the compact serialisation (RFC 7515, section
// 7.1). Each part has exactly one spelling: the alphabet of RFC 4648, section 5,
// no padding, and unused bits zero. A JWE has five parts (RFC 7516, section
// 7.1), a JSON serialisation has other characters: both end here.
//
// The signature may be empty, as alg "none" has it (RFC 7515, appendix A.5): it
// is the algorithm that is wrong then.
func split(token string, maxBytes int) ([3][]byte, flaw) {
	var decoded [3][]byte
	if len(token) > maxBytes {
		return decoded, "over the limit of bytes"
	}
	if strings.Count(token, ".") != len(decoded)-1 {
		return decoded, "not three parts"
	}
	strict := base64.RawURLEncoding.Strict()
	for i, part := range strings.Split(token, ".") {
		bytes, err := strict.DecodeString(part)
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

// decodeObject reads one JSON object that fills the text. A member name twice
// at any depth, invalid UTF-8 and half a surrogate pair are refused, so that no
// two readers can differ on what the token says (RFC 7515, section 4; RFC 7519,
// section 4). Numbers keep their text, as json.Number.
func decodeObject(text []byte) (map[string]any, flaw) {
	d := jsontext.NewDecoder(bytes.NewBuffer(text),
		jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false))
	value, err := readValue(d)
	if errors.Is(err, errTooDeep) {
		return nil, "nested too deeply"
	}
	if err != nil {
		return nil, "not strict JSON: a syntax error, a name twice or invalid UTF-8"
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, "more than one JSON value"
	}
	object, isObject := value.(map[string]any)
	if !isObject {
		return nil, "not a JSON object"
	}
	return object, ""
}

// errTooDeep never leaves this file.
var errTooDeep = errors.New("token: JSON nested too deeply")

func readValue(d *jsontext.Decoder) (any, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	if d.StackDepth() > maxDepth {
		return nil, errTooDeep
	}
	switch token.Kind() {
	case '{':
		return readObject(d)
	case '[':
		return readArray(d)
	case '"':
		return token.String(), nil
	case '0':
		return json.Number(token.String()), nil
	case 't', 'f':
		return token.Bool(), nil
	default: // a closing token cannot stand here
		return nil, nil
	}
}

func readObject(d *jsontext.Decoder) (map[string]any, error) {
	object := map[string]any{}
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		name := token.String() // the token is void after the next read
		value, err := readValue(d)
		if err != nil {
			return nil, err
		}
		object[name] = value
	}
	_, err := d.ReadToken()
	return object, err
}

func readArray(d *jsontext.Decoder) ([]any, error) {
	array := []any{}
	for d.PeekKind() != ']' {
		value, err := readValue(d)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := d.ReadToken()
	return array, err
}
