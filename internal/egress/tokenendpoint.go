package egress

import (
	"encoding/json"
	"iter"
	"mime"
	"strings"
	"sync"

	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/destination"
	"github.com/doorward/doorward/internal/tokensearch"
)

// grantJWTBearer is the grant type of RFC 7523, section 2.1.
const grantJWTBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer" //nolint:gosec // no credential

// exemption returns the parts of a request to a token endpoint in which tokens of its issuer
// may be, and the body without them. Of any other request the body is whole.
func (c *check) exemption() (issuer string, exempt iter.Seq[tokensearch.Part], body string) {
	if c.to == nil || c.req.method != "POST" || c.req.rawQuery != "" || c.req.body == "" || !c.req.isForm() {
		return "", nil, c.req.body
	}
	if issuer = c.endpointIssuer(); issuer == "" {
		return "", nil, c.req.body
	}
	values, rest := exemptFields(c.req.body)
	return issuer, func(yield func(tokensearch.Part) bool) {
		for _, value := range values {
			if !yield(tokensearch.Part{Kind: tokensearch.Body, Value: value}) {
				return
			}
		}
	}, rest
}

func (r *request) isForm() bool {
	value, present, more := r.headers.Only("content-type")
	media, _, err := mime.ParseMediaType(value)
	return present && !more && err == nil && media == "application/x-www-form-urlencoded"
}

// exemptFields parts a form into the values of the fields in which tokens belong at a token,
// introspection or revocation endpoint (RFC 8693, section 2.1; RFC 7523, section 2.1; RFC
// 7662; RFC 7009), and the rest. A form in which one of them, or the grant type, occurs
// twice is all rest: its readers may differ in which one counts.
func exemptFields(form string) (exempt []string, rest string) {
	seen := map[string]int{}
	grant := ""
	for pair := range strings.SplitSeq(form, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name = strings.ToLower(checkwire.Unescape(name))
		if seen[name]++; name == "grant_type" {
			grant = checkwire.Unescape(value)
		}
	}
	for _, name := range []string{"grant_type", "subject_token", "actor_token", "token", "assertion"} {
		if seen[name] > 1 {
			return nil, form
		}
	}
	var left []string
	for pair := range strings.SplitSeq(form, "&") {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "subject_token", "actor_token", "token":
		case "assertion":
			if grant == grantJWTBearer {
				break
			}
			fallthrough
		default:
			left = append(left, pair)
			continue
		}
		exempt = append(exempt, checkwire.Unescape(value))
	}
	return exempt, strings.Join(left, "&")
}

// endpointIssuer is the issuer whose token endpoint the request is for: that of the
// destination, or of the metadata of a configured issuer; "" for none.
func (c *check) endpointIssuer() string {
	if c.to.TokenEndpoint != "" && destination.IsURL(c.to.TokenEndpoint, c.host, c.req.path) {
		return c.to.TokenIssuer
	}
	for id, issuer := range c.inbound.State().Issuers {
		for _, url := range c.endpoints.of(id, issuer) {
			if destination.IsURL(url, c.host, c.req.path) {
				return id
			}
		}
	}
	return ""
}

// endpoints remembers what the metadata of each issuer names, while it is the same.
type endpoints struct {
	mu    sync.Mutex
	known map[string]issuerEndpoints
}

type issuerEndpoints struct {
	document *byte // the first of the metadata
	urls     []string
}

func (e *endpoints) of(id string, issuer *token.Issuer) []string {
	document := issuer.Keys.Metadata()
	if len(document) == 0 {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if known := e.known[id]; known.document == &document[0] {
		return known.urls
	}
	var metadata struct {
		Token         string `json:"token_endpoint"`
		Introspection string `json:"introspection_endpoint"`
		Revocation    string `json:"revocation_endpoint"`
	}
	var urls []string
	if json.Unmarshal(document, &metadata) == nil {
		urls = []string{metadata.Token, metadata.Introspection, metadata.Revocation}
	}
	if e.known == nil {
		e.known = map[string]issuerEndpoints{}
	}
	e.known[id] = issuerEndpoints{&document[0], urls}
	return urls
}
