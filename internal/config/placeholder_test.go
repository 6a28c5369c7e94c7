package config

import "testing"

// TestPlaceholder finds patterns and placeholders, and no port, address or escape.
func TestPlaceholder(t *testing.T) {
	for raw, want := range map[string]string{
		"https://mcp.example.com:8443/mcp":  "",
		"https://[::1]:8443/mcp":            "",
		"https://mcp.example.com/a:b/c:":    "",
		"https://mcp.example.com/:/mcp":     "",
		"urn:example:mcp":                   "",
		"api://6f1c2b7e":                    "",
		"https://mcp.example.com/%20/mcp":   "",
		"https://mcp.example.com/:id":       ":id",
		"https://mcp.example.com/a/:id/b":   ":id",
		"https://mcp.example.com/{id":       "{id",
		"https://mcp.example.com/${ID}/mcp": "{ID}",
		"https://{tenant}.example.com/{id}": "{tenant}",
		"https://mcp.example.com/<id>":      "<id>",
		"https://mcp.example.com/%2A":       "*",
		"https://mcp.example.com/%3Aid/mcp": ":id",
		"*":                                 "*",
		"https://mcp.example.com/**":        "*",
	} {
		if got := placeholder(raw); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}
