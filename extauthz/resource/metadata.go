package resource

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
)

// reservedMembers are members of the document that metadata cannot set, and what
// to write instead.
var reservedMembers = map[string]string{
	"resource": "is written by doorward from the resource itself: leave it out",
	"authorization_servers": "is written by doorward from the issuers trusted here: leave it out, and name them in " +
		"issuers",
	"bearer_methods_supported": "is written by doorward, which reads tokens from the header alone: leave " +
		"it out",
	"dpop_signing_alg_values_supported": "is written by doorward from dpop: leave it out",
	"dpop_bound_access_tokens_required": "is written by doorward from dpop: leave it out",
	"jwks_uri": "would promise signed responses by the resource, it is not where the issuer's keys are: leave it " +
		"out, and give the issuer its jwks_uri",
	"signed_metadata": "is not supported, and would override the plain members: leave it out",
}

// metadata checks what a spec adds to its document, each registered member
// against its type (RFC 9728, section 2). A name may carry a language tag
// after '#' (section 2.1).
func (c *checker) metadata(path string, members map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value, at := members[name], path+"."+name
		base, _, _ := strings.Cut(name, "#")
		if message, reserved := reservedMembers[base]; reserved {
			c.problem(at, "%s", message)
			continue
		}
		if name == "" {
			c.problem(path, "has a member without a name: give it one")
			continue
		}
		if c.value(at, value) {
			c.member(at, base, value)
		}
	}
}

// member checks a member that RFC 9728 knows. Unknown ones are allowed.
func (c *checker) member(at, name string, value any) {
	switch name {
	case "scopes_supported":
		if list, ok := value.([]any); ok || value == nil {
			c.scopeValues(at, list)
			return
		}
		c.problem(at, "is not a list: write [scope, …]")
	case "resource_signing_alg_values_supported", "authorization_details_types_supported":
		if !isStrings(value) {
			c.problem(at, "is not a list of strings: write [value, …]")
		}
	case "tls_client_certificate_bound_access_tokens":
		if _, ok := value.(bool); !ok && value != nil {
			c.problem(at, "is neither true nor false: write one of them")
		}
	case "resource_name":
		if _, ok := value.(string); !ok && value != nil {
			c.problem(at, "is not a string: put it in quotes")
		}
	default:
		if name == "resource_documentation" || strings.HasSuffix(name, "_uri") {
			c.link(at, value)
		}
	}
}

// scopeValues checks a scopes_supported list.
func (c *checker) scopeValues(at string, list []any) {
	scopes := make([]string, 0, len(list))
	for i, value := range list {
		scope, ok := value.(string)
		if !ok {
			c.problem(fmt.Sprintf("%s[%d]", at, i), "is not a string: put it in quotes")
			return
		}
		scopes = append(scopes, scope)
		if scope == offlineAccess {
			c.warning(fmt.Sprintf("%s[%d]", at, i),
				"is offline_access, which the MCP authorization chapter advises against: leave it out, unless "+
					"clients get no refresh token without it")
		}
	}
	c.scopeTokens(at, scopes)
}

// link checks a URL that people follow.
func (c *checker) link(at string, value any) {
	text, ok := value.(string)
	if text == "" && (ok || value == nil) {
		return // left out of the document
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != schemeHTTPS && u.Scheme != schemeHTTP || u.Host == "" {
		c.problem(at, "is not an absolute URL: write https://host/path")
	}
}

// value checks that a value of any depth means the same in JSON as in YAML.
func (c *checker) value(at string, value any) bool {
	switch v := value.(type) {
	case nil, string, bool, int, int64, uint64:
		return true
	case float64:
		if !math.IsInf(v, 0) && !math.IsNaN(v) {
			return true
		}
		c.problem(at, "is a number that JSON cannot hold: write a finite number, or a string")
		return false
	case []any:
		good := true
		for i, element := range v {
			good = c.value(fmt.Sprintf("%s[%d]", at, i), element) && good
		}
		return good
	case map[string]any:
		good := true
		for _, name := range slices.Sorted(maps.Keys(v)) {
			good = c.value(at+"."+name, v[name]) && good
		}
		return good
	}
	c.problem(at, "is a value that JSON cannot hold, such as a date or a key that is no string: put it in quotes")
	return false
}

func isStrings(value any) bool {
	list, ok := value.([]any)
	return value == nil || ok && !slices.ContainsFunc(list, func(v any) bool {
		_, isString := v.(string)
		return !isString
	})
}
