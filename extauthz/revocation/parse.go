package revocation

import (
	"bytes"
	"strconv"
	"time"

	"github.com/doorward/doorward/internal/strictjson"
)

const (
	maxDocument = 16 << 20 // bytes of a file

	yearTenThousand = 253402300800 // in seconds since 1970; RFC 3339 ends before it
)

// Parse reads a list in the format of the package comment. The error is the first
// fault, as "line:column: member: what is wrong: what to write", and repeats
// nothing of the document.
func Parse(doc []byte) (*List, error) {
	r := &reader{doc: doc}
	switch {
	case len(doc) > maxDocument:
		return nil, r.fail(0, place{}, "is larger than 16 MiB: leave out what names expired tokens alone")
	case len(bytes.TrimSpace(doc)) == 0:
		return nil, r.fail(0, place{}, `is empty: write {"serial": 1, "revoked": []} to revoke nothing`)
	case bytes.HasPrefix(doc, []byte("\ufeff")):
		return nil, r.fail(0, place{}, "begins with a byte order mark: save it as UTF-8 without one")
	}
	r.json = strictjson.NewReader(doc)
	p := &parser{reader: r, list: &List{}, issuers: map[string]string{}}
	if err := p.document(); err != nil {
		return nil, err
	}
	return p.list, nil
}

// parser adds entries to list as it reads them.
type parser struct {
	*reader
	list    *List
	issuers map[string]string // one copy of each issuer, which thousands of entries may name
}

func (p *parser) document() error {
	lists := 0
	err := p.object(place{}, func(name string, at int) error {
		here := place{member: name}
		switch name {
		case "serial":
			return p.serial(here)
		case "revoked":
			lists++
			return p.array(here, p.revoked)
		case "issued_before":
			lists++
			return p.array(here, p.issuedBefore)
		}
		return p.fail(at, place{}, "has an unknown member: there are serial, revoked and issued_before")
	})
	if err != nil {
		return err
	}
	after := p.json.Offset()
	if err := p.json.End(); err != nil {
		return p.fail(after, place{}, "goes on after the list: write one JSON object and nothing else")
	}
	switch {
	case p.list.serial == 0:
		return p.fail(0, place{member: "serial"}, `is missing: write "serial": 1, and a higher one with every change`)
	case lists == 0:
		return p.fail(0, place{member: "revoked"},
			`is missing, and so is issued_before: write "revoked": [] to revoke nothing`)
	}
	return nil
}

func (p *parser) serial(here place) error {
	token, at, err := p.token(here)
	if err != nil {
		return err
	}
	serial, notWhole := strconv.ParseInt(token.String(), 10, 64)
	if token.Kind() != '0' || notWhole != nil || serial < 1 {
		return p.fail(at, here, "is not a whole number from 1 to 9223372036854775807: "+
			"write plain digits, without quotes, fraction or exponent")
	}
	p.list.serial = serial
	return nil
}

// revoked reads one entry of that member.
func (p *parser) revoked(here place) error {
	var issuer, id, subject, client, keyID string
	begin := p.json.Offset()
	err := p.object(here, func(name string, at int) (err error) {
		there := here.in(name)
		switch name {
		case "issuer":
			issuer, err = p.issuer(there)
		case "jti":
			id, err = p.text(there)
		case "sub":
			subject, err = p.text(there)
		case "client_id":
			client, err = p.text(there)
		case "kid":
			keyID, err = p.text(there)
		default:
			err = p.fail(at, here, "has an unknown member: there are issuer, jti, sub, client_id and kid")
		}
		return err
	})
	if err != nil {
		return err
	}
	selectors := 0
	for _, s := range []string{id, subject, client, keyID} {
		if s != "" {
			selectors++
		}
	}
	switch {
	case issuer == "":
		return p.fail(begin, here.in("issuer"), "is missing: write the exact iss of the tokens")
	case selectors == 0:
		return p.fail(begin, here, "names no token: add one of jti, sub, client_id and kid; "+
			"for all tokens of an issuer use issued_before")
	case selectors > 1:
		return p.fail(begin, here, "has more than one of jti, sub, client_id and kid: "+
			"write one entry for each, every entry revokes by itself")
	}
	p.list.ids = p.list.ids.with(issuer, id)
	p.list.subjects = p.list.subjects.with(issuer, subject)
	p.list.clients = p.list.clients.with(issuer, client)
	p.list.keys = p.list.keys.with(issuer, keyID)
	return nil
}

