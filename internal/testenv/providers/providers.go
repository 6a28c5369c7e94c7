// Package providers has recorded shapes of the tokens of identity providers, for tests: for each provider the
// doorward.yaml that fits it, its access token, and the tokens that must be refused under that configuration.
//
// The shapes are in testdata, one file for each provider. Headers and claims are as the provider's documentation shows
// them, ids and names are invented, and every row names its source. The keys are made here. A row changes the access
// token by a JSON merge patch (RFC 7396), so that it shows only what differs. The string ${NOW-60} is replaced
// by a NumericDate.
package providers

import (
	"bytes"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

//go:embed testdata/*.json
var files embed.FS

// Provider is one file of testdata.
type Provider struct {
	Name          string   `json:"provider"` // as preset: names it
	Title         string   `json:"title"`
	LookedUp      string   `json:"looked_up"`                  // the date of the documentation
	Tried         bool     `json:"tried_on_the_real_provider"` // false: documentation alone
	Documentation []string `json:"documentation"`
	Read          []string `json:"read"`     // the sources of this file that were read on that date
	Keys          []Key    `json:"keys"`     // the issuer's; rows sign with the first, unless their kid names another
	Resource      string   `json:"resource"` // the URL that requests are for

	Config      []string            `json:"config"` // the lines of doorward.yaml
	MoreConfigs map[string][]string `json:"more_configs"`

	AccessToken shape `json:"access_token"`
	Allowed     []Row `json:"allowed"`
	Refused     []Row `json:"refused"`
}

// Key is an entry of the issuer's JWK Set.
type Key struct {
	ID     string `json:"kid"`
	Alg    string `json:"alg"`
	Use    string `json:"use"`    // "": sig
	Issuer string `json:"issuer"` // the member that Entra adds; "" leaves it out
}

// Row is a token that differs from the access token.
type Row struct {
	Name   string         `json:"name"`
	Source string         `json:"source"` // where the shape or the rule is documented
	Under  string         `json:"under"`  // one of MoreConfigs; "" is Config
	Reason string         `json:"reason"` // of the refusal; "" in an allowed row
	By     string         `json:"by"`     // what ties an allowed token to the resource: aud, client or dedicated
	Header map[string]any `json:"header"` // merge patch of the header
	Claims map[string]any `json:"claims"` // merge patch of the claims
	Raw    string         `json:"raw"`    // the token itself, where it is no JWS of the issuer
}

type shape struct {
	By     string         `json:"by"`
	Header map[string]any `json:"header"`
	Claims map[string]any `json:"claims"`
}

// All reads every provider, in the order of their names. It panics on a file that cannot be read.
func All() []*Provider {
	names := must(files.ReadDir("testdata"))
	all := make([]*Provider, len(names))
	for i, name := range names {
		decoder := json.NewDecoder(bytes.NewReader(must(files.ReadFile(path.Join("testdata", name.Name())))))
		decoder.UseNumber()
		decoder.DisallowUnknownFields()
		all[i] = new(Provider)
		if err := decoder.Decode(all[i]); err != nil {
			panic(fmt.Sprintf("providers: %s: %v", name.Name(), err))
		}
	}
	return all
}

// Rows are the access token itself, the other allowed rows and the refused rows.
func (p *Provider) Rows() []Row {
	first := Row{Name: "the access token", By: p.AccessToken.By, Source: p.Documentation[0]}
	return append(append([]Row{first}, p.Allowed...), p.Refused...)
}

// ways are the keys of an issuer that say where its keys are.
var ways = regexp.MustCompile(`^  (jwks_uri|discovery_url|token_file|ca_file): `)

// YAML is the doorward.yaml of a row, with its keys from the file keys instead of from the network.
func (p *Provider) YAML(under, keys string) string {
	var text strings.Builder
	for _, line := range p.Lines(under) {
		if ways.MatchString(line) {
			continue
		}
		text.WriteString(line + "\n")
		if strings.HasPrefix(line, "- issuer: ") {
			fmt.Fprintf(&text, "  jwks_file: %q\n", keys)
		}
	}
	return text.String()
}

// Lines are those of a configuration as a person writes it.
func (p *Provider) Lines(under string) []string {
	if under == "" {
		return p.Config
	}
	return p.MoreConfigs[under]
}

// JWKS is the issuer's JWK Set.
func (p *Provider) JWKS() []byte {
	set := make([]map[string]any, len(p.Keys))
	for i, k := range p.Keys {
		set[i] = secret(i, k.Alg, k.ID).JWK()
		if k.Use != "" {
			set[i]["use"] = k.Use
		}
		if k.Issuer != "" {
			set[i]["issuer"] = k.Issuer
		}
	}
	return must(json.Marshal(map[string]any{"keys": set}))
}

// Token is the compact token of a row at that time.
func (p *Provider) Token(r Row, now time.Time) string {
	if r.Raw != "" {
		return r.Raw
	}
	header, claims := p.Parts(r, now)
	alg, _ := header["alg"].(string)
	if alg == "none" {
		encode := base64.RawURLEncoding.EncodeToString
		return encode(must(json.Marshal(header))) + "." + encode(must(json.Marshal(claims))) + "."
	}
	kid, _ := header["kid"].(string)
	return p.signer(alg, kid).SignAs(header, claims)
}

// Parts are the header and the claims of a row's token, which is no raw one.
func (p *Provider) Parts(r Row, now time.Time) (header, claims map[string]any) {
	header, _ = merge(p.AccessToken.Header, r.Header).(map[string]any)
	claims, _ = at(now, merge(p.AccessToken.Claims, r.Claims)).(map[string]any)
	return header, claims
}

// signer is the key of that id; without an id the first, and for an id that is not published one of its own.
func (p *Provider) signer(alg, kid string) *jwttest.Key {
	for i, k := range p.Keys {
		if k.ID == kid || kid == "" {
			return secret(i, alg, k.ID)
		}
	}
	return secret(len(p.Keys), alg, kid)
}

var (
	secretsLock sync.Mutex
	secrets     = make(map[string]*jwttest.Key)
)

// secret is one private key for each place in a set and kind of key: to make RSA keys takes a while.
func secret(place int, alg, kid string) *jwttest.Key {
	secretsLock.Lock()
	defer secretsLock.Unlock()
	kind := fmt.Sprint(place, alg)
	if secrets[kind] == nil {
		secrets[kind] = jwttest.NewKey(alg, "")
	}
	k := *secrets[kind]
	k.ID = kid
	return &k
}

// merge applies a JSON merge patch (RFC 7396, section 2) to a copy.
func merge(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, _ := target.(map[string]any)
	object = maps.Clone(object)
	if object == nil {
		object = make(map[string]any)
	}
	for name, value := range changes {
		if value == nil {
			delete(object, name)
		} else {
			object[name] = merge(object[name], value)
		}
	}
	return object
}

var clock = regexp.MustCompile(`^\$\{NOW([+-][0-9]+)\}$`)

// at puts NumericDates in the place of ${NOW+n}.
func at(now time.Time, value any) any {
	switch v := value.(type) {
	case string:
		if found := clock.FindStringSubmatch(v); found != nil {
			return now.Unix() + must(strconv.ParseInt(found[1], 10, 64))
		}
	case []any:
		changed := make([]any, len(v))
		for i := range v {
			changed[i] = at(now, v[i])
		}
		return changed
	case map[string]any:
		changed := make(map[string]any, len(v))
		for name, member := range v {
			changed[name] = at(now, member)
		}
		return changed
	}
	return value
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("providers: %v", err))
	}
	return value
}
