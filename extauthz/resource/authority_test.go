package resource

import (
	"strings"
	"testing"
)

func TestParseAuthority(t *testing.T) {
	tests := []struct {
		intent string
		in     string
		want   authority
		ok     bool
	}{
		{"a name", "mcp.example.com", authority{"mcp.example.com", 0}, true},
		{"a name with a port", "mcp.example.com:8443", authority{"mcp.example.com", 8443}, true},
		{"capital letters are folded (AU-5)", "MCP.Example.COM", authority{"mcp.example.com", 0}, true},
		{"an A-label", "xn--bcher-kva.example", authority{"xn--bcher-kva.example", 0}, true},
		{"an underscore, as service names have", "my_svc", authority{"my_svc", 0}, true},
		{"an IPv4 address", "127.0.0.1:80", authority{"127.0.0.1", 80}, true},
		{"an IPv6 address in any spelling", "[2001:0DB8:0:0::1]:443", authority{"[2001:db8::1]", 443}, true},
		{"an IPv6 address in short", "[2001:db8::1]", authority{"[2001:db8::1]", 0}, true},
		{"the last port", "h:65535", authority{"h", 65535}, true},

		{"nothing", "", authority{}, false},
		{"a port alone", ":443", authority{}, false},
		{"a trailing dot", "mcp.example.com.", authority{}, false},
		{"a trailing dot before a port", "mcp.example.com.:443", authority{}, false},
		{"a leading dot", ".example.com", authority{}, false},
		{"an empty label", "mcp..example.com", authority{}, false},
		{"user information", "user@mcp.example.com", authority{}, false},
		{"a percent sign", "mcp%2eexample.com", authority{}, false},
		{"a space", "mcp.example.com ", authority{}, false},
		{"a line end", "mcp.example.com\n", authority{}, false},
		{"a name outside ASCII", "bücher.example", authority{}, false},
		{"the Kelvin sign, which Unicode folds to k", "\u212a.example", authority{}, false},
		{"a list of hosts", "a.example,b.example", authority{}, false},
		{"a slash", "mcp.example.com/x", authority{}, false},
		{"an empty port", "mcp.example.com:", authority{}, false},
		{"a zero-padded port", "mcp.example.com:0443", authority{}, false},
		{"port zero", "mcp.example.com:0", authority{}, false},
		{"a port with a sign", "mcp.example.com:+443", authority{}, false},
		{"a port that is a word", "mcp.example.com:https", authority{}, false},
		{"a port out of range", "mcp.example.com:65536", authority{}, false},
		{"two ports", "mcp.example.com:443:443", authority{}, false},
		{"an IPv6 address without brackets", "2001:db8::1", authority{}, false},
		{"an IPv6 address with a zone", "[fe80::1%eth0]", authority{}, false},
		{"an open bracket", "[2001:db8::1", authority{}, false},
		{"text after the bracket", "[2001:db8::1]x", authority{}, false},
		{"an IPv4 address in brackets", "[127.0.0.1]", authority{}, false},
		{"a name in brackets", "[localhost]", authority{}, false},
		{"empty brackets", "[]", authority{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			got, ok := parseAuthority(tt.in)
			if got != tt.want && tt.ok || ok != tt.ok {
				t.Errorf("parseAuthority(%q) = %v, %v; want %v, %v", tt.in, got, ok, tt.want, tt.ok)
			}
		})
	}
}

// FuzzAuthority: what is accepted has one spelling, reading that again gives
// the same authority, and none of the bytes that readers disagree on is in it.
func FuzzAuthority(f *testing.F) {
	for _, seed := range []string{
		"mcp.example.com", "H:443", "[::1]:80", "[::ffff:1.2.3.4]", "h.", "u@h", "h%41", "h:00", "", "[", "]:1", "bücher.example",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, ok := parseAuthority(s)
		if !ok {
			return
		}
		if strings.ContainsAny(s, "@% /\\?#,") || strings.HasSuffix(a.host, ".") || !isASCII(s) || a.host == "" {
			t.Fatalf("parseAuthority(%q) accepted %v", s, a)
		}
		written := a.host
		if a.port != 0 {
			written = strings.TrimPrefix(location{schemeHTTPS, a.host, a.port, ""}.origin(), "https://")
		}
		again, ok := parseAuthority(written)
		if a.port == 443 {
			again.port = 443 // origin leaves it out
		}
		if !ok || again != a {
			t.Fatalf("parseAuthority(%q) = %v, but its own spelling %q gives %v, %v", s, a, written, again, ok)
		}
	})
}