// with adds a value to the set, unless it is empty.
func (s set) with(issuer, value string) set {
	if value == "" {
		return s
	}
	if s == nil {
		s = set{}
	}
	s[pair{issuer, value}] = struct{}{}
	return s
}

// issuedBefore reads one entry of that member.
func (p *parser) issuedBefore(here place) error {
	var (
		issuer, subject string
		cutoff          time.Time
	)
	begin := p.json.Offset()
	err := p.object(here, func(name string, at int) (err error) {
		there := here.in(name)
		switch name {
		case "issuer":
			issuer, err = p.issuer(there)
		case "sub":
			subject, err = p.text(there)
		case "time":
			cutoff, err = p.time(there)
		default:
			err = p.fail(at, here, "has an unknown member: there are issuer, time and sub")
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case issuer == "":
		return p.fail(begin, here.in("issuer"), "is missing: write the exact iss of the tokens")
	case cutoff.IsZero():
		return p.fail(begin, here.in("time"), "is missing: "+writeTime)
	}
	if subject == "" {
		p.list.issuedBefore = withLatest(p.list.issuedBefore, issuer, cutoff)
	} else {
		p.list.subjectIssuedBefore = withLatest(p.list.subjectIssuedBefore, pair{issuer, subject}, cutoff)
	}
	return nil
}

func withLatest[K comparable](cutoffs map[K]time.Time, key K, cutoff time.Time) map[K]time.Time {
	if cutoffs == nil {
		cutoffs = map[K]time.Time{}
	}
	if cutoff.After(cutoffs[key]) {
		cutoffs[key] = cutoff
	}
	return cutoffs
}

func (p *parser) issuer(here place) (string, error) {
	issuer, err := p.text(here)
	if err != nil {
		return "", err
	}
	if known, again := p.issuers[issuer]; again {
		return known, nil
	}
	p.issuers[issuer] = issuer
	return issuer, nil
}

const writeTime = `write RFC 3339 like "2026-11-23T12:00:00Z", or whole seconds since 1970 like 1700000000`

// time reads a time of 1970 or later, since the zero time is an absent member.
func (p *parser) time(here place) (time.Time, error) {
	token, at, err := p.token(here)
	if err != nil {
		return time.Time{}, err
	}
	var date time.Time
	switch token.Kind() {
	case '0':
		seconds, err := strconv.ParseInt(token.String(), 10, 64)
		if err != nil {
			return time.Time{}, p.fail(at, here, "is not a whole number of seconds: "+writeTime)
		}
		date = time.Unix(seconds, 0)
	case '"':
		date, err = time.Parse(time.RFC3339, token.String())
		if err != nil {
			return time.Time{}, p.fail(at, here, "is no date with time and zone: "+writeTime)
		}
	default:
		return time.Time{}, p.fail(at, here, "is no time: "+writeTime)
	}
	if seconds := date.Unix(); seconds < 0 || seconds >= yearTenThousand {
		return time.Time{}, p.fail(at, here, "is outside the years 1970 to 9999, as milliseconds would be: "+writeTime)
	}
	return date, nil
}

// text reads a string that is not empty, since an empty one is an absent claim.
func (p *parser) text(here place) (string, error) {
	token, at, err := p.token(here)
	switch {
	case err != nil:
		return "", err
	case token.Kind() != '"':
		return "", p.fail(at, here, "is not a string: write it in double quotes")
	case token.String() == "":
		return "", p.fail(at, here, "is empty: write the exact value, or leave the entry out")
	}
	return token.String(), nil
}
