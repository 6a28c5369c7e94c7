package token

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// Dates lie in the years 0 to 9999, those that RFC 3339 can write: bounds in
// seconds of the Unix epoch, the last one exclusive.
const (
	yearZero        = -62167219200
	yearTenThousand = 253402300800
)

// readClaims finds the claims that every profile or this one demands, and
// checks the type of each that is read. Presence and type are all it looks at.
func readClaims(payload map[string]any, profile Profile) (*Claims, flaw) {
	r := claimReader{all: payload}
	r.require("iss", "aud", "exp")
	if profile != Standard {
		r.require("sub", "client_id", "iat", "jti") // RFC 9068, section 2.2
	}
	if len(r.strings("aud")) == 0 { // RFC 7519, section 4.1.3
		r.fail("aud", "empty")
	}
	r.object("cnf")
	claims := &Claims{
		Issuer:    r.string("iss"),
		Subject:   r.string("sub"),
		Client:    r.client(),
		ID:        r.string("jti"),
		Scopes:    r.scopes(),
		Profile:   profile,
		Expiry:    r.date("exp"),
		NotBefore: r.date("nbf"),
		IssuedAt:  r.date("iat"),
		All:       payload,
	}
	if r.flaw != "" {
		return nil, r.flaw
	}
	return claims, ""
}

// tooEarly compares nbf (RFC 7519, section 4.1.5) and iat with the latest time
// that the clock may show.
func (c *Claims) checkNotBefore(latest time.Time) flaw {
	if c.NotBefore.After(latest) {
		return "nbf: in the future"
	}
	if c.IssuedAt.After(latest) {
		return "iat: in the future"
	}
	return ""
}

// reader reads claims by name and remembers the first flaw. A claim that is
// null is there, and of the wrong type.
type claimReader struct {
	all  map[string]any
	flaw flaw
}

// fail takes only names and rules that are written in this file.
func (r *claimReader) fail(name, rule string) {
	if r.flaw == "" {
		r.flaw = flaw(name + ": " + rule)
	}
}

func (r *claimReader) require(names ...string) {
	for _, name := range names {
		if _, present := r.all[name]; !present {
			r.fail(name, "absent")
		}
	}
}

// text is a string claim, "" where it is absent.
func (r *claimReader) string(name string) string {
	value, present := r.all[name]
	text, ok := value.(string)
	if present && !ok {
		r.fail(name, "not a string")
	}
	return text
}

// client is who asked for the token, by the names that servers use.
func (r *claimReader) client() string { return r.firstText("client_id", "azp", "cid", "appid") }

// firstText is the first of these claims that is there; all are checked.
func (r *claimReader) firstText(names ...string) string {
	first, found := "", false
	for _, name := range names {
		text := r.string(name)
		if _, present := r.all[name]; present && !found {
			first, found = text, true
		}
	}
	return first
}

// list is a claim that is a string or an array of strings; nil where it is
// absent.
func (r *claimReader) strings(name string) []string {
	value, present := r.all[name]
	if text, ok := value.(string); ok {
		return []string{text}
	}
	members, ok := stringArray(value)
	if present && !ok {
		r.fail(name, "not a string or an array of strings")
	}
	return members
}

func (r *claimReader) object(name string) {
	value, present := r.all[name]
	if _, ok := value.(map[string]any); present && !ok {
		r.fail(name, "not an object")
	}
}

// scopes is scope (RFC 8693, section 4.2), else scp, which some servers write
// as an array. A space alone parts scopes (RFC 6749, section 3.3), so that an
// array member with a space in it is one scope that nobody asks for.
func (r *claimReader) scopes() []string {
	scope, scp := splitScope(r.string("scope")), r.strings("scp")
	if _, present := r.all["scope"]; present {
		return scope
	}
	if text, ok := r.all["scp"].(string); ok {
		return splitScope(text)
	}
	return scp
}

func splitScope(scope string) []string {
	return strings.FieldsFunc(scope, func(c rune) bool { return c == ' ' })
}

// date is a NumericDate (RFC 7519, section 2), the zero time where it is
// absent. A fraction of a second is kept to about a microsecond.
func (r *claimReader) date(name string) time.Time {
	value, present := r.all[name]
	if !present {
		return time.Time{}
	}
	number, ok := value.(json.Number)
	if !ok {
		r.fail(name, "not a number")
		return time.Time{}
	}
	seconds, err := strconv.ParseFloat(number.String(), 64)
	if err != nil || seconds < yearZero || seconds >= yearTenThousand {
		r.fail(name, "not a date of the years 0 to 9999")
		return time.Time{}
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*float64(time.Second)))
}

// texts is an array whose members are all strings.
func stringArray(value any) ([]string, bool) {
	array, ok := value.([]any)
	if !ok {
		return nil, false
	}
	members := make([]string, len(array))
	for i := range array {
		if members[i], ok = array[i].(string); !ok {
			return nil, false
		}
	}
	return members, true
}
