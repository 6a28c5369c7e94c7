package exchange

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
)

// TestEachFieldCounts: an entry that differs in one field is another entry, and the
// list of fields is complete by reflection.
func TestEachFieldCounts(t *testing.T) {
	base := entry()
	seen := map[[32]byte]string{base.digest(): "no change"}
	value := reflect.TypeFor[Entry]()
	for i := range value.NumField() {
		changed := entry()
		field := reflect.ValueOf(&changed).Elem().Field(i)
		switch field.Interface().(type) {
		case string:
			field.SetString("changed " + value.Field(i).Name)
		case []byte:
			field.SetBytes([]byte("changed " + value.Field(i).Name))
		case []string:
			field.Set(reflect.ValueOf([]string{"changed", value.Field(i).Name}))
		default:
			t.Fatalf("%s has a type that this test does not know: see that %%#v shows all of it", value.Field(i).Name)
		}
		name := value.Field(i).Name
		if before, twice := seen[changed.digest()]; twice || changed.Equal(base) {
			t.Errorf("%s counts as much as %s", name, before)
		}
		seen[changed.digest()] = name
	}
	swapped := entry()
	swapped.Resource, swapped.Audience = swapped.Audience, swapped.Resource
	joined := entry()
	joined.Scope = []string{"read write"}
	if swapped.Equal(base) || joined.Equal(base) || !entry().Equal(base) {
		t.Error("fields run into each other, or an entry differs from itself")
	}
}

