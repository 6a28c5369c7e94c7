package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// decoded is what anybody can read in a token (RFC 7519). Nothing is verified.
type decoded struct {
	header, claims map[string]any
}

func decode(token string) (d decoded, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return d, errors.New("the token is no compact JWS")
	}
	for i, into := range []*map[string]any{&d.header, &d.claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return d, fmt.Errorf("a part of the token is no base64url: %w", err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			return d, fmt.Errorf("a part of the token is no JSON object: %w", err)
		}
	}
	return d, nil
}

func (d decoded) claim(name string) string {
	value, found := d.claims[name]
	if !found {
		return ""
	}
	if object, isObject := value.(map[string]any); isObject {
		text, _ := json.Marshal(object) // it came as JSON
		return string(text)
	}
	return fmt.Sprint(value)
}

// lines show header and claims, a date in words.
func (d decoded) lines() []string {
	var lines []string
	for _, name := range []string{"alg", "kid", "typ"} {
		lines = append(lines, fmt.Sprintf("  %-10s %v", name, d.header[name]))
	}
	for _, name := range []string{"iss", "sub", "client_id", "aud", "scope", "jti", "iat", "exp"} {
		line := fmt.Sprintf("  %-10s %v", name, d.claims[name])
		if seconds, isDate := d.claims[name].(float64); isDate {
			line = fmt.Sprintf("  %-10s %d, %s", name, int64(seconds), distance(seconds))
		}
		lines = append(lines, line)
	}
	return lines
}

func distance(seconds float64) string {
	minutes := math.Round(time.Until(time.Unix(int64(seconds), 0)).Minutes())
	switch {
	case minutes > 0:
		return fmt.Sprintf("in %.0f minutes", minutes)
	case minutes < 0:
		return fmt.Sprintf("%.0f minutes ago", -minutes)
	}
	return "now"
}

// members are lines for the named members of a JSON object, or for all.
func members(object []byte, names ...string) []string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(object, &fields) != nil {
		return []string{"  " + string(object)}
	}
	var lines []string
	for _, name := range orAll(names, object) {
		lines = append(lines, fmt.Sprintf("  %-33s%s", name, fields[name]))
	}
	return lines
}

// orAll is names, or the members of a JSON object in its own order.
func orAll(names []string, object []byte) []string {
	if len(names) > 0 {
		return names
	}
	decoder := json.NewDecoder(strings.NewReader(string(object)))
	_, _ = decoder.Token() // the opening brace
	for decoder.More() {
		name, _ := decoder.Token()
		var skipped json.RawMessage
		if decoder.Decode(&skipped) != nil {
			break
		}
		names = append(names, fmt.Sprint(name))
	}
	return names
}
