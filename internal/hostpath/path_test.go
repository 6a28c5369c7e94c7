package hostpath

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestPathFault(t *testing.T) {
	tests := []struct {
		intent string
		path   string
		want   bool
	}{
		{"the root", "/", true},
		{"segments", "/mcp/v1/x.json", true},
		{"a trailing slash", "/mcp/", true},
		{"dots within a segment", "/a..b/.hidden/c.", true},
		{"three dots", "/.../x", true},
		{"an escape that must be one", "/caf%C3%A9/a%20b", true},
		{"every visible byte that is not refused", "/!\"$&'()*+,-:<=>@[]^_`{|}~", true},

		{"nothing", "", false},
		{"the asterisk form", "*", false},
		{"no leading slash", "mcp", false},
		{"an absolute URL", "https://h/mcp", false},
		{"an empty segment", "/mcp//x", false},
		{"an empty segment at the start", "//mcp", false},
		{"an empty segment at the end", "/mcp//", false},
		{"a semicolon", "/mcp;v=1", false},
		{"a backslash", `/mcp\x`, false},
		{"a number sign", "/mcp#x", false},
		{"a query that was not cut", "/mcp?x", false},
		{"a dot segment", "/./mcp", false},
		{"a dot segment at the end", "/mcp/.", false},
		{"a double-dot segment", "/x/../mcp", false},
		{"a double-dot segment at the end", "/mcp/..", false},
		{"a space", "/m cp", false},
		{"a control byte", "/m\x01cp", false},
		{"DEL", "/m\x7fcp", false},
		{"a byte outside ASCII", "/caf\xc3\xa9", false},
		{"a cut escape", "/mcp%2", false},
		{"a lone percent sign", "/mcp%", false},
		{"an escape of no number", "/mcp%zz", false},
		{"an escape without its first digit", "/mcp%z1", false},
		{"an escape with one digit", "/mcp%1g", false},
		{"an escaped slash", "/mcp%2fx", false},
		{"an escaped backslash", "/mcp%5Cx", false},
		{"an escaped dot", "/%2e%2e/mcp", false},
		{"a double escape", "/mcp%252f", false},
		{"an escaped semicolon", "/mcp%3bx", false},
		{"an escaped question mark", "/a%3fb", false},
		{"an escaped number sign", "/a%23b", false},
		{"an escaped NUL", "/mcp%00", false},
		{"an escaped line end", "/mcp%0a", false},
		{"an escaped DEL", "/mcp%7f", false},
		{"an escaped letter", "/%6dcp", false},
		{"an escaped capital letter", "/%4Dcp", false},
		{"an escaped digit", "/%31", false},
		{"an escaped hyphen", "/a%2db", false},
		{"an escaped underscore", "/a%5fb", false},
		{"an escaped tilde", "/a%7eb", false},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			if got := PathFault(tt.path) == ""; got != tt.want {
				t.Errorf("PathFault(%q) is empty: %v, want %v (%s)", tt.path, got, tt.want, PathFault(tt.path))
			}
		})
	}
}

func TestCovers(t *testing.T) {
	tests := []struct {
		prefix, path string
		want         bool
	}{
		{"", "/", true},
		{"", "/x", true},
		{"/mcp", "/mcp", true},
		{"/mcp", "/mcp/", true},
		{"/mcp", "/mcp/x", true},
		{"/mcp", "/mcpx", false},
		{"/mcp", "/mcp%20", false},
		{"/mcp", "/mc", false},
		{"/mcp/", "/mcp/", true},
		{"/mcp/", "/mcp/x", true},
		{"/mcp/", "/mcp", false},
	}
	for _, tt := range tests {
		if got := Covers(tt.prefix, tt.path); got != tt.want {
			t.Errorf("Covers(%q, %q) = %v, want %v", tt.prefix, tt.path, got, tt.want)
		}
	}
}

func TestFold(t *testing.T) {
	tests := []struct{ path, want string }{
		{"/mcp", "/mcp"},
		{"/MCP", "/mcp"},
		{"/a%20b", "/a b"},
		{"/a%2541", "/a%41"}, // once, not twice
		{"/%C3%89", "/\xc3\x89"},
		{"/%", "/%"},
		{"/A%4", "/a%4"},
	}
	for _, tt := range tests {
		if got := Fold(tt.path); got != tt.want {
			t.Errorf("Fold(%q) = %q, want %q", tt.path, got, tt.want)
		}
	}
}

// FuzzPathFault: a safe path is left as it is by every normalisation that
// servers are known for.
func FuzzPathFault(f *testing.F) {
	for _, seed := range []string{"/", "/mcp", "/a%20b/", "/%2e", "/a//b", "/..", "/a;b", "/%C3%A9", "/a%2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if PathFault(p) != "" {
			return
		}
		clean := path.Clean(p)
		if strings.HasSuffix(p, "/") && p != "/" {
			clean += "/"
		}
		if clean != p {
			t.Fatalf("safe path %q is cleaned to %q", p, clean)
		}
		decoded, err := url.PathUnescape(p)
		if err != nil {
			t.Fatalf("safe path %q does not decode: %v", p, err)
		}
		if strings.Count(decoded, "/") != strings.Count(p, "/") || strings.ContainsAny(decoded, `;\%?#`) {
			t.Fatalf("safe path %q means %q once decoded", p, decoded)
		}
		if LowerASCII(strings.ToValidUTF8(decoded, "?")) != strings.ToValidUTF8(Fold(p), "?") {
			t.Fatalf("Fold(%q) = %q, want %q in lower case", p, Fold(p), decoded)
		}
	})
}
