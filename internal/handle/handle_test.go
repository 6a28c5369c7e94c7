package handle_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/doorward/doorward/internal/handle"
)

var now = time.Date(2026, 11, 26, 10, 0, 0, 900_000_000, time.UTC)

// randomness is the same in each call.
type randomness byte

func (r randomness) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

func key(b byte) []byte { return bytes.Repeat([]byte{b}, handle.KeyBytes) }

func newSealer(t testing.TB, keys ...[]byte) *handle.Sealer {
	t.Helper()
	s, err := handle.New(handle.Options{Keys: keys, Lifetime: 5 * time.Minute, MaxBytes: 6 << 10, Random: randomness(9)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func content() handle.Content {
	return handle.Content{
		Resource: "weather", URL: "https://acme.mcp.example.com/mcp", Issuer: "https://as.example.com",
		Token: "eyJhbGciOiJFZERTQSJ9." + strings.Repeat("a", 700) + ".c2ln", Expiry: now.Add(time.Hour),
	}
}

func seal(t testing.TB, s *handle.Sealer, c handle.Content) string {
	t.Helper()
	text, err := s.Seal(c, now)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestOpenReturnsWhatWasSealed until the handle ends, which is with its token at the
// latest.
func TestOpenReturnsWhatWasSealed(t *testing.T) {
	for name, row := range map[string]struct{ token, ends time.Time }{
		"the lifetime": {now.Add(time.Hour), time.Unix(now.Unix()+300, 0)},
		"the token":    {now.Add(7 * time.Second), time.Unix(now.Unix()+7, 0)},
	} {
		s, c := newSealer(t, key(1)), content()
		c.Expiry = row.token
		text := seal(t, s, c)
		want := c
		want.Expiry, want.Digest = row.ends, sha256.Sum256([]byte(c.Token))
		for _, at := range []time.Time{now, row.ends.Add(-time.Nanosecond)} {
			got, err := s.Open(text, "weather", at)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
			}
		}
		for _, at := range []time.Time{row.ends, row.ends.Add(time.Hour)} {
			if got, err := s.Open(text, "weather", at); !errors.Is(err, handle.ErrExpired) || got != (handle.Content{}) {
				t.Errorf("%s, at %v: %v, %v", name, at, got, err)
			}
		}
	}
}

// TestKeysRotate with one load of every replica: what the key before sealed opens as
// long as that key is configured.
func TestKeysRotate(t *testing.T) {
	before, during, after := newSealer(t, key(1)), newSealer(t, key(2), key(1)), newSealer(t, key(2))
	old, young := seal(t, before, content()), seal(t, during, content())
	for name, row := range map[string]struct {
		sealer *handle.Sealer
		text   string
		want   error
	}{
		"the old one during": {during, old, nil},
		"the new one during": {during, young, nil},
		"the new one after":  {after, young, nil},
		"the old one after":  {after, old, handle.ErrUnknownKey},
		"another deployment": {newSealer(t, key(3)), young, handle.ErrUnknownKey},
		"no sealer":          {nil, young, handle.ErrUnknownKey},
	} {
		if _, err := row.sealer.Open(row.text, "weather", now); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTheKeyIDTellsNothingOfTheKey and differs between keys that differ in one bit.
func TestTheKeyIDTellsNothingOfTheKey(t *testing.T) {
	other := key(1)
	other[31] ^= 1
	first, second := decode(t, seal(t, newSealer(t, key(1)), content())), decode(t, seal(t, newSealer(t, other), content()))
	if bytes.Equal(first[1:9], second[1:9]) || bytes.Contains(key(1), first[1:9]) {
		t.Errorf("%x, %x", first[1:9], second[1:9])
	}
}

// TestEachByteIsProtected: with any character of the text changed, or cut off, added or
// moved, it opens no more.
func TestEachByteIsProtected(t *testing.T) {
	s := newSealer(t, key(1))
	text := seal(t, s, content())
	refused := func(what, changed string) {
		t.Helper()
		if got, err := s.Open(changed, "weather", now); err == nil || got != (handle.Content{}) {
			t.Errorf("%s opens", what)
		}
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=\n\r+/ "
	for i := range text {
		for _, c := range []byte(alphabet) {
			if c != text[i] {
				refused("a changed character", text[:i]+string(c)+text[i+1:])
			}
		}
		refused("a cut text", text[:i])
		refused("the end alone", text[i+1:])
		refused("a line break", text[:i]+"\n"+text[i:])
	}
	raw := decode(t, text)
	for i := range raw {
		for bit := range 8 {
			changed := bytes.Clone(raw)
			changed[i] ^= 1 << bit
			refused("a changed bit", base64.RawURLEncoding.EncodeToString(changed))
		}
	}
	refused("twice the text", text+text)
	refused("text with padding", text+"=")
	refused("another alphabet", base64.RawStdEncoding.EncodeToString(append(raw, 0xff, 0xfe)))
}

func decode(t testing.TB, text string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestWhatOpenRefuses beside a changed text.
func TestWhatOpenRefuses(t *testing.T) {
	s := newSealer(t, key(1))
	text := seal(t, s, content())
	for name, row := range map[string]struct {
		text, resource string
		want           error
	}{
		"another resource":  {text, "other", handle.ErrNotOpened},
		"no resource":       {text, "", handle.ErrNotOpened},
		"a longer resource": {text, "weather ", handle.ErrNotOpened},
		"empty":             {"", "weather", handle.ErrMalformed},
		"no base64":         {"????", "weather", handle.ErrMalformed},
		"too long":          {strings.Repeat("A", handle.MaxBytes+1), "weather", handle.ErrTooLong},
		"64 KiB":            {strings.Repeat("A", 64<<10), "weather", handle.ErrTooLong},
		"long":              {strings.Repeat("A", handle.MaxBytes), "weather", handle.ErrMalformed},
		"a token":           {content().Token, "weather", handle.ErrMalformed},
	} {
		got, err := s.Open(row.text, row.resource, now)
		if !errors.Is(err, row.want) || got != (handle.Content{}) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if err != nil && row.text != "" && strings.Contains(err.Error(), row.text) {
			t.Errorf("%s: the error quotes the text", name)
		}
	}
}

// TestLengthsInFront of issuer and URL keep texts apart that are equal in a row.
func TestLengthsInFront(t *testing.T) {
	s := newSealer(t, key(1))
	c := content()
	c.Issuer, c.URL, c.Token = "https://a", "https://b", "t"
	raw := decode(t, seal(t, s, c))
	at := bytes.Index(raw, []byte("https://a"))
	for _, length := range []uint64{0, 8, 10, 1 << 20, math.MaxInt64, math.MaxUint64} {
		changed := append(binary.AppendUvarint(bytes.Clone(raw[:at-1]), length), raw[at:]...)
		if _, err := s.Open(base64.RawURLEncoding.EncodeToString(changed), "weather", now); err == nil {
			t.Errorf("length %d opens", length)
		}
	}
}

// TestASecretThatIsNoContent was sealed by another program with our key.
func TestASecretThatIsNoContent(t *testing.T) {
	id := sha256.Sum256([]byte("doorward handle key id\x00" + string(key(1))))
	head := append([]byte{1}, id[:8]...)
	head = binary.BigEndian.AppendUint64(head, uint64(now.Add(time.Minute).Unix()))
	head = append(append(head, make([]byte, sha256.Size)...), 0) // an issuer of no length
	aead, err := chacha20poly1305.NewX(key(1))
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	for secret, want := range map[string]error{"": handle.ErrMalformed, "\x09url": handle.ErrMalformed, "\x03urltoken": nil} {
		sealed := aead.Seal(nil, nonce, []byte(secret), append([]byte("doorward handle\x00\x07weather"), head...))
		text := base64.RawURLEncoding.EncodeToString(bytes.Join([][]byte{head, nonce, sealed}, nil))
		if c, err := newSealer(t, key(1)).Open(text, "weather", now); !errors.Is(err, want) {
			t.Errorf("%q: %v, %v", secret, c, err)
		}
	}
}

// TestTheSizeIsBounded exactly by MaxBytes of the options.
func TestTheSizeIsBounded(t *testing.T) {
	const most = 2000
	s, err := handle.New(handle.Options{Keys: [][]byte{key(1)}, Lifetime: time.Minute, MaxBytes: most, Random: randomness(1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, issuer := range []string{"https://as.example.com", strings.Repeat("i", 200)} { // its length has one byte, or two
		isBounded(t, s, issuer, most)
	}
}

func isBounded(t *testing.T, s *handle.Sealer, issuer string, most int) {
	t.Helper()
	longest, refused := 0, 0
	for length := range 3000 {
		c := content()
		c.Issuer, c.Token = issuer, strings.Repeat("t", length)
		text, err := s.Seal(c, now)
		switch {
		case errors.Is(err, handle.ErrTooLarge) && text == "":
			refused++
		case err != nil || len(text) > most || refused > 0:
			t.Fatalf("token of %d bytes: %d, %v", length, len(text), err)
		default:
			longest = len(text)
		}
	}
	if longest < most-3 || refused == 0 {
		t.Errorf("the longest has %d bytes, %d refused", longest, refused)
	}
}

// TestOptionsThatAreRefused are those of no use.
func TestOptionsThatAreRefused(t *testing.T) {
	good := handle.Options{Keys: [][]byte{key(1)}, Lifetime: time.Minute}
	if _, err := handle.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*handle.Options){
		"no key":          func(o *handle.Options) { o.Keys = nil },
		"a short key":     func(o *handle.Options) { o.Keys = [][]byte{key(1)[1:]} },
		"a long key":      func(o *handle.Options) { o.Keys = [][]byte{key(1), append(key(2), '\n')} },
		"an empty key":    func(o *handle.Options) { o.Keys = [][]byte{key(1), nil} },
		"one key twice":   func(o *handle.Options) { o.Keys = [][]byte{key(1), key(1)} },
		"no lifetime":     func(o *handle.Options) { o.Lifetime = 0 },
		"too many bytes":  func(o *handle.Options) { o.MaxBytes = handle.MaxBytes + 1 },
		"a negative size": func(o *handle.Options) { o.MaxBytes = -1 },
	} {
		o := good
		change(&o)
		s, err := handle.New(o)
		if err == nil || s != nil {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "chacha") {
			t.Errorf("%s: the error is not for an operator: %v", name, err)
		}
	}
}

// TestWithoutRandomness, and without a Sealer, there is no handle.
func TestWithoutRandomness(t *testing.T) {
	s, err := handle.New(handle.Options{Keys: [][]byte{key(1)}, Lifetime: time.Minute, Random: bytes.NewReader([]byte("short"))})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := s.Seal(content(), now); err == nil || text != "" {
		t.Errorf("%q, %v", text, err)
	}
	var none *handle.Sealer
	if text, err := none.Seal(content(), now); err != nil || text != "" || none.Lifetime() != 0 {
		t.Errorf("%q, %v", text, err)
	}
}

// TestNoncesDiffer where randomness does.
func TestNoncesDiffer(t *testing.T) {
	s, err := handle.New(handle.Options{Keys: [][]byte{key(1)}, Lifetime: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	first, second := seal(t, s, content()), seal(t, s, content())
	if first == second {
		t.Error("two handles of one token are equal")
	}
}

// FuzzOpen compares Open with a second reader of the documented layout, which knows
// the key: whatever that one refuses, Open refuses.
func FuzzOpen(f *testing.F) {
	s := newSealer(f, key(2), key(1))
	f.Add(seal(f, s, content()), "weather", int64(0))
	f.Add(seal(f, newSealer(f, key(1)), content()), "weather", int64(299))
	f.Add(seal(f, s, handle.Content{}), "", int64(-1<<40))
	f.Add(strings.Repeat("A", 200), "weather", int64(0))
	f.Add("", "", int64(0))
	f.Fuzz(func(t *testing.T, text, resource string, later int64) {
		at := time.Unix(now.Unix()+later%(1<<40), 0)
		got, err := s.Open(text, resource, at)
		want, ok := oracle(text, resource, at)
		if ok != (err == nil) || ok && got != want {
			t.Errorf("Open: %v, %v; the oracle: %v, %v", got, err, want, ok)
		}
		if again, err := s.Seal(got, at); ok && got.Resource == resource && (err != nil || again == "") {
			t.Errorf("cannot be sealed again: %v", err)
		}
	})
}

// FuzzSeal opens what it sealed, for that resource alone.
func FuzzSeal(f *testing.F) {
	s := newSealer(f, key(1))
	f.Add("weather", "https://mcp.example.com/mcp", "https://as.example.com", "a.b.c", "other")
	f.Add("", "", "", "", "\x00")
	f.Fuzz(func(t *testing.T, resource, url, issuer, token, other string) {
		c := handle.Content{Resource: resource, URL: url, Issuer: issuer, Token: token, Expiry: now.Add(time.Hour)}
		text, err := s.Seal(c, now)
		if err != nil {
			if !errors.Is(err, handle.ErrTooLarge) || len(url)+len(issuer)+len(token) < 4000 {
				t.Fatal(err)
			}
			return
		}
		c.Expiry, c.Digest = time.Unix(now.Unix()+300, 0), sha256.Sum256([]byte(token))
		if got, err := s.Open(text, resource, now); err != nil || got != c {
			t.Errorf("%v: %v, want %v", err, got, c)
		}
		if _, err := s.Open(text, other, now); (err == nil) != (other == resource) {
			t.Errorf("opens for %q: %v", other, err)
		}
	})
}

// oracle reads a handle with slices of its own and the standard library alone.
func oracle(text, resource string, at time.Time) (c handle.Content, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || base64.RawURLEncoding.EncodeToString(raw) != text || len(raw) < 50 || raw[0] != 1 {
		return c, false
	}
	reader := bytes.NewReader(raw[49:])
	issuer, ok := readText(reader)
	if !ok || reader.Len() < 24 {
		return c, false
	}
	head := raw[:len(raw)-reader.Len()]
	nonce, sealed := raw[len(head):len(head)+24], raw[len(head)+24:]
	for _, k := range [][]byte{key(1), key(2)} {
		id := sha256.Sum256([]byte("doorward handle key id\x00" + string(k)))
		if !bytes.Equal(id[:8], raw[1:9]) {
			continue
		}
		aead, _ := chacha20poly1305.NewX(k)
		with := "doorward handle\x00" + string(binary.AppendUvarint(nil, uint64(len(resource)))) + resource + string(head)
		secret, err := aead.Open(nil, nonce, sealed, []byte(with))
		if err != nil {
			return c, false
		}
		inside := bytes.NewReader(secret)
		url, _ := readText(inside)
		token := string(secret[len(secret)-inside.Len():])
		ends := time.Unix(int64(binary.BigEndian.Uint64(raw[9:17])), 0)
		c = handle.Content{Resource: resource, URL: url, Issuer: issuer, Token: token, Expiry: ends, Digest: [32]byte(raw[17:49])}
		return c, at.Before(ends)
	}
	return c, false
}

func readText(from *bytes.Reader) (string, bool) {
	length, err := binary.ReadUvarint(from)
	if err != nil || length > uint64(from.Len()) {
		return "", false
	}
	text := make([]byte, length)
	_, _ = from.Read(text)
	return string(text), true
}

func BenchmarkSeal(b *testing.B) {
	s, err := handle.New(handle.Options{Keys: [][]byte{key(1)}, Lifetime: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		seal(b, s, content())
	}
}

func BenchmarkOpen(b *testing.B) {
	s := newSealer(b, key(1))
	text := seal(b, s, content())
	for b.Loop() {
		if _, err := s.Open(text, "weather", now); err != nil {
			b.Fatal(err)
		}
	}
}
