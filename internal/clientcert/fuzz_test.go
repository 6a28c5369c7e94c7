package clientcert

import (
	"encoding/hex"
	"regexp"
	"strings"
	"testing"
)

// xfccPair is one name=value of Envoy's grammar.
const xfccPair = `([A-Za-z]+)=("(?:[ !#-\[\]-~]|\\[ -~])*"|[!#-+\--:<>-\[\]-~]*)`

var (
	xfccElement = regexp.MustCompile(`\A` + xfccPair + `(?:;` + xfccPair + `)*\z`)
	xfccPairs   = regexp.MustCompile(xfccPair)
)

// The header says which certificate if and only if it is one element by the
// grammar, with one Hash.
func FuzzXFCC(f *testing.F) {
	for _, seed := range []string{
		"Hash=" + someHash,
		"By=spiffe://a/b;hash=" + someHash + `;Subject="CN=x,O=Acme\, \"Inc\"";URI=`,
		`Subject="\\";Hash="` + someHash + `"`,
		"Hash=" + someHash + ",Hash=" + someHash,
		`Subject=";Hash=` + someHash + `"`,
		`Subject="a"b;Hash=` + someHash,
		"", ";", ",", `="`, `"`,
	} {
		f.Add(seed, "", uint8(1))
		f.Add(seed, seed, uint8(2))
	}
	f.Fuzz(func(t *testing.T, first, second string, values uint8) {
		header := []string{first, second}[:values%3]
		digest, ok := ReadXFCC(header)
		var hashes []string
		if len(header) == 1 && xfccElement.MatchString(first) {
			for _, pair := range xfccPairs.FindAllStringSubmatch(first, -1) {
				if strings.EqualFold(pair[1], "hash") {
					hashes = append(hashes, strings.ToLower(strings.Trim(pair[2], `"`)))
				}
			}
		}
		want := len(hashes) == 1 && regexp.MustCompile(`\A[0-9a-f]{64}\z`).MatchString(hashes[0])
		if ok != want {
			t.Fatalf("%q: %v, want %v", header, ok, want)
		}
		if ok && hex.EncodeToString(digest[:]) != hashes[0] {
			t.Errorf("%q: %x", header, digest)
		}
	})
}
