package mcp

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"
)

// The headers, as Envoy spells them.
const (
	methodHeader  = "mcp-method"
	nameHeader    = "mcp-name"
	versionHeader = "mcp-protocol-version"
	sessionHeader = "mcp-session-id"
)

// checkedVersions are the revisions of the protocol that oblige a server to
// compare the headers with the body. The list is closed: a later revision may
// have other rules.
var checkedVersions = []string{"2026-07-28"}

// readHeaders returns what Mcp-Method and Mcp-Name say, where the revision and
// the absence of a session give them a meaning.
func readHeaders(get func(name string) []string) claim {
	methods := get(methodHeader)
	if len(methods) == 0 || len(get(sessionHeader)) > 0 {
		return claim{}
	}
	if versions := get(versionHeader); len(versions) != 1 || !slices.Contains(checkedVersions, versions[0]) {
		return claim{}
	}
	c := claim{present: true}
	if len(methods) > 1 || !isMethod(methods[0]) {
		c.fault = "Mcp-Method occurs twice or is no method"
		return c
	}
	c.operation.Method = methods[0]
	naming := namingOf(methods[0])
	if naming == noName {
		return c // Mcp-Name beside it is no name of an operation: tasks/* have that of their task there
	}
	names := get(nameHeader)
	switch {
	case len(names) == 0:
		c.unsure = "Mcp-Name is missing"
		return c
	case len(names) > 1:
		c.fault = "Mcp-Name occurs twice"
		return c
	}
	name, isText := decodeName(names[0])
	if !isText {
		c.fault = "Mcp-Name is no text, or too long"
		return c
	}
	c.operation.Name, c.named = name, true
	if naming == byURI {
		c.unsure = uriFault(name, false)
	}
	if naming == byRef {
		c.unsure = "no revision has Mcp-Name with a completion"
	}
	switch {
	case strings.Contains(names[0], ","):
		c.unsure = "Mcp-Name has a comma, and may be several headers that Envoy joined"
	case !isASCII(names[0]):
		c.unsure = "Mcp-Name is beyond ASCII and not encoded" // as the Go SDK sends it
	}
	return c
}

const (
	encodedPrefix = "=?base64?"
	encodedSuffix = "?="
)

// decodeName decodes a value once. It refuses what a server could decode in
// another way: a prefix in another case, base64 that is not canonical.
func decodeName(value string) (string, bool) {
	if len(value) > len(encodedPrefix)+base64.StdEncoding.EncodedLen(MaxName)+len(encodedSuffix) || !isText(value) {
		return "", false
	}
	if len(value) < len(encodedPrefix) || !strings.EqualFold(value[:len(encodedPrefix)], encodedPrefix) {
		return value, isName(value)
	}
	encoded, isWhole := strings.CutSuffix(value[len(encodedPrefix):], encodedSuffix)
	if !isWhole || !strings.HasPrefix(value, encodedPrefix) {
		return "", false
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || !utf8.Valid(decoded) {
		return "", false
	}
	return string(decoded), isName(string(decoded))
}

// isMethod refuses a comma too, which joins two headers.
func isMethod(value string) bool {
	return isText(value) && isASCII(value) && !strings.Contains(value, ",") && isName(value)
}

// isText reports whether a value of a header is UTF-8 without control characters,
// and without spaces at its ends. Servers trim or refuse anything else.
func isText(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] == 0x7f {
			return false
		}
	}
	return utf8.ValidString(value) && strings.Trim(value, " ") == value
}

func isASCII(value string) bool {
	return !strings.ContainsFunc(value, func(c rune) bool { return c >= utf8.RuneSelf })
}

// bodyHeaders returns the rule that the headers of a body break.
func bodyHeaders(get func(name string) []string) string {
	for _, partial := range get(partialBody) {
		if partial != "false" {
			return "the body is larger than what Envoy sends"
		}
	}
	if len(get("content-type")) == 0 {
		return notJSON
	}
	return metadataHeaders(get)
}

const notJSON = "the content type is not application/json in UTF-8"

// metadataHeaders returns the rule that the headers of a body break which Envoy's
// filter has read. The filter reads UTF-8 whatever they say: a server may decode
// the same bytes as UTF-7, to another name.
func metadataHeaders(get func(name string) []string) string {
	for _, encoding := range get("content-encoding") {
		if !strings.EqualFold(encoding, "identity") {
			return "the body is encoded"
		}
	}
	types := get("content-type")
	if len(types) > 1 || len(types) == 1 && !isJSON(types[0]) {
		return notJSON
	}
	return ""
}

func isJSON(contentType string) bool {
	mediaType, parameter, hasParameter := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimRight(mediaType, " \t"), "application/json") {
		return false
	}
	if !hasParameter {
		return true
	}
	name, value, _ := strings.Cut(strings.Trim(parameter, " \t"), "=")
	isUTF8 := strings.EqualFold(value, "utf-8") || strings.EqualFold(value, `"utf-8"`)
	return strings.EqualFold(name, "charset") && isUTF8
}
