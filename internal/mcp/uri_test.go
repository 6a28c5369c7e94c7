package mcp

import (
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"
)

func TestIsCanonicalURI(t *testing.T) {
	for _, uri := range []string{
		"file:///", "file:///a", "file:///a/b%20c", "file:///a/", "file://server/a", "https://host/", "https://host/a?b=c/../d//e#f",
		"https://host:8443/a", "http://host:443/", "http://[2001:db8::1]:8080/a", "http://[::1]/", "memo:note", "memo://note", "memo://note/a",
		"urn:isbn:0451450523", "data:text/plain,a", "a+b-c.1:x", "repo://owner/name/contents/{path}", "x:a.b/..c/d..", "x:a%2Fb", "x:.a", "ui://widget/a.html", "test://static-text",
		"https://127.0.0.1/a", "https://a.1b/", "memo://127.1/a", "https://host/a'b", "memo:a?'b'", "docs://page/https%3A%2F%2Fh%2Fa", "x:%C3%A9", "x:a%5Cb", "x:%25%2F..a",
	} {
		if !IsCanonicalURI(uri) {
			t.Errorf("%s is canonical", uri)
		}
	}
	for intent, uri := range map[string]string{
		"nothing": "", "no scheme": "a/b", "a scheme without a letter": "1a:b", "an empty scheme": ":a", "a scheme with a space": "a b:c", "a scheme beyond ASCII": "ä:b",
		"a scheme and no more": "a:", "an upper-case scheme": "File:///a", "an upper-case host": "https://Host/a", "an upper-case host of any scheme": "memo://Note",
		"an escape in a host": "https://h%6Fst/", "an escape of a letter": "x:%61", "an escape of a digit": "x:%31", "an escape of a hyphen": "x:%2D", "an escape of a tilde": "x:%7E",
		"an escape of a dot": "x:%2E%2E/a", "an escape in lower case": "x:%2fa", "an escape half in lower case": "x:%aF", "half an escape": "x:a%2", "an escape at the end": "x:a%", "no escape": "x:%ZZ", "an escape of an escape, in lower case": "x:%252e%2e",
		"an escape of a letter in a query": "https://h/?a=%61", "a dot segment": "file:///a/../b", "a dot segment at the end": "file:///a/..", "a single dot": "file:///a/./b", "a single dot at the end": "x:a/.", "a dot alone": "x:.",
		"two dots first": "x:../a", "two dots after the authority": "https://h/../a", "an empty segment": "file:///a//b", "an empty segment first": "file:////a", "two slashes at the end": "file:///a//", "an empty segment without authority": "memo:a//b",
		"a backslash": `file:///a\b`, "a space": "file:///a b", "a tab": "file:///a\tb", "a line": "file:///a\n", "NUL": "x:a\x00", "DEL": "x:a\x7f", "beyond ASCII": "file:///ä", "a quote": `x:"`, "an angle": "x:<", "a pipe": "file:///c|/a", "a caret": "x:^", "a backquote": "x:`",
		"two fragments": "x:a#b#c", "no path of http": "http://host", "no path of https, but a query": "https://host?a", "no slashes of http": "http:host/a", "one slash of a file": "file:/a", "no host of http": "http:///a",
		"localhost of a file": "file://localhost/a", "the port of http": "http://h:80/", "the port of https": "https://h:443/", "the port of ws": "ws://h:80/", "the port of wss": "wss://h:443/", "the port of ftp": "ftp://h:21/", "an empty port": "http://h:/", "a port that begins with 0": "http://h:0443/",
		"a user": "https://user@host/a", "an empty user, which parsers remove": "memo://@host/a", "an empty password": "https://u:@host/a", "a password": "ftp://u:p@host/a",
		"an address of two parts": "http://127.1/a", "an address in hexadecimal": "http://0x7f.1/", "an address of one number": "https://2130706433/", "an address with a zero": "http://127.0.0.01/", "an address with a dot": "http://1.2.3.4./",
		"an address beyond bytes": "http://1.2.3.256/", "a long IPv6 address": "memo://[0:0::1]/a", "an IPv6 address of IPv4": "http://[::ffff:1.2.3.4]/", "an IPv6 address with a zone": "http://[fe80::1%25a]/", "half an IPv6 address": "http://[::1/", "more than an IPv6 address": "http://[::1]a/",
		"a port of letters": "memo://h:a/", "a port of a file": "file://h:8/a", "a single quote in a query": "https://host/?a='b'",
		"dot segments behind an escaped slash": "file:///public/..%2Fsecret", "before one": "file:///a%2F../b", "between two": "file:///a%2F..%2Fb", "behind an escaped backslash": "file:///a%5C..%5Cb", "a single dot behind an escape": "x:a%2F.",
		"an escaped NUL": "x:a%00", "an escaped line": "x:a%0Ab", "an escaped DEL": "x:%7F", "an escape of half a character": "x:%C3", "an overlong escape": "x:%C0%AE%C0%AE%C0%AFa",
	} {
		if IsCanonicalURI(uri) {
			t.Errorf("%s: %q is canonical", intent, uri)
		}
	}
}

// FuzzIsCanonicalURI holds what is canonical against net/url and path: neither
// may find another spelling of it.
func FuzzIsCanonicalURI(f *testing.F) {
	for _, uri := range []string{"file:///a/b%20c", "https://host:8443/a?b#c", "memo:note", "http://[::1]/", "x:a/../b", "HTTP://H/%7e", "x:a%2Fb", "file:////", "a://b//c"} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if !IsCanonicalURI(uri) || strings.ContainsAny(uri, "{}") {
			return
		}
		parsed, err := url.Parse(uri)
		if err != nil {
			return // no server with this library would read it
		}
		if parsed.Scheme+":" != uri[:len(parsed.Scheme)+1] || strings.ToLower(parsed.Host) != parsed.Host {
			t.Errorf("%q has another scheme or host: %q %q", uri, parsed.Scheme, parsed.Host)
		}
		at := parsed.EscapedPath()
		if parsed.Opaque != "" {
			at = parsed.Opaque
		}
		if cleaned := path.Clean(at); at != "" && cleaned != at && cleaned+"/" != at {
			t.Errorf("%q has the path %q, clean %q", uri, at, cleaned)
		}
		for _, escape := range escapes.FindAllString(uri, -1) {
			if decoded, err := url.PathUnescape(escape); err != nil || decoded == url.QueryEscape(decoded) {
				t.Errorf("%q has the escape %s of %q", uri, escape, decoded)
			}
		}
	})
}

var escapes = regexp.MustCompile("(?s)%..")

func TestReadings(t *testing.T) {
	for _, row := range []struct{ method, name, want string }{
		{"resources/read", "file:///secret%2Fkey", "file:///secret/key file:///secret/key"},
		{"resources/subscribe", "file:///a/%5Cb%2F", "file:///a/\\b/ file:///a/b/"},
		{"completion/complete", "docs://p/https%3A%2F%2Fh?a%2F%2Fb", "docs://p/https://h?a//b docs://p/https:/h?a//b"},
		{"resources/unsubscribe", "x:%2F#%20", "x:/#  x:/# "},
		{"resources/read", "x:a%252Fb", "x:a%2Fb x:a%2Fb"},
		{"resources/read", "file:///secret/key", ""},
		{"completion/complete", "100% sure", ""},
		{"tools/call", "x:%2F", ""},
	} {
		if got := strings.Join(Operation{Method: row.method, Name: row.name}.Readings(), " "); got != row.want {
			t.Errorf("%s %s: %q, want %q", row.method, row.name, got, row.want)
		}
	}
}
