package token

import "testing"

// RFC 9449, section 4.3, check 9, and RFC 3986, section 6.2.
func TestTargetURI(t *testing.T) {
	rows := []struct{ intent, raw, want string }{
		{"plain", "https://mcp.example.com/mcp", "https://mcp.example.com/mcp"},
		{"the scheme has no case", "HTTPS://mcp.example.com/mcp", "https://mcp.example.com/mcp"},
		{"the host has no case", "https://MCP.Example.COM/mcp", "https://mcp.example.com/mcp"},
		{"the path has case", "https://mcp.example.com/MCP", "https://mcp.example.com/MCP"},
		{"the default port of https", "https://mcp.example.com:443/mcp", "https://mcp.example.com/mcp"},
		{"the default port of http", "http://mcp.example.com:80/mcp", "http://mcp.example.com/mcp"},
		{"the other scheme's port stays", "https://mcp.example.com:80/mcp", "https://mcp.example.com:80/mcp"},
		{"another port stays", "http://mcp.ns.svc:8080/mcp", "http://mcp.ns.svc:8080/mcp"},
		{"an empty path is the root", "https://mcp.example.com", "https://mcp.example.com/"},
		{"the root", "https://mcp.example.com/", "https://mcp.example.com/"},
		{"an empty path before a query", "https://mcp.example.com?x=/y", "https://mcp.example.com/"},
		{"the query goes", "https://mcp.example.com/mcp?a=b/../c", "https://mcp.example.com/mcp"},
		{"the fragment goes", "https://mcp.example.com/mcp#a?b", "https://mcp.example.com/mcp"},
		{"what is in the query is not read", "https://mcp.example.com/mcp?%zz\\", "https://mcp.example.com/mcp"},
		{"a slash behind stays", "https://mcp.example.com/mcp/", "https://mcp.example.com/mcp/"},
		{"an empty segment stays", "https://mcp.example.com/a//b", "https://mcp.example.com/a//b"},
		{"escapes have no case", "https://mcp.example.com/a%c3%a9", "https://mcp.example.com/a%C3%A9"},
		{"an escaped unreserved character", "https://mcp.example.com/%6D%63%70%2d%5F%7e%2E%30", "https://mcp.example.com/mcp-_~.0"},
		{"an escaped slash is no slash", "https://mcp.example.com/a%2fb", "https://mcp.example.com/a%2Fb"},
		{"an escape is decoded once", "https://mcp.example.com/%2541", "https://mcp.example.com/%2541"},
		{"an escaped NUL stays escaped", "https://mcp.example.com/%00", "https://mcp.example.com/%00"},
		{"punctuation stays", "https://mcp.example.com/a:@!$&'()*+,;=|[]", "https://mcp.example.com/a:@!$&'()*+,;=|[]"},
		{"dots that are no dot segments", "https://mcp.example.com/.../.a/..b/a.", "https://mcp.example.com/.../.a/..b/a."},
		{"an IPv4 address", "http://127.0.0.1:8080/", "http://127.0.0.1:8080/"},
		{"an IPv6 address has one spelling", "http://[2001:DB8::0:1]:8080/", "http://[2001:db8::1]:8080/"},
		{"an IPv6 address with the default port", "https://[::1]:443/", "https://[::1]/"},
		{"an underscore in a name", "http://my_svc/", "http://my_svc/"},
		{"an A-label", "https://xn--mnchen-3ya.example/", "https://xn--mnchen-3ya.example/"},

		{"nothing", "", ""},
		{"no scheme", "//mcp.example.com/mcp", ""},
		{"another scheme", "ftp://mcp.example.com/mcp", ""},
		{"a scheme that only looks like it", "httpſ://mcp.example.com/mcp", ""},
		{"a space in front", " https://mcp.example.com/mcp", ""},
		{"one slash", "https:/mcp.example.com/mcp", ""},
		{"no host", "https:///mcp", ""},
		{"a port alone", "https://:443/mcp", ""},
		{"a dot segment", "https://mcp.example.com/./mcp", ""},
		{"a double dot segment", "https://mcp.example.com/x/../mcp", ""},
		{"a dot segment at the end", "https://mcp.example.com/mcp/..", ""},
		{"an escaped dot segment", "https://mcp.example.com/%2e%2E/mcp", ""},
		{"a half escaped dot segment", "https://mcp.example.com/.%2e/mcp", ""},
		{"a backslash", `https://mcp.example.com\mcp`, ""},
		{"a backslash in the path", `https://mcp.example.com/a\b`, ""},
		{"user information", "https://mcp@mcp.example.com/mcp", ""},
		{"a password", "https://a:b@mcp.example.com/mcp", ""},
		{"an escape in the host", "https://mcp%2Eexample.com/mcp", ""},
		{"a dot behind the host", "https://mcp.example.com./mcp", ""},
		{"an empty label", "https://mcp..example.com/mcp", ""},
		{"a U-label", "https://münchen.example/", ""},
		{"an empty port", "https://mcp.example.com:/mcp", ""},
		{"a padded port", "https://mcp.example.com:0443/mcp", ""},
		{"port zero", "https://mcp.example.com:0/mcp", ""},
		{"a port too high", "https://mcp.example.com:65536/mcp", ""},
		{"a port with a sign", "https://mcp.example.com:+443/mcp", ""},
		{"two ports", "https://mcp.example.com:443:443/mcp", ""},
		{"an IPv6 address without brackets", "https://::1/mcp", ""},
		{"an IPv4 address in brackets", "https://[127.0.0.1]/mcp", ""},
		{"an IPv6 zone", "https://[fe80::1%25eth0]/mcp", ""},
		{"an unclosed bracket", "https://[::1/mcp", ""},
		{"something behind the bracket", "https://[::1]x/mcp", ""},
		{"a malformed escape", "https://mcp.example.com/%4", ""},
		{"an escape of no hexadecimal", "https://mcp.example.com/%4g", ""},
		{"an escape with a sign", "https://mcp.example.com/%+4", ""},
		{"a bare percent sign", "https://mcp.example.com/100%", ""},
		{"a letter outside ASCII", "https://mcp.example.com/é", ""},
		{"a space in the path", "https://mcp.example.com/a b", ""},
		{"a line break in the path", "https://mcp.example.com/a\n", ""},
		{"a DEL in the path", "https://mcp.example.com/\x7f", ""},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			got, ok := targetURI(row.raw)
			if !ok {
				got = ""
			}
			if got != row.want {
				t.Errorf("%q: %q, want %q", row.raw, got, row.want)
			}
			if again, _ := targetURI(got); ok && again != got {
				t.Errorf("%q becomes %q the second time", got, again)
			}
		})
	}
}
