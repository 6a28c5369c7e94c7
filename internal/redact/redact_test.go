package redact

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	mathrand "math/rand/v2"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	jws  = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImtleS0xIn0.eyJpc3MiOiJodHRwczovL2FzLmV4YW1wbGUuY29tIn0.c2lnbmF0dXJl"
	jwe  = "eyJhbGciOiJSU0EtT0FFUCJ9.a2V5.aXY.dGV4dA.dGFn"
	none = "eyJhbGciOiJub25lIn0.e30."
	uuid = "6f1c2a52-93b1-4c0d-8e2f-0a1b2c3d4e5f"
)

func TestWhatIsTakenOut(t *testing.T) {
	for _, row := range []struct{ given, text, name, id string }{
		{"", "", "", ""},
		{"/mcp/" + jws, "/mcp/[redacted]", "/mcp/[redacted]", "/mcp/[redacted]"},
		{"/mcp/" + jwe + "/x", "/mcp/[redacted]/x", "/mcp/[redacted]/x", "/mcp/[redacted]/x"},
		{none, Mark, Mark, Mark},
		{"Bearer " + jws + ", " + jws, "Bearer [redacted], [redacted]", "Bearer [redacted], [redacted]", "Bearer [redacted], [redacted]"},
		{"token=" + jws, Mark, Mark, Mark},
		{"a-" + jws, Mark, Mark, Mark},
		{"/" + strings.ReplaceAll(jws, ".", "%2E"), "/[redacted]", "/[redacted]", "/[redacted]"},
		{"/" + strings.ReplaceAll(jws, "J", "%4a"), "/[redacted]", "/[redacted]", "/[redacted]"},
		{"/" + uuid, "/[redacted]", "/" + uuid, "/" + uuid},
		{"https://login.example.com/" + uuid + "/v2.0", "https://login.example.com/[redacted]/v2.0", "https://login.example.com/" + uuid + "/v2.0", "https://login.example.com/" + uuid + "/v2.0"},
		{"ghp_16C7e42F292c6912E7710c838347Ae178B4a", Mark, Mark, "ghp_16C7e42F292c6912E7710c838347Ae178B4a"},
		{"/files/of-the-user-xoxb-123456789012-4mt0t4l1yf3x3m0l4tednf.txt", "/files/[redacted].txt", "/files/[redacted].txt", "/files/of-the-user-xoxb-123456789012-4mt0t4l1yf3x3m0l4tednf.txt"},
		{"12345678901234567890", Mark, Mark, "12345678901234567890"},
		{"%41b2C3d4E5f6G7h8I9j0%4", "%[redacted]%4", "%[redacted]%4", "%41b2C3d4E5f6G7h8I9j0%4"},
		{"%61b2c3%64%34e5f6%677h8i9j0kl", Mark, Mark, "%61b2c3%64%34e5f6%677h8i9j0kl"},
	} {
		if got := Text(row.given); got != row.text {
			t.Errorf("Text(%q) is %q, want %q", row.given, got, row.text)
		}
		if got := Name(row.given); got != row.name {
			t.Errorf("Name(%q) is %q, want %q", row.given, got, row.name)
		}
		if got := ID(row.given); got != row.id {
			t.Errorf("ID(%q) is %q, want %q", row.given, got, row.id)
		}
	}
}

// TestWordsStay: what people and programs name things with is left as it is.
func TestWordsStay(t *testing.T) {
	for _, words := range []string{
		"/mcp", "/.well-known/oauth-protected-resource/mcp", "/api/v2/getUserByIdAndTenantIdentifier", "/a/quarterly-report-2026-final-version-for-management.pdf",
		"mcp.example.com:8443", "weather.namespace.svc.cluster.local:8443", "[2001:db8:85a3:8d3:1319:8a2e:370:7348]", "https://app.example.com",
		"https://as.example.com/realms/production", "eyeglasses.shop.example.com", "eyJafjallajoekull.example.com", "SCREAMING_SNAKE_CASE_OF_A_CONSTANT",
		"urn:ietf:params:oauth:token-type:access_token", "2026-11-26T00:30:00.123456Z", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"a%20long%20title%20with%20spaces", strings.Repeat("a", 1000), "ein-ausgesprochen-langer-donaudampfschifffahrtsname",
	} {
		if got := Text(words); got != words {
			t.Errorf("%q becomes %q", words, got)
		}
	}
}

