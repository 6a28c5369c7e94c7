// Package revocation reads lists of revoked tokens from a file and follows its
// changes. Make a [Source] with [NewSource], run [Source.Run] in a goroutine, and
// call [List.Revokes] of [Source.Current] for each verified token.
//
// # The file
//
// A list is one JSON file:
//
//	{
//	  "serial": 7,
//	  "revoked": [
//	    {"issuer": "https://as.example.com", "jti": "5f1c"},
//	    {"issuer": "https://as.example.com", "sub": "mallory"},
//	    {"issuer": "https://as.example.com", "client_id": "lost-laptop"},
//	    {"issuer": "https://as.example.com", "kid": "2026-01"}
//	  ],
//	  "issued_before": [
//	    {"issuer": "https://as.example.com", "time": "2026-11-23T12:00:00Z"},
//	    {"issuer": "https://as.example.com", "sub": "alice", "time": 1700000000}
//	  ]
//	}
//
// An entry of revoked names an issuer and exactly one of jti, sub, client_id
// and kid, which is compared byte for byte with the claim of the verified token
// (see [Token]). It matches tokens of that issuer alone.
//
// An entry of issued_before revokes the issuer's tokens with an iat before time,
// and those without iat; with sub, those of that subject alone. time is RFC 3339,
// or whole seconds since 1970 (a NumericDate, RFC 7519, section 2). Of several
// entries for the same tokens the latest time counts.
//
// Either list may be left out, but not both: to revoke nothing, write an empty
// list. Remove an entry once every token that it names has expired.
//
// # The serial
//
// serial is a whole number from 1 on that grows with every change, such as the time
// of writing in seconds. A [Source] refuses a lower serial than the one in force,
// so that an old copy cannot make a token valid again, and other content under the
// same serial. It does not remember the serial over a restart: the first read
// accepts any.
//
// # Strictness
//
// A misread entry would accept a revoked token, so nothing is skipped: a duplicate
// name, an unknown member, an empty string, invalid UTF-8, anything after the
// document or more than 16 MiB makes the whole file invalid, and the list before
// stays in force. A file that is written in place may be read half-written, which
// is refused and read again: write another file beside it and rename it.
package revocation

import "time"

// Token is what is compared with a list: the claims of a verified token. An empty
// string is an absent claim, and matches no entry.
type Token struct {
	Issuer   string    // iss (RFC 7519, section 4.1.1)
	ID       string    // jti (RFC 7519, section 4.1.7)
	Subject  string    // sub (RFC 7519, section 4.1.2)
	Client   string    // client_id (RFC 8693, section 4.3), or the claim that was read in its place
	KeyID    string    // kid of the key that verified (RFC 7517, section 4.5), as its set has it
	IssuedAt time.Time // iat (RFC 7519, section 4.1.6); zero: absent
}

// List is which tokens are revoked. It does not change, and is safe for concurrent
// use. The zero List revokes nothing.
type List struct {
	serial int64

	ids, subjects, clients, keys set

	issuedBefore        map[string]time.Time // by issuer
	subjectIssuedBefore map[pair]time.Time
}

// pair is a claim and the issuer whose tokens it is compared with.
type pair struct{ issuer, value string }

type set map[pair]struct{}

func (s set) has(issuer, value string) bool {
	_, found := s[pair{issuer, value}]
	return found
}

// Serial returns the number of this version of the list, from 1 on.
func (l *List) Serial() int64 { return l.serial }

// Entries returns the number of different entries, of both kinds.
func (l *List) Entries() int { return l.selectors() + l.cutoffs() }

func (l *List) selectors() int {
	return len(l.ids) + len(l.subjects) + len(l.clients) + len(l.keys)
}

func (l *List) cutoffs() int {
	return len(l.issuedBefore) + len(l.subjectIssuedBefore)
}

// Revokes reports whether the list revokes t. It allocates nothing and reads no
// clock: call it for every request.
func (l *List) Revokes(t Token) bool {
	return l.ids.has(t.Issuer, t.ID) ||
		l.subjects.has(t.Issuer, t.Subject) ||
		l.clients.has(t.Issuer, t.Client) ||
		l.keys.has(t.Issuer, t.KeyID) ||
		l.tooOld(t)
}

// tooOld compares iat. A token without iat is too old: the zero time is before
// every time that a file can hold.
func (l *List) tooOld(t Token) bool {
	if cutoff, found := l.issuedBefore[t.Issuer]; found && t.IssuedAt.Before(cutoff) {
		return true
	}
	cutoff, found := l.subjectIssuedBefore[pair{t.Issuer, t.Subject}]
	return found && t.IssuedAt.Before(cutoff)
}
