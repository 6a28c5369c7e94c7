package extauthz

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/redact"
)

// request is the HTTP request that a Check is about. After read and open, no code
// uses the protobuf.
type request struct {
	attributes *attributes
	id         string // the client's x-request-id, else Envoy's stream id
	method     string
	scheme     string
	authority  string
	path       string // the bytes before the first '?'
	rawQuery   string

	// Set by open: most requests of a flood are for no resource.
	headers     headers
	tokens      []string // the spellings of access_token in the query
	hidesTokens bool     // behind a ';' of the query

	resource    string // context_extensions["resource"], where the mesh sets it
	hasResource bool

	target     *resource.Resource // what the request is for; nil until it is found
	operation  operation          // what it asks for, where that is read
	corsOrigin string             // the origin of a page that may read the answer, where target has CORS; otherwise ""

	sourceAddress     string // IP address of the direct peer, without port
	sourcePrincipal   string // its certificate's identity, as Envoy verified it
	sourceCertificate string // its certificate, URL-encoded PEM, where Envoy sends it
	attempt           attempt

	trustsClientAddress bool // x-envoy-external-address names the client

	tokenDigest [sha256.Size]byte // of the token, once it is looked at; zero before

	until time.Time // when the answer must be there
	steps *steps    // nil: the steps are not recorded
}

// attempt identifies a request by Envoy's number of the stream and by the peer,
// neither of which a client chooses. A retry of one Check by Envoy has the same
// attempt.
type attempt struct {
	stream string
	peer   peer
}

// name returns "" where the stream or the peer is unknown.
func (a attempt) name() string {
	if a.stream == "" || a.peer.address == "" {
		return ""
	}
	return a.stream + " " + a.peer.address + " " + strconv.FormatUint(uint64(a.peer.port), 10)
}

// read makes a request of the attributes of a Check. It is false where they hold
// no HTTP request. It does not split, copy or sort.
func read(a *attributes) (*request, bool) {
	if !a.hasHTTP {
		return nil, false
	}
	path, rawQuery, _ := strings.Cut(readPath(a), "?")
	in := &request{
		attributes:  a,
		id:          a.joinKey(),
		method:      a.method,
		scheme:      a.scheme,
		authority:   a.host,
		path:        path,
		rawQuery:    rawQuery,
		resource:    a.resource,
		hasResource: a.hasResource,

		sourceAddress:     a.peer.address,
		sourcePrincipal:   a.principal,
		sourceCertificate: a.certificate,
		attempt:           attempt{a.id, a.peer},
	}
	if a.peer.pipe {
		in.sourceAddress = a.peer.path
	}
	return in, true
}

// open reads the headers of a request for a configured resource, and the tokens
// in its query.
func (r *request) open() {
	r.headers = r.attributes.headers()
	if r.rawQuery != "" {
		r.tokens, r.hidesTokens = queryTokens(r.rawQuery), hidesToken(r.rawQuery)
	}
}

// readPath prefers the raw bytes: where Envoy does not normalise, the other
// form shows a byte that is no UTF-8 as '!', which is a path of its own.
func readPath(a *attributes) string {
	if a.rawPath != "" {
		return a.rawPath
	}
	return a.path
}

// joinKey returns the id that joins the log line to Envoy's: the x-request-id, else the id
// of the stream. The first comes from the client, so only a short value of
// visible ASCII is taken, which is no token. Envoy joins what a client repeats
// with a comma in `headers` and keeps it apart in `header_map`; joining both
// makes them one.
func (a *attributes) joinKey() string {
	const longest = 128
	visible := func(r rune) bool { return r > 0x20 && r < 0x7f }
	key, found := "", false
	for i := range a.mapped {
		if a.mapped[i].name == "x-request-id" {
			key, found = a.mapped[i].value, true
		}
	}
	for i := range a.listed {
		switch {
		case a.listed[i].name != "x-request-id":
			continue
		case found && len(key)+1+len(a.listed[i].value) > longest:
			return a.id
		case found:
			key += "," + a.listed[i].value
		default:
			key, found = a.listed[i].value, true
		}
	}
	if len(key) > longest {
		return a.id
	}
	if key == "" || redact.ID(key) != key || strings.ContainsFunc(key, func(r rune) bool { return !visible(r) }) {
		return a.id
	}
	return key
}
