package explain

import (
	"strings"
	"testing"
)

// FuzzRequest holds that a URL is used as it is written, or refused: the rules for
// paths see what the client sent.
func FuzzRequest(f *testing.F) {
	for _, url := range []string{
		"https://mcp.example.com/mcp", "http://h:80?x=/..;/", "HTTPS://H#f", "https://a@b/", "https://[::1]:8/%zz", "https:///x", "x", "https://h/\x00?#",
	} {
		f.Add(url, "Name: value")
	}
	f.Fuzz(func(t *testing.T, url, header string) {
		q, err := NewRequest("GET", url, []string{header})
		if err != nil {
			return
		}
		asked, _, _ := strings.Cut(url, "#")
		_, rest, _ := strings.Cut(asked, "://")
		if again := q.host + q.path; again != rest && again != rest+"/" && strings.Replace(again, "/?", "?", 1) != rest {
			t.Errorf("%q is asked as %q", url, again)
		}
		if q.path[0] != '/' || q.host == "" || q.headers["authorization"] != "" {
			t.Errorf("%q, %q: %+v", url, header, q)
		}
	})
}
