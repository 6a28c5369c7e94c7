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
		"https://host:8443/a", "http://host:443/", "https://user@host/a", "http://[2001:db8::1]:8080/a", "http://[::1]/", "memo:note", "memo://note", "memo://note/a",
		"urn:isbn:0451450523", "data:text/plain,a", "a+b-c.1:x", "repo://owner/name/contents/{path}", "x:a.b/..c/d..", "x:a%2Fb", "x:.a", "ui://widget/a.html", "test://static-text",
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
		"an upper-case host after a user": "https://u@Host/",
	} {
		if IsCanonicalURI(uri) {
			t.Errorf("%s: %q is canonical", intent, uri)
		}
	}
}

// FuzzIsCanonicalURI holds what is canonical against net/url and path: neither
// may find another spelling of it.
func FuzzIsCanonicalURI(f *testing.F) {
	for _, uri := range []string{"file:///a/b%20c", "https://user@host:8443/a?b#c", "memo:note", "http://[::1]/", "x:a/../b", "HTTP://H/%7e", "x:a%2Fb", "file:////", "a://b//c"} {
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
