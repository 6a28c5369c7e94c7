package exchange

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func decode(part string) string {
	text, _ := base64.RawURLEncoding.DecodeString(part)
	return string(text)
}

func keyPEM(t testing.TB) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// TestRequest is what each kind of entry sends.
func TestRequest(t *testing.T) {
	subject := user("ann")
	subject.Assertion = func(audience string) (string, error) {
		return "assertion.for." + base64.RawURLEncoding.EncodeToString([]byte(audience)), nil
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("door+ward:a+s3cr3t%2B%25%26"))
	plain := map[string]string{
		"grant_type": grantExchange, "subject_token": subject.Token, "subject_token_type": typeAccessToken,
		"requested_token_type": typeAccessToken, "resource": apiID, "scope": "read write",
	}
	with := func(changes map[string]string) map[string]string {
		all := map[string]string{}
		for _, members := range []map[string]string{plain, changes} {
			for name, value := range members {
				all[name] = value
				if value == "" {
					delete(all, name)
				}
			}
		}
		return all
	}
	for _, row := range []struct {
		intent        string
		change        func(*Entry, *server)
		form          map[string]string
		authorization string
	}{
		{"a secret", func(*Entry, *server) {}, plain, basic},
		{"a secret in the body, where the metadata says so", func(_ *Entry, s *server) {
			s.metadata["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
		}, with(map[string]string{"client_id": "door ward", "client_secret": secretValue}), ""},
		{"both ways offered", func(_ *Entry, s *server) {
			s.metadata["token_endpoint_auth_methods_supported"] = []string{"client_secret_post", "client_secret_basic"}
		}, plain, basic},
		{"an audience and no scope", func(e *Entry, _ *server) { e.Resource, e.Audience, e.Scope = "", apiID, nil }, with(map[string]string{"resource": "", "audience": apiID, "scope": ""}), basic},
		{"an actor token", func(e *Entry, _ *server) { e.ActorToken = []byte(" actor.token.x\n") }, with(map[string]string{"actor_token": "actor.token.x", "actor_token_type": typeJWT}), basic},
		{"an actor token of another type, and a JWT as answer", func(e *Entry, _ *server) {
			e.ActorToken, e.ActorTokenType, e.RequestedTokenType = []byte("x"), typeAccessToken, typeJWT
		}, with(map[string]string{"actor_token": "x", "actor_token_type": typeAccessToken, "requested_token_type": typeJWT}), basic},
		{"an assertion for another server", func(e *Entry, _ *server) {
			e.Issuer, e.Subject, e.AuthorizationServer = "https://other.example", SubjectAssertion, serverID
		}, with(map[string]string{"subject_token": "assertion.for." + base64.RawURLEncoding.EncodeToString([]byte(serverID)), "subject_token_type": typeJWT}), basic},
	} {
		e := entry()
		w := newWorld(t, e)
		row.change(&e, w.server)
		w.Source = NewSource(e, Environment{IsOurs: ours, Transport: w.server})
		own := subject
		own.Issuer = e.Issuer
		if _, err := w.exchange(own); err != nil {
			t.Errorf("%s: %v", row.intent, err)
			continue
		}
		req, form := w.server.last()
		got := map[string]string{}
		for name, values := range form {
			got[name] = strings.Join(values, ", twice: ")
		}
		if diff := cmp.Diff(row.form, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", row.intent, diff)
		}
		if req.Header.Get("Authorization") != row.authorization || req.URL.String() != tokenURL ||
			req.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || req.Header.Get("Accept") != "application/json" {
			t.Errorf("%s: %s %v", row.intent, req.URL, req.Header)
		}
	}
}

// TestClientCredentials asks for the server itself, and is remembered by resource.
func TestClientCredentials(t *testing.T) {
	w := newWorld(t, entry())
	w.server.answer(200, answerWith(map[string]any{"issued_token_type": nil}))
	for range 2 {
		token, err := w.ClientCredentials(t.Context(), callingName)
		if err != nil || token.Access == "" {
			t.Fatalf("%v, %v", token, err)
		}
	}
	w.wantAsked(1)
	_, form := w.server.last()
	want := url.Values{"grant_type": {"client_credentials"}, "resource": {apiID}, "scope": {"read write"}}
	if diff := cmp.Diff(want, form); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := w.ClientCredentials(t.Context(), "another"); err != nil {
		t.Error(err)
	}
	w.wantAsked(2)
}

// TestClientAssertion: for the issuer alone, short, with another jti each time.
func TestClientAssertion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := entry()
		e.ClientSecret, e.PrivateKey, e.PrivateKeyID = nil, keyPEM(t), "the-key"
		w := newWorld(t, e)
		seen := map[any]bool{}
		for _, name := range []string{"ann", "bob"} {
			w.mustExchange(user(name))
			_, form := w.server.last()
			parts := strings.Split(form.Get("client_assertion"), ".")
			if len(parts) != 3 || form.Get("client_id") != e.ClientID || form.Get("client_secret") != "" ||
				form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
				t.Fatalf("%v", form)
			}
			var header, claims map[string]any
			if err := errors.Join(json.Unmarshal([]byte(decode(parts[0])), &header), json.Unmarshal([]byte(decode(parts[1])), &claims)); err != nil {
				t.Fatal(err)
			}
			if seen[claims["jti"]] || len(claims["jti"].(string)) < 20 {
				t.Errorf("jti %v", claims["jti"])
			}
			seen[claims["jti"]] = true
			delete(claims, "jti")
			now := float64(time.Now().Unix())
			want := map[string]any{"iss": e.ClientID, "sub": e.ClientID, "aud": serverID, "iat": now, "exp": now + 60}
			if diff := cmp.Diff(want, claims) + cmp.Diff(map[string]any{"alg": "ES256", "typ": "JWT", "kid": "the-key"}, header); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// TestEndpoint is what is found where, and how often it is looked for.
func TestEndpoint(t *testing.T) {
	const other = "https://tokens.example.com/other"
	for _, row := range []struct {
		intent string
		change func(*Entry, *server)
		url    string
		words  string
	}{
		{"configured", func(e *Entry, _ *server) { e.TokenEndpoint = other }, other, ""},
		{"on another host", func(_ *Entry, s *server) { s.metadata["token_endpoint"] = other }, other, ""},
		{"for certificates, without one", func(_ *Entry, s *server) {
			s.metadata["mtls_endpoint_aliases"] = map[string]any{"token_endpoint": other}
		}, tokenURL, ""},
		{"none in the metadata", func(_ *Entry, s *server) { delete(s.metadata, "token_endpoint") }, "", "the token_endpoint in the metadata of " + serverID + " is no absolute URL"},
		{"without TLS", func(_ *Entry, s *server) { s.metadata["token_endpoint"] = "http://as.example.com/token" }, "", "is not https"},
		{"at an address that is not public", func(_ *Entry, s *server) { s.metadata["token_endpoint"] = "https://169.254.169.254/token" }, "", "not public"},
		{"another issuer's metadata", func(_ *Entry, s *server) { s.metadata["issuer"] = "https://other.example" }, "", "is of the issuer"},
		{"no metadata", func(_ *Entry, s *server) { s.metadata = nil }, "", "answered with status 404"},
	} {
		e := entry()
		w := newWorld(t, e)
		row.change(&e, w.server)
		w.Source = NewSource(e, Environment{IsOurs: ours, Transport: w.server})
		token, err := w.exchange(user("ann"))
		req, _ := w.server.last()
		switch {
		case row.words != "":
			w.wantError(row.intent, token, err, "", row.words)
			w.wantAsked(0)
		case err != nil || req.URL.String() != row.url:
			t.Errorf("%s: %v, %v", row.intent, req.URL, err)
		}
	}
}

// TestDiscoveryIsRemembered, and is done again after an hour and after a failure
// that another endpoint could explain.
func TestDiscoveryIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, entry())
		for _, name := range []string{"a", "b", "c"} {
			w.mustExchange(user(name))
		}
		want := func(lookups int) {
			t.Helper()
			if w.server.lookups != lookups {
				t.Errorf("%d lookups, want %d", w.server.lookups, lookups)
			}
		}
		want(1)
		time.Sleep(metadataLifetime)
		w.mustExchange(user("d"))
		want(2)
		w.server.answer(404, "{}")
		for range 3 {
			if _, err := w.exchange(user("e")); err == nil {
				t.Error("a 404 is a token")
			}
		}
		want(2)
		time.Sleep(doubtAfter)
		w.server.answerWell()
		w.mustExchange(user("f"))
		want(3)
		w.server.change(func(s *server) { s.metadata, s.down = nil, false })
		time.Sleep(metadataLifetime)
		for range 3 { // within a second: looked for once, at both well-known places
			_, err := w.exchange(user("g"))
			w.wantError("no metadata", Token{}, err, "", "404")
		}
		want(5)
		time.Sleep(failureLifetime)
		w.server.change(func(s *server) { s.metadata = map[string]any{"issuer": serverID, "token_endpoint": tokenURL} })
		w.mustExchange(user("g"))
	})
}

// TestKeyRotation: an entry with another secret is another entry, which uses the new
// secret and no answer of the old one.
func TestKeyRotation(t *testing.T) {
	store := NewStore(0)
	w := newWorld(t, entry())
	subject := user("ann")
	for _, secret := range []string{"one", "two"} {
		e := entry()
		e.ClientSecret = []byte(secret)
		w.Source = NewSource(e, Environment{Store: store, IsOurs: ours, Transport: w.server})
		w.mustExchange(subject)
		w.mustExchange(subject)
		req, _ := w.server.last()
		if _, password, _ := req.BasicAuth(); password != secret {
			t.Errorf("the secret is %q", password)
		}
	}
	w.wantAsked(2)
	// The same entry again, after a reload that changed something else.
	e := entry()
	e.ClientSecret = []byte("two")
	w.Source = NewSource(e, Environment{Store: store, IsOurs: ours, Transport: w.server})
	w.mustExchange(subject)
	w.wantAsked(2)
}
