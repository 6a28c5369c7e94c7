package revocation

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// encode writes a list as a script would, with another JSON library.
func encode(t *testing.T, l *List) []byte {
	t.Helper()
	type object map[string]any
	revoked, issuedBefore := []object{}, []object{}
	for name, entries := range map[string]set{"jti": l.ids, "sub": l.subjects, "client_id": l.clients, "kid": l.keys} {
		for e := range maps.Keys(entries) {
			revoked = append(revoked, object{"issuer": e.issuer, name: e.value})
		}
	}
	for issuer, cutoff := range l.issuedBefore {
		issuedBefore = append(issuedBefore, object{"issuer": issuer, "time": cutoff.UTC().Format(time.RFC3339Nano)})
	}
	for e, cutoff := range l.subjectIssuedBefore {
		issuedBefore = append(issuedBefore, object{"issuer": e.issuer, "sub": e.value, "time": cutoff.UTC().Format(time.RFC3339Nano)})
	}
	doc, err := json.Marshal(object{"serial": l.serial, "revoked": revoked, "issued_before": issuedBefore})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// A list that was read says the same when it is written again; each of its
// entries revokes what it names, and nothing of another issuer or without a
// name. What is cut short, or goes on, is never read. No error repeats the
// document.
func FuzzParse(f *testing.F) {
	f.Add([]byte(long(2)))
	f.Add([]byte(`{"serial":1,"revoked":[]}`))
	f.Add([]byte(`{"serial":2,"revoked":[{"issuer":"i","jti":"marker"},{"issuer":"i","kid":"\u00e9"}],"issued_before":[{"issuer":"i","time":"2026-11-23T12:00:00.5+01:00"}]}`))
	f.Add([]byte(`{"issued_before":[{"issuer":"i","sub":"s","time":0},{"issuer":"i","sub":"s","time":253402300799}],"serial":3}`))
	f.Add([]byte(`{"serial":1,"revoked":[{"issuer":"","jti":"a","sub":"\ud800"}],"x":[[[[]]]]}`))
	f.Add([]byte("{\"serial\":1e9,\"revoked\":null}\xff"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		list, err := Parse(doc)
		if (list == nil) == (err == nil) {
			t.Fatalf("list %v, error %v: want exactly one", list, err)
		}
		if err != nil {
			if strings.Contains(err.Error(), "marker") {
				t.Errorf("repeats the document: %v", err)
			}
			return
		}
		if list.serial < 1 || !json.Valid(doc) {
			t.Fatalf("read: %s", doc)
		}
		again, err := Parse(encode(t, list))
		if err != nil {
			t.Fatalf("written again: %v", err)
		}
		if diff := cmp.Diff(list, again, unexported); diff != "" {
			t.Errorf("written again (-first +second):\n%s", diff)
		}
		whole := bytes.TrimSpace(doc)
		for _, other := range [][]byte{whole[:len(whole)-1], append(bytes.Clone(whole), '}'), append(bytes.Clone(whole), whole...)} {
			if _, err := Parse(other); err == nil {
				t.Errorf("read: %s", other)
			}
		}
		if list.Revokes(Token{}) {
			t.Error("revokes a token that has no issuer")
		}
		entriesHold(t, list)
	})
}

func entriesHold(t *testing.T, list *List) {
	t.Helper()
	young := time.Unix(yearTenThousand, 0)
	hold := func(named Token) {
		other := named
		other.Issuer += "/another"
		if !list.Revokes(named) {
			t.Errorf("not revoked: %+v", named)
		}
		if _, also := list.issuedBefore[other.Issuer]; !also && alone(list, named.Issuer) && list.Revokes(other) {
			t.Errorf("revoked: %+v", other)
		}
	}
	for e := range list.ids {
		hold(Token{Issuer: e.issuer, ID: e.value, IssuedAt: young})
	}
	for e := range list.subjects {
		hold(Token{Issuer: e.issuer, Subject: e.value, IssuedAt: young})
	}
	for e := range list.clients {
		hold(Token{Issuer: e.issuer, Client: e.value, IssuedAt: young})
	}
	for e := range list.keys {
		hold(Token{Issuer: e.issuer, KeyID: e.value, IssuedAt: young})
	}
	for issuer, cutoff := range list.issuedBefore {
		hold(Token{Issuer: issuer})
		hold(Token{Issuer: issuer, IssuedAt: cutoff.Add(-1)})
		if list.Revokes(Token{Issuer: issuer, IssuedAt: cutoff}) {
			t.Errorf("issued at the cutoff of %s, and revoked", issuer)
		}
	}
	for e, cutoff := range list.subjectIssuedBefore {
		hold(Token{Issuer: e.issuer, Subject: e.value})
		hold(Token{Issuer: e.issuer, Subject: e.value, IssuedAt: cutoff.Add(-1)})
	}
}

// alone says that no entry names an issuer that begins like this one.
func alone(list *List, issuer string) bool {
	for _, entries := range []set{list.ids, list.subjects, list.clients, list.keys} {
		for e := range entries {
			if e.issuer == issuer+"/another" {
				return false
			}
		}
	}
	for e := range list.subjectIssuedBefore {
		if e.issuer == issuer+"/another" {
			return false
		}
	}
	return true
}
