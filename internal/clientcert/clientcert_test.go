package clientcert

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// someCertificate is the same every time, and its PEM has each of the
// characters that Envoy escapes.
var someCertificate = sync.OnceValue(func() []byte {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	for serial := int64(1); ; serial++ {
		template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "client"}}
		der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
		if err != nil {
			panic(err)
		}
		text := pemOf("CERTIFICATE", der)
		if strings.Contains(text, "+") && strings.Contains(text, "/") && strings.Contains(text, "=") {
			return der
		}
	}
})

// asEnvoy encodes as Envoy does in SslConnectionInfoImpl.
func asEnvoy(text string) string {
	return strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B", "/", "%2F", "=", "%3D").Replace(text)
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestReadSource(t *testing.T) {
	der := someCertificate()
	good := pemOf("CERTIFICATE", der)
	first, body, _ := strings.Cut(good, "\n")
	rows := []struct {
		intent string
		value  string
		want   bool
	}{
		{"as Envoy sends it", asEnvoy(good), true},
		{"every byte escaped that may be", url.PathEscape(strings.NewReplacer("+", "\x01", "=", "\x02").Replace(good)), false},
		{"more escaped than Envoy would", strings.ReplaceAll(asEnvoy(good), "-", "%2D"), true},
		{"nothing", "", false},
		{"not URL-encoded", good, false},
		{"line breaks not URL-encoded", strings.ReplaceAll(asEnvoy(good), "%0A", "\n"), false},
		{"a plus sign not URL-encoded", strings.Replace(asEnvoy(good), "%2B", "+", 1), false},
		{"a slash not URL-encoded", strings.Replace(asEnvoy(good), "%2F", "/", 1), false},
		{"an equals sign not URL-encoded", strings.Replace(asEnvoy(good), "%3D", "=", 1), false},
		{"spaces as plus signs", strings.ReplaceAll(asEnvoy(good), "%20", "+"), false},
		{"a malformed escape", asEnvoy(good) + "%4", false},
		{"encoded twice", url.PathEscape(asEnvoy(good)), false},
		{"two certificates", asEnvoy(good + good), false},
		{"a key behind it", asEnvoy(good + pemOf("PRIVATE KEY", der)), false},
		{"text behind it", asEnvoy(good + "x"), false},
		{"a line break behind it", asEnvoy(good + "\n"), false},
		{"text in front", asEnvoy("x\n" + good), false},
		{"a broken block in front", asEnvoy("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n" + good), false},
		{"another kind of block", asEnvoy(pemOf("TRUSTED CERTIFICATE", der)), false},
		{"headers in the block", asEnvoy(first + "\nProc-Type: 4\n\n" + body), false},
		{"an empty block", asEnvoy(pemOf("CERTIFICATE", nil)), false},
		{"bytes behind the DER", asEnvoy(pemOf("CERTIFICATE", append(append([]byte{}, der...), 0))), false},
		{"two certificates in one block", asEnvoy(pemOf("CERTIFICATE", append(append([]byte{}, der...), der...))), false},
		{"DER cut short", asEnvoy(pemOf("CERTIFICATE", der[:len(der)-1])), false},
		{"DER of an integer", asEnvoy(pemOf("CERTIFICATE", []byte{2, 1, 1})), false},
		{"DER of a SET", asEnvoy(pemOf("CERTIFICATE", []byte{0x31, 0})), false},
		{"DER of a SEQUENCE that is not constructed", asEnvoy(pemOf("CERTIFICATE", []byte{0x10, 0})), false},
		{"DER of a SEQUENCE's private look-alike", asEnvoy(pemOf("CERTIFICATE", []byte{0xF0, 1, 0})), false},
		{"Windows line breaks", asEnvoy(strings.ReplaceAll(good, "\n", "\r\n")), false},
		{"DER in base64 alone", asEnvoy(strings.ReplaceAll(body[:64], "\n", "")), false},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			digest, ok := ReadSource(row.value)
			want := [sha256.Size]byte{}
			if row.want {
				want = sha256.Sum256(der)
			}
			if ok != row.want || digest != want {
				t.Errorf("%x, %v", digest, ok)
			}
		})
	}
}

const someHash = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688"