// TestEntryIsNotPrinted by any verb of package fmt, nor as JSON.
func TestEntryIsNotPrinted(t *testing.T) {
	e := entry()
	if text, err := json.Marshal(e); err != nil || string(text) != `"exchange for `+serverID+`"` {
		t.Errorf("JSON: %s, %v", text, err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(verb, e) + fmt.Sprintf(verb, &e) + fmt.Sprintf(verb, []Entry{e}); strings.Contains(text, "s3cr3t") ||
			strings.Contains(text, "115, 51") || strings.Contains(text, fmt.Sprintf("%x", "s3cr3t")) {
			t.Errorf("%s: %s", verb, text)
		}
	}
}

func certificate(t *testing.T) (cert, key []byte) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, own.Public(), own)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// TestCheck has a row for each finding.
func TestCheck(t *testing.T) {
	cert, key := certificate(t)
	for _, row := range []struct {
		intent string
		change func(*Entry)
		want   string // path and a part of the message; "": nothing is wrong
	}{
		{"good", func(*Entry) {}, ""},
		{"by audience", func(e *Entry) { e.Resource, e.Audience = "", "api" }, ""},
		{"a key", func(e *Entry) { e.ClientSecret, e.PrivateKey, e.PrivateKeyAlg = nil, key, "ES256" }, ""},
		{"a certificate", func(e *Entry) { e.ClientSecret, e.ClientCertificate, e.ClientKey = nil, cert, key }, ""},
		{"an authority", func(e *Entry) { e.CAPEM = cert }, ""},
		{"an assertion", func(e *Entry) { e.Subject, e.AuthorizationServer = SubjectAssertion, "https://other.example" }, ""},
		{"an issuer that is no URL, with its endpoint", func(e *Entry) { e.Issuer, e.TokenEndpoint = "accounts.google.com", tokenURL }, ""},
		{"an issuer that is no URL, with its metadata", func(e *Entry) { e.Issuer, e.DiscoveryURL = "accounts.google.com", serverID }, ""},

		{"no issuer", func(e *Entry) { e.Issuer = "" }, "issuer: is missing"},
		{"an issuer that is no URL", func(e *Entry) { e.Issuer = "accounts.google.com" }, "issuer: is no absolute URL"},
		{"an issuer without TLS", func(e *Entry) { e.Issuer = "http://as.example" }, "issuer: is not https"},
		{"an issuer without TLS, allowed", func(e *Entry) { e.Issuer, e.InsecureHTTPHosts = "http://as.example", []string{"as.example"} }, "issuer: warning: plain http"},
		{"an endpoint that is no URL", func(e *Entry) { e.TokenEndpoint = "/token" }, "token_endpoint: is no absolute URL"},
		{"a discovery that is no URL", func(e *Entry) { e.DiscoveryURL = "x" }, "discovery_url: is no absolute URL"},
		{"another kind of subject", func(e *Entry) { e.Subject = "saml" }, "subject: is neither token nor assertion"},
		{"a token for another server", func(e *Entry) { e.AuthorizationServer = "https://other.example" }, "authorization_server: would get the client's token"},
		{"an assertion for no server", func(e *Entry) { e.Subject = SubjectAssertion }, "authorization_server: is missing"},
		{"an assertion for a server that is no URL", func(e *Entry) { e.Subject, e.AuthorizationServer = SubjectAssertion, "x" }, "authorization_server: is no absolute URL"},
		{"no target", func(e *Entry) { e.Resource = "" }, "resource: and audience are missing"},
		{"a resource that is a name", func(e *Entry) { e.Resource = "api" }, "resource: is no absolute URI"},
		{"a resource with a fragment", func(e *Entry) { e.Resource = apiID + "#" }, "resource: is no absolute URI"},
		{"two scopes in one", func(e *Entry) { e.Scope = []string{"read write"} }, "scope: holds what is no scope"},
		{"an empty scope", func(e *Entry) { e.Scope = []string{""} }, "scope: holds what is no scope"},
		{"an ID token", func(e *Entry) { e.RequestedTokenType = "urn:ietf:params:oauth:token-type:id_token" }, "requested_token_type: is no type"},
		{"an empty actor token", func(e *Entry) { e.ActorToken = []byte("\n") }, "actor_token_file: holds no token"},
		{"two actor tokens", func(e *Entry) { e.ActorToken = []byte("a b") }, "actor_token_file: holds no token"},
		{"the type of no actor token", func(e *Entry) { e.ActorTokenType = typeJWT }, "actor_token_type: is of no token"},
		{"no client", func(e *Entry) { e.ClientID = "" }, "client_id: is missing"},
		{"no proof", func(e *Entry) { e.ClientSecret = nil }, "client_id: needs one proof"},
		{"two proofs", func(e *Entry) { e.PrivateKey = key }, "client_id: needs one proof"},
		{"an empty secret", func(e *Entry) { e.ClientSecret = []byte("\r\n") }, "client_secret_file: holds no secret"},
		{"two lines", func(e *Entry) { e.ClientSecret = []byte("a\nb") }, "client_secret_file: holds no secret"},
		{"a key that is none", func(e *Entry) { e.ClientSecret, e.PrivateKey = nil, []byte("x") }, "private_key_file: the file holds no PEM block"},
		{"the algorithm of another key", func(e *Entry) { e.ClientSecret, e.PrivateKey, e.PrivateKeyAlg = nil, key, "RS256" }, "private_key_file: the key does not sign with"},
		{"a name of no key", func(e *Entry) { e.PrivateKeyID = "x" }, "client_id: has the name"},
		{"a certificate without its key", func(e *Entry) { e.ClientSecret, e.ClientCertificate = nil, cert }, "client_certificate: cannot be used"},
		{"an authority that is none", func(e *Entry) { e.CAPEM = []byte("x") }, "ca_file: no certificate in it"},
	} {
		e := entry()
		row.change(&e)
		problems := e.Check()
		if row.want == "" && len(problems) == 0 {
			continue
		}
		if len(problems) != 1 || row.want == "" || !strings.HasPrefix(problems[0].String(), row.want) {
			t.Errorf("%s: %v", row.intent, problems)
		}
	}
}

// TestCheckClientCredentials: what has no meaning without a subject is refused, and
// no target is needed.
func TestCheckClientCredentials(t *testing.T) {
	e := entry()
	e.Resource = ""
	if problems := e.CheckClientCredentials(); problems != nil {
		t.Error(problems)
	}
	e.Subject, e.AuthorizationServer = SubjectAssertion, "https://other.example"
	e.ActorToken, e.RequestedTokenType, e.ClientID = []byte("x"), typeJWT, ""
	var paths []string
	for _, problem := range e.CheckClientCredentials() {
		paths = append(paths, problem.Path)
	}
	want := []string{"subject", "authorization_server", "requested_token_type", "actor_token_file", "client_id"}
	if !reflect.DeepEqual(paths, want) {
		t.Error(paths)
	}
}
