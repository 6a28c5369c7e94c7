package extauthz

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"time"
)

// request is what a Check asks about, in our own words. Nothing after read
// looks at the protobuf.
type request struct {
	id        string // the client's x-request-id, else Envoy's stream id
	method    string
	scheme    string
	authority string
	path      string // the bytes before the first '?'
	rawQuery  string
	query     query
	tokens    []string // the spellings of access_token in query
	headers   headers

	resource    string // context_extensions["resource"], where the mesh sets it
	hasResource bool

	sourceAddress     string // IP address of the direct peer, without port
	sourcePrincipal   string // its certificate's identity, as Envoy verified it
	sourceCertificate string // its certificate, URL-encoded PEM, where Envoy sends it
	attempt           attempt

	trustsClientAddress bool // x-envoy-external-address names the client

	tokenDigest [sha256.Size]byte // of the token, once it is looked at; zero before

	until time.Time // when the answer must be there
	steps *steps    // nil: nobody watches
}

// attempt names a request by Envoy's own number for its stream and by the peer
// it came from: neither is the client's to choose. Envoy's second try at one
// Check has the same.
type attempt struct {
	stream string
	peer   peer
}

// name is "" where there is nothing to tell tries apart by.
func (a attempt) name() string {
	if a.stream == "" || a.peer.address == "" {
		return ""
	}
	return a.stream + " " + a.peer.address + " " + strconv.FormatUint(uint64(a.peer.port), 10)
}

// read makes a request of what Envoy said. It is false where that was no HTTP
// request.
func read(a *attributes) (*request, bool) {
	if !a.hasHTTP {
		return nil, false
	}
	path, rawQuery, _ := strings.Cut(readPath(a), "?")
	in := &request{
		method:      a.method,
		scheme:      a.scheme,
		authority:   a.host,
		path:        path,
		rawQuery:    rawQuery,
		query:       splitQuery(rawQuery),
		headers:     readHeaders(a),
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
	in.tokens = in.query.tokens()
	in.id = joinKey(in.headers.joined("x-request-id"), a.id)
	return in, true
}

// readPath prefers the raw bytes: where Envoy does not normalise, the other
// form shows a byte that is no UTF-8 as '!', which is a path of its own.
func readPath(a *attributes) string {
	if a.rawPath != "" {
		return a.rawPath
	}
	return a.path
}

// readHeaders reads both forms in which Envoy sends headers: the map, and the
// list that encode_raw_headers asks for. Where both are filled, both count.
func readHeaders(a *attributes) headers {
	if len(a.mapped) == 0 {
		return a.listed
	}
	if slices.ContainsFunc(a.mapped, header.isCapital) { // names that are one in lower case need an order
		slices.SortFunc(a.mapped, func(a, b header) int { return strings.Compare(a.name, b.name) })
		for i := range a.mapped {
			a.mapped[i].name = strings.ToLower(a.mapped[i].name)
		}
	}
	return append(a.mapped, a.listed...)
}

// isCapital reports a name that is not in lower case.
func (h header) isCapital() bool { return strings.ToLower(h.name) != h.name }

// joinKey is what joins our log line to Envoy's. The first form comes from the
// client, so only a short value of visible ASCII is taken.
func joinKey(requestID, streamID string) string {
	const longest = 128
	visible := func(r rune) bool { return r > 0x20 && r < 0x7f }
	if requestID == "" || len(requestID) > longest || strings.ContainsFunc(requestID, func(r rune) bool { return !visible(r) }) {
		return streamID
	}
	return requestID
}