// Envoy's documentation of x-forwarded-client-cert.
func TestReadXFCC(t *testing.T) {
	const by, hash = "By=spiffe://a/b", "Hash=" + someHash
	rows := []struct {
		intent string
		header []string
		want   bool
	}{
		{"the documented example", []string{`By=http://frontend.lyft.com;Hash=` + someHash + `;Subject="/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client";URI=http://testclient.lyft.com`}, true},
		{"the documented example with DNS names", []string{hash + `;URI=http://testclient.lyft.com;DNS=lyft.com;DNS=www.lyft.com`}, true},
		{"a Hash alone", []string{hash}, true},
		{"a quoted Hash", []string{`Hash="` + someHash + `"`}, true},
		{"names have no case", []string{by + ";hASH=" + someHash}, true},
		{"hexadecimal has no case", []string{"Hash=" + strings.ToUpper(someHash)}, true},
		{"empty values", []string{`By=;` + hash + `;Subject="";URI=`}, true},
		{"a comma, a semicolon and an equals sign in quotes", []string{hash + `;Subject="O=a, b;Hash=x"`}, true},
		{"a Hash in quotes is text", []string{hash + `;Subject="x;Hash=` + strings.Repeat("0", 64) + `"`}, true},
		{"an escaped quote", []string{`Subject="a\"b";` + hash}, true},
		{"an escaped backslash before the closing quote", []string{`Subject="a\\";` + hash}, true},
		{"a subject by RFC 4514", []string{hash + `;Subject="CN=x,O=Acme\, Inc.,L=M\C3\BCnchen"`}, true},
		{"a certificate and a chain", []string{hash + `;Cert="-----BEGIN%20CERTIFICATE-----%0A";Chain="x"`}, true},

		{"no header", nil, false},
		{"no values", []string{}, false},
		{"an empty value", []string{""}, false},
		{"the header twice", []string{hash, hash}, false},
		{"the header twice, one empty", []string{hash, ""}, false},
		{"two elements", []string{hash + "," + hash}, false},
		{"two elements, the second without Hash", []string{hash + "," + by}, false},
		{"two elements, the first without Hash", []string{by + "," + hash}, false},
		{"an empty element behind", []string{hash + ","}, false},
		{"an empty element in front", []string{"," + hash}, false},
		{"no Hash", []string{by}, false},
		{"two Hashes", []string{hash + ";" + hash}, false},
		{"two Hashes of different case", []string{hash + ";hash=" + someHash}, false},
		{"two Hashes, one empty", []string{"Hash=;" + hash}, false},
		{"two Hashes, one quoted", []string{hash + `;Hash="` + someHash + `"`}, false},
		{"a URI that brings a Hash along", []string{hash + ";URI=spiffe://x;Hash=" + strings.Repeat("0", 64)}, false},
		{"an empty Hash", []string{"Hash="}, false},
		{"63 digits", []string{"Hash=" + someHash[1:]}, false},
		{"65 digits", []string{"Hash=0" + someHash}, false},
		{"66 digits", []string{"Hash=00" + someHash}, false},
		{"no hexadecimal", []string{"Hash=g" + someHash[1:]}, false},
		{"a space before the digits", []string{"Hash= " + someHash[1:]}, false},
		{"a space before the name", []string{" " + hash}, false},
		{"a space after the semicolon", []string{by + "; " + hash}, false},
		{"a space behind", []string{hash + " "}, false},
		{"a semicolon behind", []string{hash + ";"}, false},
		{"a semicolon in front", []string{";" + hash}, false},
		{"two semicolons", []string{by + ";;" + hash}, false},
		{"a name without a value", []string{hash + ";URI"}, false},
		{"a value without a name", []string{hash + ";=x"}, false},
		{"a name that only looks like Hash", []string{"Haſh=" + someHash}, false},
		{"a name with a digit", []string{"Hash2=x;" + hash}, false},
		{"a name with a bracket", []string{"[=x;" + hash}, false},
		{"an unclosed quote", []string{hash + `;Subject="x`}, false},
		{"an unclosed quote after a backslash", []string{hash + `;Subject="x\"`}, false},
		{"a backslash at the end", []string{hash + `;Subject="x\`}, false},
		{"text behind a quote", []string{hash + `;Subject="x"y`}, false},
		{"text behind a quoted Hash", []string{`Hash="` + someHash + `"0`}, false},
		{"a quote inside a plain value", []string{hash + `;URI=x"y"`}, false},
		{"an equals sign in a plain value", []string{hash + `;URI=x=y`}, false},
		{"a backslash in a plain value", []string{hash + `;URI=x\;y`}, false},
		{"a backslash before a letter in a plain value", []string{hash + `;URI=x\y`}, false},
		{"a control byte", []string{hash + ";URI=x\x00"}, false},
		{"a control byte in quotes", []string{hash + ";Subject=\"\n\""}, false},
		{"an escaped control byte", []string{hash + ";Subject=\"\\\n\""}, false},
		{"a byte outside ASCII", []string{hash + ";URI=é"}, false},
		{"a byte outside ASCII in quotes", []string{hash + `;Subject="é"`}, false},
		{"an escaped byte outside ASCII", []string{hash + `;Subject="\é"`}, false},
	}
	var want [sha256.Size]byte
	if _, err := hex.Decode(want[:], []byte(someHash)); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			digest, ok := ReadXFCC(row.header)
			if ok != row.want || ok && digest != want || !ok && digest != [sha256.Size]byte{} {
				t.Errorf("%q: %x, %v", row.header, digest, ok)
			}
		})
	}
}
