package extauthz

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/tracing"
)

// request is the HTTP request that a Check is about. After read and open, no code
// uses the protobuf.
type request struct {
	attributes *checkwire.Attributes
	id         string // the client's x-request-id, else Envoy's stream id
	method     string
	scheme     string
	authority  string
	path       string // the bytes before the first '?'
	rawQuery   string

	// Set by open: most requests of a flood are for no resource.
	headers     checkwire.Headers
	tokens      []string           // the spellings of access_token in the query
	hidesTokens bool               // behind a ';' of the query
	remembered  tracing.Remembered // zero before the token is looked at

	trustsClientAddress bool // x-envoy-external-address names the client

	hasResource bool // the mesh set context_extensions["resource"]
	resource    string

	target     *resource.Resource // what the request is for; nil until it is found
	operation  operation          // what it asks for, where that is read
	corsOrigin string             // the origin of a page that may read the answer, where target has CORS; otherwise ""

	sourceAddress     string // IP address of the direct peer, without port
	sourcePrincipal   string // its certificate's identity, as Envoy verified it
	sourceCertificate string // its certificate, URL-encoded PEM, where Envoy sends it
	attempt           attempt

	compact     string            // the token, once it is looked at; "" before
	tokenDigest [sha256.Size]byte // of the token, once it is looked at; zero before

	until time.Time // when the answer must be there
	steps *steps    // nil: the steps are not recorded
}

// attempt identifies a request by Envoy's number of the stream and by the peer,
// neither of which a client chooses. A retry of one Check by Envoy has the same
// attempt.
type attempt struct {
	stream string
	peer   checkwire.Peer
}

// name returns "" where the stream or the peer is unknown.
func (a attempt) name() string {
	if a.stream == "" || a.peer.Address == "" {
		return ""
	}
	return a.stream + " " + a.peer.Address + " " + strconv.FormatUint(uint64(a.peer.Port), 10)
}

// read makes a request of the attributes of a Check. It is false where they hold
// no HTTP request. It does not split, copy or sort.
func read(a *checkwire.Attributes) (*request, bool) {
	if !a.HasHTTP {
		return nil, false
	}
	path, rawQuery, _ := strings.Cut(a.FullPath(), "?")
	in := &request{
		attributes:  a,
		id:          a.JoinKey(),
		method:      a.Method,
		scheme:      a.Scheme,
		authority:   a.Host,
		path:        path,
		rawQuery:    rawQuery,
		resource:    a.Resource,
		hasResource: a.HasResource,

		sourceAddress:     a.Peer.Address,
		sourcePrincipal:   a.Principal,
		sourceCertificate: a.Certificate,
		attempt:           attempt{a.ID, a.Peer},
	}
	if a.Peer.Pipe {
		in.sourceAddress = a.Peer.Path
	}
	return in, true
}

// open reads the headers of a request for a configured resource, and the tokens
// in its query.
func (r *request) open() {
	r.headers = r.attributes.Headers()
	if r.rawQuery != "" {
		r.tokens, r.hidesTokens = checkwire.QueryTokens(r.rawQuery), checkwire.HidesToken(r.rawQuery)
	}
}
