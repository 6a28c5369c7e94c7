package hostpath

import (
	"strconv"
	"strings"
	"testing"
)

func TestParseAuthority(t *testing.T) {
	tests := []struct {
		intent string
		in     string
		want   Authority
		ok     bool
	}{
		{"a name", "mcp.example.com", Authority{"mcp.example.com", 0}, true},
		{"a name with a port", "mcp.example.com:8443", Authority{"mcp.example.com", 8443}, true},
		{"capital letters are folded (AU-5)", "MCP.Example.COM", Authority{"mcp.example.com", 0}, true},
		{"an A-label", "xn--bcher-kva.example", Authority{"xn--bcher-kva.example", 0}, true},
		{"an underscore, as service names have", "my_svc", Authority{"my_svc", 0}, true},
		{"an IPv4 address", "127.0.0.1:80", Authority{"127.0.0.1", 80}, true},
		{"an IPv6 address in any spelling", "[2001:0DB8:0:0::1]:443", Authority{"[2001:db8::1]", 443}, true},
		{"an IPv6 address in short", "[2001:db8::1]", Authority{"[2001:db8::1]", 0}, true},
		{"the last port", "h:65535", Authority{"h", 65535}, true},

		{"nothing", "", Authority{}, false},
		{"a port alone", ":443", Authority{}, false},
		{"a trailing dot", "mcp.example.com.", Authority{}, false},
		{"a trailing dot before a port", "mcp.example.com.:443", Authority{}, false},
		{"a leading dot", ".example.com", Authority{}, false},
		{"an empty label", "mcp..example.com", Authority{}, false},
		{"user information", "user@mcp.example.com", Authority{}, false},
		{"a percent sign", "mcp%2eexample.com", Authority{}, false},
		{"a space", "mcp.example.com ", Authority{}, false},
		{"a line end", "mcp.example.com\n", Authority{}, false},
		{"a name outside ASCII", "bücher.example", Authority{}, false},
		{"the Kelvin sign, which Unicode folds to k", "\u212a.example", Authority{}, false},
		{"a list of hosts", "a.example,b.example", Authority{}, false},
		{"a slash", "mcp.example.com/x", Authority{}, false},
		{"an empty port", "mcp.example.com:", Authority{}, false},
		{"a zero-padded port", "mcp.example.com:0443", Authority{}, false},
		{"port zero", "mcp.example.com:0", Authority{}, false},
		{"a port with a sign", "mcp.example.com:+443", Authority{}, false},
		{"a port that is a word", "mcp.example.com:https", Authority{}, false},
		{"a port out of range", "mcp.example.com:65536", Authority{}, false},
		{"two ports", "mcp.example.com:443:443", Authority{}, false},
		{"an IPv6 address without brackets", "2001:db8::1", Authority{}, false},
		{"an IPv6 address with a zone", "[fe80::1%eth0]", Authority{}, false},
		{"an open bracket", "[2001:db8::1", Authority{}, false},
		{"text after the bracket", "[2001:db8::1]x", Authority{}, false},
		{"an IPv4 address in brackets", "[127.0.0.1]", Authority{}, false},
		{"a name in brackets", "[localhost]", Authority{}, false},
		{"empty brackets", "[]", Authority{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.intent, func(t *testing.T) {
			got, ok := ParseAuthority(tt.in)
			if got != tt.want && tt.ok || ok != tt.ok {
				t.Errorf("ParseAuthority(%q) = %v, %v; want %v, %v", tt.in, got, ok, tt.want, tt.ok)
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
		a, ok := ParseAuthority(s)
		if !ok {
			return
		}
		if strings.ContainsAny(s, "@% /\\?#,") || strings.HasSuffix(a.Host, ".") || !IsASCII(s) || a.Host == "" {
			t.Fatalf("ParseAuthority(%q) accepted %v", s, a)
		}
		written := a.Host
		if a.Port != 0 {
			written += ":" + strconv.Itoa(int(a.Port))
		}
		again, ok := ParseAuthority(written)
		if !ok || again != a {
			t.Fatalf("ParseAuthority(%q) = %v, but its own spelling %q gives %v, %v", s, a, written, again, ok)
		}
	})
}
