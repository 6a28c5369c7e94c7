package revocation

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const (
	as      = "https://as.example.com"
	otherAS = "https://other.example.com"
)

// usual is a token that no list of these tests names in full.
func usual() Token {
	return Token{Issuer: as, ID: "t1", Subject: "alice", Client: "app", KeyID: "k1", IssuedAt: time.Unix(1700000000, 0)}
}

func mustParse(t testing.TB, doc string) *List {
	t.Helper()
	list, err := Parse([]byte(doc))
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return list
}

// revoked and voided are lists of one entry of each kind.
func revoked(entry string) string {
	return `{"serial":1,"revoked":[` + entry + `]}`
}

func voided(entry string) string {
	return `{"serial":1,"issued_before":[` + entry + `]}`
}

func TestRevokes(t *testing.T) {
	const cutoff = `{"issuer":"https://as.example.com","time":1700000000}`
	const aliceCutoff = `{"issuer":"https://as.example.com","sub":"alice","time":1700000000}`
	rows := []struct {
		intent, doc string
		change      func(*Token)
		want        bool
	}{
		{"an empty list", revoked(``), nil, false},
		{"jti", revoked(`{"issuer":"https://as.example.com","jti":"t1"}`), nil, true},
		{"another jti", revoked(`{"issuer":"https://as.example.com","jti":"t2"}`), nil, false},
		{"jti in other letters", revoked(`{"issuer":"https://as.example.com","jti":"T1"}`), nil, false},
		{"sub", revoked(`{"issuer":"https://as.example.com","sub":"alice"}`), nil, true},
		{"another sub", revoked(`{"issuer":"https://as.example.com","sub":"bob"}`), nil, false},
		{"client_id", revoked(`{"issuer":"https://as.example.com","client_id":"app"}`), nil, true},
		{"another client_id", revoked(`{"issuer":"https://as.example.com","client_id":"web"}`), nil, false},
		{"kid", revoked(`{"issuer":"https://as.example.com","kid":"k1"}`), nil, true},
		{"another kid", revoked(`{"issuer":"https://as.example.com","kid":"k2"}`), nil, false},
		{"the jti of another issuer", revoked(`{"issuer":"https://other.example.com","jti":"t1"}`), nil, false},
		{"the sub of another issuer", revoked(`{"issuer":"https://other.example.com","sub":"alice"}`), nil, false},
		{"the client_id of another issuer", revoked(`{"issuer":"https://other.example.com","client_id":"app"}`), nil, false},
		{"the kid of another issuer", revoked(`{"issuer":"https://other.example.com","kid":"k1"}`), nil, false},
		{"an issuer with one more slash is another", revoked(`{"issuer":"https://as.example.com/","jti":"t1"}`), nil, false},
		{"a value under another name", revoked(`{"issuer":"https://as.example.com","sub":"t1"},{"issuer":"https://as.example.com","jti":"alice"},{"issuer":"https://as.example.com","client_id":"k1"},{"issuer":"https://as.example.com","kid":"app"}`), nil, false},
		{"the second of two entries", revoked(`{"issuer":"https://as.example.com","jti":"t2"},{"issuer":"https://as.example.com","jti":"t1"}`), nil, true},
		{"a token without jti", revoked(`{"issuer":"https://as.example.com","jti":"t1"}`), func(k *Token) { k.ID = "" }, false},
		{"written with escapes", revoked(`{"\u0069ssuer":"https:\/\/as.example.com","sub":"\u0061lice"}`), nil, true},
		{"beyond ASCII", revoked(`{"issuer":"https://as.example.com","sub":"Zoë 🐈"}`), func(k *Token) { k.Subject = "Zo\u00eb \U0001f408" }, true},

		{"iat at the time is young enough", voided(cutoff), nil, false},
		{"iat a second earlier", voided(cutoff), func(k *Token) { k.IssuedAt = k.IssuedAt.Add(-time.Second) }, true},
		{"iat a nanosecond earlier", voided(cutoff), func(k *Token) { k.IssuedAt = k.IssuedAt.Add(-1) }, true},
		{"no iat", voided(cutoff), func(k *Token) { k.IssuedAt = time.Time{} }, true},
		{"no iat, another issuer", voided(cutoff), func(k *Token) { k.Issuer, k.IssuedAt = otherAS, time.Time{} }, false},
		{"an old token of another issuer", voided(cutoff), func(k *Token) { k.Issuer, k.IssuedAt = otherAS, time.Unix(1, 0) }, false},
		{"sub: iat at the time", voided(aliceCutoff), nil, false},
		{"sub: iat earlier", voided(aliceCutoff), func(k *Token) { k.IssuedAt = k.IssuedAt.Add(-1) }, true},
		{"sub: no iat", voided(aliceCutoff), func(k *Token) { k.IssuedAt = time.Time{} }, true},
		{"sub: another subject's old token", voided(aliceCutoff), func(k *Token) { k.Subject, k.IssuedAt = "bob", time.Time{} }, false},
		{"sub: a token without sub", voided(aliceCutoff), func(k *Token) { k.Subject, k.IssuedAt = "", time.Time{} }, false},
		{"sub: that subject at another issuer", voided(aliceCutoff), func(k *Token) { k.Issuer, k.IssuedAt = otherAS, time.Time{} }, false},
		{"the time of all holds where the subject's is earlier", voided(`{"issuer":"https://as.example.com","time":1700000001},{"issuer":"https://as.example.com","sub":"alice","time":1600000000}`), nil, true},
		{"the time of the subject holds where that of all is earlier", voided(`{"issuer":"https://as.example.com","time":1600000000},{"issuer":"https://as.example.com","sub":"alice","time":1700000001}`), nil, true},
		{"the later of two times, first", voided(`{"issuer":"https://as.example.com","time":1700000001},{"issuer":"https://as.example.com","time":1600000000}`), nil, true},
		{"the later of two times, last", voided(`{"issuer":"https://as.example.com","time":1600000000},{"issuer":"https://as.example.com","time":1700000001}`), nil, true},
		{"RFC 3339, a second later", voided(`{"issuer":"https://as.example.com","time":"2023-11-14T22:13:21Z"}`), nil, true},
		{"RFC 3339, equal", voided(`{"issuer":"https://as.example.com","time":"2023-11-14T22:13:20Z"}`), nil, false},
		{"RFC 3339, equal in another zone", voided(`{"issuer":"https://as.example.com","time":"2023-11-15T00:13:20+02:00"}`), nil, false},
		{"RFC 3339, later by a fraction", voided(`{"issuer":"https://as.example.com","time":"2023-11-14T22:13:20.001Z"}`), nil, true},
		{"time 0 voids only tokens without iat: with", voided(`{"issuer":"https://as.example.com","time":0}`), nil, false},
		{"time 0 voids only tokens without iat: without", voided(`{"issuer":"https://as.example.com","time":0}`), func(k *Token) { k.IssuedAt = time.Time{} }, true},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			token := usual()
			if row.change != nil {
				row.change(&token)
			}
			if got := mustParse(t, row.doc).Revokes(token); got != row.want {
				t.Errorf("%+v by %s: %v", token, row.doc, got)
			}
		})
	}
	if len(rows) != 42 {
		t.Errorf("%d rows", len(rows))
	}
}

