package jwks

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
)

func certificate(content string) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(content)})
}

const plainKeys = "http://keys.example/jwks"

// trusting are options with every kind of trust in use: discovery leads to a
// place without TLS, and there is a certificate authority.
func trusting() (Options, *issuer) {
	o := Options{
		Issuer: issuerID, CAPEM: certificate("one"), InsecureHTTPHosts: []string{"keys.example"},
		RefreshMin: time.Minute, RefreshMax: time.Hour, MaxStale: 24 * time.Hour,
	}
	return o, &issuer{keys: setOf(ed25519JWK("a")), moved: plainKeys, metadata: `{"issuer":"` + issuerID + `","jwks_uri":"` + plainKeys + `"}`}
}

// edit is a change of one field between what fetched the keys and what finds
// them.
type edit struct {
	intent string
	change func(o *Options)
	kept   string // why the keys may serve nevertheless; "" where they may not
}

// edits are by the field of Options.
var edits = map[string][]edit{
	"Issuer":       {{"another issuer", func(o *Options) { o.Issuer = "https://other.example.com" }, ""}},
	"JWKSURI":      {{"a configured place", func(o *Options) { o.JWKSURI = keysURI }, ""}},
	"DiscoveryURL": {{"another place of the metadata", func(o *Options) { o.DiscoveryURL = issuerID + "/metadata" }, ""}},
	"SPIFFE":       {{"keys of another use", func(o *Options) { o.SPIFFE = true }, ""}},
	"TokenFile":    {{"a token", func(o *Options) { o.TokenFile = "token" }, "says who asks, not who answers"}},
	"CertFile":     {{"a certificate", func(o *Options) { o.CertFile = "client.crt" }, "says who asks, not who answers"}},
	"KeyFile":      {{"its key", func(o *Options) { o.KeyFile = "client.key" }, "says who asks, not who answers"}},
	"Static":       {{"keys that are given", func(o *Options) { o.Static = setOf(ed25519JWK("given")) }, ""}},
	"CAPEM": {
		{"another authority", func(o *Options) { o.CAPEM = certificate("two") }, ""},
		{"the authority was taken away", func(o *Options) { o.CAPEM = nil }, ""},
		{
			"one more authority", func(o *Options) { o.CAPEM = append(certificate("two"), o.CAPEM...) },
			"the one that vouched for the place still does",
		},
	},
	"InsecureHTTPHosts": {
		{"the permission was taken back", func(o *Options) { o.InsecureHTTPHosts = nil }, ""},
		{"another permission", func(o *Options) { o.InsecureHTTPHosts = []string{"other.example"} }, ""},
		{
			"one more permission", func(o *Options) { o.InsecureHTTPHosts = []string{"other.example", "keys.example"} },
			"the place may still be spoken to",
		},
	},
	"RefreshMin": {{"how often", func(o *Options) { o.RefreshMin = 2 * time.Minute }, "says when to ask again"}},
	"RefreshMax": {{"how often", func(o *Options) { o.RefreshMax = 2 * time.Hour }, "says when to ask again"}},
	"MaxStale":   {{"how long", func(o *Options) { o.MaxStale = 12 * time.Hour }, "bounds the kept keys by the new value"}},
	"CacheDir":   nil, // where the memory is: another folder is another memory
}

// TestKeysServeOnlyUnderTheTrustTheyRestOn, field by field of the options, for
// every memory of keys: the file over a restart and the inheritance over a
// reload. The issuer does not answer any more.
func TestKeysServeOnlyUnderTheTrustTheyRestOn(t *testing.T) {
	memories := map[string]func(t *testing.T, was Options, is Options, i *issuer) *running{
		"restart": func(t *testing.T, was, is Options, i *issuer) *running {
			was.CacheDir = t.TempDir()
			is.CacheDir = was.CacheDir
			start(t, was, i).stop()
			if files, _ := filepath.Glob(filepath.Join(was.CacheDir, "*")); len(files) != 1 {
				t.Fatalf("kept: %q", files)
			}
			i.change(func(i *issuer) { i.down = true })
			return start(t, is, i)
		},
		"reload": func(t *testing.T, was, is Options, i *issuer) *running {
			old := start(t, was, i)
			i.change(func(i *issuer) { i.down = true })
			next := newRunning(t, is, i)
			if !next.Inherit(old.Source) && old.mustFind("a").Withdrawn() {
				t.Error("who does not inherit changed the source before")
			}
			next.run()
			return next
		},
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Options]()) {
		all, known := edits[field.Name]
		if !known {
			t.Errorf("no word about Options.%s: does the trust in kept keys rest on it?", field.Name)
		}
		for _, e := range append(all, edit{"nothing", func(*Options) {}, "nothing has changed"}) {
			for memory, survive := range memories {
				t.Run(field.Name+"/"+e.intent+"/"+memory, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						was, i := trusting()
						is := was
						e.change(&is)
						_, why := survive(t, was, is, i).Set().Lookup(name("a"), "EdDSA")
						if served := why == reason.Allowed; served != (e.kept != "") {
							t.Errorf("served: %t; reason: %q", served, e.kept)
						}
					})
				})
			}
		}
	}
}

// TestOptionsAreComparedAsAWhole: a source goes on only where no field of its
// options differs.
func TestOptionsAreComparedAsAWhole(t *testing.T) {
	o, _ := trusting()
	if same, _ := trusting(); !o.Equal(same) || !(Options{}).Equal(Options{CAPEM: []byte{}, MaxStale: 24 * time.Hour}) {
		t.Error("the same is another")
	}
	for i := range reflect.TypeFor[Options]().NumField() {
		other := o
		field := reflect.ValueOf(&other).Elem().Field(i)
		switch value := field.Addr().Interface().(type) {
		case *string:
			*value += "x"
		case *[]byte:
			*value = append([]byte("x"), *value...)
		case *[]string:
			*value = append([]string{"x"}, *value...)
		case *time.Duration:
			*value++
		case *bool:
			*value = !*value
		default:
			t.Fatalf("a field of type %s", field.Type())
		}
		if o.Equal(other) {
			t.Errorf("%s is not compared", reflect.TypeFor[Options]().Field(i).Name)
		}
	}
}

// TestAFileOfAnotherTrustGoes from the folder, and so does one of an earlier
// version, which does not say what it rests on.
func TestAFileOfAnotherTrustGoes(t *testing.T) {
	for intent, content := range map[string]string{
		"another place":      `{"trust":{"issuer":"` + issuerID + `","from":"https://evil.example/jwks"},"fetched":"2000-01-01T00:00:00Z","jwks":{"keys":[]}}`,
		"an earlier version": `{"issuer":"` + issuerID + `","fetched":"2000-01-01T00:00:00Z","jwks":{"keys":[]}}`,
	} {
		t.Run(intent, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, newDiskCache(dir, issuerID).name)
			must(t, os.WriteFile(file, []byte(content), 0o600))
			synctest.Test(t, func(t *testing.T) {
				s := start(t, shelvedOptions(dir), &issuer{down: true})
				if _, err := os.Lstat(file); err == nil || s.logged("kept keys are not used") != 1 {
					t.Errorf("%v; log:\n%s", err, s.log)
				}
			})
		})
	}
}
