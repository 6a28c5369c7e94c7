// Package revocation answers one question: was this verified token revoked?
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
// and kid, compared byte for byte with what the token was verified to say
// ([Token] tells which of its claims). Another issuer's token never matches.
//
// An entry of issued_before voids the issuer's tokens with an iat before time,
// and those without iat; with sub, only that subject's. time is RFC 3339, or
// whole seconds since 1970 (a NumericDate, RFC 7519, section 2). Where several
// entries name the same, all hold: the latest time counts.
//
// Either list may be left out, not both: who means "nothing is revoked" writes
// an empty list. An entry may go once every token it names has expired.
//
// # The serial
//
// serial is a whole number from 1 on that grows with every change; the time of
// writing, in seconds, will do. A [Source] refuses a lower serial than the one
// in force, so that an old copy cannot bring a token back, and other content
// under the same serial. It remembers no serial over a restart: a start takes
// the file as it is.
//
// # Strictness
//
// One misread entry is a token let in, so nothing is skipped: a name twice, an
// unknown member, an empty string, invalid UTF-8, anything after the document
// or more than 16 MiB refuses the whole file, and the list before stays in
// force. A file that is written in place may be read half-written; that is
// refused too, and read again. Better write another file beside it and rename.
//
// What it does not know: signatures, and which issuers are trusted.
package revocation

import "time"

// Token is what a list looks at. The fields are those of a verified token; an
// empty string is a claim that the token lacks, and matches no entry.
type Token struct {
	Issuer   string    // iss (RFC 7519, section 4.1.1)
	ID       string    // jti (RFC 7519, section 4.1.7)
	Subject  string    // sub (RFC 7519, section 4.1.2)
	Client   string    // client_id (RFC 8693, section 4.3), or the claim that was read in its place
	KeyID    string    // kid of the key that verified (RFC 7517, section 4.5), as its set has it
	IssuedAt time.Time // iat (RFC 7519, section 4.1.6); zero: absent
}

// List says which tokens are revoked. It does not change, and may be read by
// any number of goroutines. The zero List revokes nothing.
type List struct {
	serial int64

	ids, subjects, clients, keys set

	issuedBefore        map[string]time.Time // by issuer
	subjectIssuedBefore map[pair]time.Time
}

// pair is a value and the issuer without whom it means nothing.
type pair struct{ issuer, value string }

type set map[pair]struct{}

func (s set) has(issuer, value string) bool {
	_, found := s[pair{issuer, value}]
	return found
}

// Serial is the number of this version of the list, from 1 on.
func (l *List) Serial() int64 { return l.serial }

// Entries is the number of different entries, of both kinds.
func (l *List) Entries() int { return l.selectors() + l.cutoffs() }

func (l *List) selectors() int {
	return len(l.ids) + len(l.subjects) + len(l.clients) + len(l.keys)
}

func (l *List) cutoffs() int {
	return len(l.issuedBefore) + len(l.subjectIssuedBefore)
}

// Revokes says whether t is void by this list. It allocates nothing and reads
// no clock, so that it can be asked at every request.
func (l *List) Revokes(t Token) bool {
	return l.ids.has(t.Issuer, t.ID) ||
		l.subjects.has(t.Issuer, t.Subject) ||
		l.clients.has(t.Issuer, t.Client) ||
		l.keys.has(t.Issuer, t.KeyID) ||
		l.tooOld(t)
}

// tooOld needs no case for a token without iat, of which nothing shows that it
// is younger: the zero time lies before every time that a file can hold.
func (l *List) tooOld(t Token) bool {
	if cutoff, found := l.issuedBefore[t.Issuer]; found && t.IssuedAt.Before(cutoff) {
		return true
	}
	cutoff, found := l.subjectIssuedBefore[pair{t.Issuer, t.Subject}]
	return found && t.IssuedAt.Before(cutoff)
}