func TestZeroListRevokesNothing(t *testing.T) {
	if new(List).Revokes(usual()) || new(List).Revokes(Token{}) {
		t.Error("revoked by nothing")
	}
}

// long is a list of n entries of every kind.
func long(n int) string {
	var doc strings.Builder
	doc.WriteString(`{"serial":1,"revoked":[`)
	for i := range n {
		for _, name := range []string{"jti", "sub", "client_id", "kid"} {
			fmt.Fprintf(&doc, `{"issuer":%q,%q:"value %d"},`, as, name, i)
		}
	}
	fmt.Fprintf(&doc, `{"issuer":%q,"jti":"t1"}],"issued_before":[{"issuer":%q,"time":1}`, otherAS, as)
	for i := range n {
		fmt.Fprintf(&doc, `,{"issuer":%q,"sub":"value %d","time":%d}`, as, i, 1700000000+i)
	}
	doc.WriteString(`]}`)
	return doc.String()
}

func TestRevokesAllocatesNothing(t *testing.T) {
	list := mustParse(t, long(100))
	last, old := usual(), usual()
	last.KeyID = "value 99"
	old.Subject, old.IssuedAt = "value 50", time.Time{}
	for _, row := range []struct {
		intent string
		token  Token
		want   bool
	}{
		{"looked for everywhere", usual(), false},
		{"found by its key", last, true},
		{"found by its age", old, true},
	} {
		hits := 0
		allocs := testing.AllocsPerRun(100, func() {
			if list.Revokes(row.token) {
				hits++
			}
		})
		if allocs != 0 || (hits > 0) != row.want {
			t.Errorf("%s: %v allocations, %d hits", row.intent, allocs, hits)
		}
	}
}

func BenchmarkRevokes(b *testing.B) {
	for _, n := range []int{0, 20000} {
		b.Run(fmt.Sprintf("%d entries", 5*n), func(b *testing.B) {
			list, token := mustParse(b, long(n)), usual()
			b.ReportAllocs()
			for b.Loop() {
				if list.Revokes(token) {
					b.Fatal("revoked")
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	doc := []byte(long(20000))
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(doc); err != nil {
			b.Fatal(err)
		}
	}
}