// TestRandomStringsGo, with words around them too: of those with 128 bits one in
// ten stays at the most (base32, which may have few digits), of those with 256
// bits next to none.
func TestRandomStringsGo(t *testing.T) {
	source := mathrand.NewChaCha8([32]byte{1})
	for name, encode := range map[string]func([]byte) string{
		"base64url": base64.RawURLEncoding.EncodeToString,
		"hex":       hex.EncodeToString,
		"base32":    base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString,
		"small":     func(b []byte) string { return strings.ToLower(base32.StdEncoding.EncodeToString(b)) },
	} {
		for bytes, mostKept := range map[int]int{16: 100, 32: 5} {
			kept := 0
			for range 1000 {
				secret := make([]byte, bytes)
				_, _ = source.Read(secret)
				if text := encode(secret); strings.Contains(Text("/the-files-of-the-user-"+text), strings.TrimRight(text, "=")) {
					kept++
				}
			}
			if kept > mostKept {
				t.Errorf("%s: %d of 1000 random strings of %d bytes are kept", name, kept, bytes)
			}
		}
	}
}

func TestPathAndHost(t *testing.T) {
	for given, want := range map[string]string{
		"/mcp": "/mcp", "/mcp;access_token=hunter2": "/mcp...", "/mcp#a": "/mcp...", "/mcp&a=b": "/mcp...", "/" + jws + ";x": "/[redacted]...",
	} {
		if got := Path(given); got != want {
			t.Errorf("Path(%q) is %q, want %q", given, got, want)
		}
	}
	for given, want := range map[string]string{
		"mcp.example.com": "mcp.example.com", "user:password@mcp.example.com": "mcp.example.com", "a@b@mcp.example.com": "mcp.example.com", jws: Mark,
	} {
		if got := Host(given); got != want {
			t.Errorf("Host(%q) is %q, want %q", given, got, want)
		}
	}
}

func TestValue(t *testing.T) {
	clean := map[string]any{"a": []any{"b", true}, "n": nil, "id": uuid}
	if got := Value(clean); reflect.ValueOf(got).Pointer() != reflect.ValueOf(clean).Pointer() {
		t.Error("what is clean was copied")
	}
	dirty := map[string]any{"a": []any{"b", map[string]any{"c": jws, jws: true}}}
	want := map[string]any{"a": []any{"b", map[string]any{"c": Mark, Mark: true}}}
	if got := Value(dirty); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	if inner, _ := dirty["a"].([]any)[1].(map[string]any); inner["c"] != jws {
		t.Error("the claim itself was changed")
	}
}

// FuzzText: a token that is put anywhere is not found again, decoded once or
// not, and what is clean costs nothing.
func FuzzText(f *testing.F) {
	f.Add("/mcp/", "/x", uint8(0))
	f.Add("a%", "=", uint8(1))
	f.Add("eyJ", ".", uint8(2))
	f.Fuzz(func(t *testing.T, before, after string, how uint8) {
		if i := len(before) - 2; strings.Contains(before[max(i, 0):], "%") {
			before += "/" // half an escape would take the first character of the token in
		}
		secret := [...]string{jws, jwe, none, strings.ReplaceAll(jws, ".", "%2e")}[how%4]
		for name, redacted := range map[string]func(string) string{"Text": Text, "Name": Name, "ID": ID} {
			got := redacted(before + secret + after)
			decoded, err := url.PathUnescape(got)
			if err != nil {
				decoded = got
			}
			if strings.Contains(got, secret) || strings.Contains(decoded, jws) {
				t.Errorf("%s(%q) is %q", name, before+secret+after, got)
			}
			if again := redacted(got); again != got {
				t.Errorf("%s: %q becomes %q", name, got, again)
			}
		}
	})
}

func TestWhatIsCleanCostsNothing(t *testing.T) {
	const path = "/api/v2/getUserByIdAndTenantIdentifier"
	if n := testing.AllocsPerRun(100, func() { Text(path); ID(uuid); Path(path); Host("mcp.example.com:8443") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	if bytes.Contains([]byte(Text(hex.EncodeToString(secret))), []byte(hex.EncodeToString(secret))) {
		t.Error("a random string stays")
	}
}

// TestTimeIsLinear: a client writes names of 8 KiB, and many of them in one batch, of
// which each answer shows a redacted form.
func TestTimeIsLinear(t *testing.T) {
	for _, unit := range []string{"eeee1e1e1eeeeeeeeeeeeeee.", "eyJhbGciOiJI", "a1a1a1a1a1a1a1a1a1a1a1a.", "e%41", "1e."} {
		for _, end := range []string{"", ".a=.", "%"} {
			long := strings.Repeat(unit, (256<<10)/len(unit)) + end
			start := time.Now()
			Text(long)
			if took := time.Since(start); took > 2*time.Second { // some 15 ms; 5 s and more where it is quadratic
				t.Errorf("%s…%s: %v", unit, end, took)
			}
		}
	}
}
