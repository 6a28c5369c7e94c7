package folding

import (
	"fmt"
	"slices"
	"testing"

	"github.com/doorward/doorward/internal/testenv/readers"
)

// headerReaders are the ways in which a server reads the name of a header.
var headerReaders = map[string]func(string) string{
	"lighttpd":           readers.Lighttpd,
	"CGI":                readers.CGI,
	"FastCGI, then PHP":  func(name string) string { return readers.FastCGIToPHP(readers.CGI(name)) },
	"lighttpd, then PHP": func(name string) string { return readers.FastCGIToPHP(readers.Lighttpd(name)) },
}

// parameterReaders are the ways in which one reads the name of a parameter.
var parameterReaders = map[string]func(string) (string, bool){"PHP": readers.PHP, "Rack 2": readers.Rack2, "qs": readers.QS}

// TestHeadersThatAnyReaderTakesForOne, with every byte in every place.
func TestHeadersThatAnyReaderTakesForOne(t *testing.T) {
	const ours = "x-mcp-auth-subject"
	for reader, read := range headerReaders {
		same := 0
		for b := range 256 {
			for i := range len(ours) {
				spelled := ours[:i] + string([]byte{byte(b)}) + ours[i+1:]
				if read(spelled) != read(ours) {
					continue
				}
				same++
				if Header(spelled) != Header(ours) {
					t.Errorf("%s takes %q for %s: %q", reader, spelled, ours, Header(spelled))
				}
			}
		}
		if same < len(ours) {
			t.Errorf("%s takes %d spellings for %s", reader, same, ours)
		}
	}
	for _, other := range []string{"x-mcp-auth-subject2", "x-mcp-authsubject", "x-mcp-auth--subject", "", "x-mcp-auth-subjeca"} {
		if Header(other) == Header(ours) {
			t.Errorf("%q is %s", other, ours)
		}
	}
}

// spelled lists every spelling of access_token whose byte b stands somewhere.
func spelled(b byte) []string {
	var all []string
	for _, raw := range []string{string([]byte{b}), fmt.Sprintf("%%%02X", b), fmt.Sprintf("%%%02x", b)} {
		for i := range len("access_token") {
			all = append(all, "access_token"[:i]+raw+"access_token"[i+1:])
		}
		all = append(all,
			raw+"access_token", raw+raw+"access_token", "access_token"+raw, "access_token"+raw+"x", "access"+raw+"token[]", "access"+raw+"token[x][y]",
			"access"+raw+"token]", "["+"access"+raw+"token]", "+"+raw+"access_token", "access"+raw+"token%00x", "access"+raw+"token[%zz]", "%5B"+raw+"access_token",
		)
	}
	return all
}

// TestParametersThatAnyReaderTakesForOne, with every byte in every place, plain
// and escaped.
func TestParametersThatAnyReaderTakesForOne(t *testing.T) {
	for reader, read := range parameterReaders {
		same := 0
		for b := range 256 {
			for _, spelling := range spelled(byte(b)) {
				if key, found := read(spelling); !found || key != "access_token" {
					continue
				}
				same++
				if !Parameter(spelling, "access_token") || !DecodedParameter(readers.Unescape(spelling), "access_token") {
					t.Errorf("%s takes %q for access_token", reader, spelling)
				}
			}
		}
		if same < 40 {
			t.Errorf("%s takes %d spellings for access_token", reader, same)
		}
	}
}

// TestParametersThatAreOthers keep going on to the server.
func TestParametersThatAreOthers(t *testing.T) {
	for _, spelling := range []string{
		"", "access", "token", "accesstoken", "access__token", "access_token2", "my_access_token", "access_token_x", "access%255Ftoken",
		"access[token]", "access[token][]", "access[token[x", "access%5btoken%5d", "x[access_token]", "access%00_token", "%00access_token", "%09access_token", "access_tokem",
	} {
		if Parameter(spelling, "access_token") {
			t.Errorf("%q is access_token", spelling)
		}
	}
	for _, spelling := range []string{"access_token", "access-token", "Access.Token", "+access_token", "access[token", "access_token[]", "[access_token]", "access_token%00x"} {
		if !Parameter(spelling, "access_token") {
			t.Errorf("%q is not access_token", spelling)
		}
	}
	if DecodedParameter("access%5Ftoken", "access_token") || DecodedParameter("+access_token", "access_token") {
		t.Error("decoded twice")
	}
}

// TestFoldingAllocatesNothing where a name is spelled as we spell it.
func TestFoldingAllocatesNothing(t *testing.T) {
	many := slices.Repeat([]byte("%20"), 20000)
	if n := testing.AllocsPerRun(3, func() { Header("x-request-id"); Parameter(string(many[:60000:60000]), "access_token") }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParameter: whatever a reader takes for the parameter is the parameter.
func FuzzParameter(f *testing.F) {
	for _, seed := range spelled('[') {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, spelling string) {
		for reader, read := range parameterReaders {
			if key, found := read(spelling); found && key == "access_token" && !Parameter(spelling, "access_token") {
				t.Errorf("%s takes %q for access_token", reader, spelling)
			}
		}
	})
}

// FuzzHeader: names that any reader takes for one are one.
func FuzzHeader(f *testing.F) {
	f.Add("x-mcp-auth-subject", "X_mcp.auth~subject")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a) != len(b) {
			return
		}
		if readers.Lighttpd(a) == readers.Lighttpd(b) && Header(a) != Header(b) {
			t.Errorf("%q and %q are one", a, b)
		}
		if Header(Header(a)) != Header(a) {
			t.Errorf("%q is folded twice", a)
		}
	})
}
