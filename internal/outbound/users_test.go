package outbound_test

import (
	"bytes"
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/internal/bundles"
	"github.com/doorward/doorward/internal/decisionlog"
	"github.com/doorward/doorward/internal/exchange"
)

// place is what a user is configured with.
type place struct {
	host      string // and port
	scheme    string // "https", or "http" where insecure allows it
	insecure  []string
	caFile    string
	tokenFile string // "" for none
	pair      string // the path of a certificate and key of ours, without .crt and .key; "" for none
}

// users are all that fetch or send for doorward, each with its error after one
// exchange; "" for a success. TestNoOtherClient fails where one is missing.
var users = []struct {
	name        string
	credentials bool // it can have some
	redirects   bool // it follows some
	ask         func(t *testing.T, p place) string
}{
	{"keys at jwks_uri", false, false, func(t *testing.T, p place) string {
		return tryKeys(t, p, jwks.Options{Issuer: p.scheme + "://" + p.host, JWKSURI: p.scheme + "://" + p.host + "/start?secret=1"})
	}},
	{"keys by discovery", false, false, func(t *testing.T, p place) string {
		return tryKeys(t, p, jwks.Options{Issuer: p.scheme + "://" + p.host})
	}},
	{"a bundle over HTTP", true, true, func(t *testing.T, p place) string {
		return fetchBundle(t, p, bundles.Options{URL: p.scheme + "://" + p.host + "/start?secret=1", TokenFile: p.tokenFile})
	}},
	{"a bundle in S3", true, true, func(t *testing.T, p place) string {
		o := bundles.Options{URL: p.scheme + "://" + p.host + "/start?secret=1"}
		if p.tokenFile != "" {
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
			t.Setenv("AWS_SESSION_TOKEN", "secret")
			t.Setenv("AWS_REGION", "eu-central-1")
			o.AWS = "environment"
		}
		return fetchBundle(t, p, o)
	}},
	{"a bundle in a registry", true, true, func(t *testing.T, p place) string {
		return fetchBundle(t, p, bundles.Options{URL: "oci://" + p.host + "/start:latest", TokenFile: p.tokenFile})
	}},
	{"the decision log", true, false, sendDecision},
	{"an exchange", true, false, func(t *testing.T, p place) string {
		return tryExchange(t, p, exchange.Entry{TokenEndpoint: p.scheme + "://" + p.host + "/start?secret=1"})
	}},
}

// tryExchange proves who we are by the token of p as a secret, or by its certificate.
func tryExchange(t *testing.T, p place, e exchange.Entry) string {
	e.Issuer, e.ClientID, e.Resource = p.scheme+"://"+p.host, "doorward", "https://api.example.com"
	e.InsecureHTTPHosts, e.CAPEM = p.insecure, read(t, p.caFile)
	switch {
	case p.pair != "":
		e.ClientCertificate, e.ClientKey = read(t, p.pair+".crt"), read(t, p.pair+".key")
	case p.tokenFile != "":
		e.ClientSecret = read(t, p.tokenFile)
	}
	source := exchange.NewSource(e, exchange.Environment{})
	defer source.Close()
	_, err := source.ClientCredentials(t.Context(), "weather")
	if err == nil {
		return ""
	}
	return err.Error()
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func tryKeys(t *testing.T, p place, o jwks.Options) string {
	o.InsecureHTTPHosts, o.CAPEM = p.insecure, read(t, p.caFile)
	return o.FetchOnce(t.Context()).Problem
}

func fetchBundle(t *testing.T, p place, o bundles.Options) string {
	o.Name, o.InsecureUnsigned, o.InsecureHTTPHosts = "b", true, strings.Join(p.insecure, " ")
	o.PollMin, o.PollMax, o.CAPEM = time.Second, time.Second, string(read(t, p.caFile))
	if p.pair != "" {
		o.CertFile, o.KeyFile, o.TokenFile, o.AWS = p.pair+".crt", p.pair+".key", "", ""
	}
	return bundles.Fetch(t.Context(), o).Problem
}

func sendDecision(t *testing.T, p place) string {
	var journal bytes.Buffer
	o := decisionlog.Options{
		To: p.scheme + "://" + p.host + "/start", CAFile: p.caFile, TokenFile: p.tokenFile, InsecureHTTPHosts: p.insecure,
		SampleAllows: 1, Buffer: 1 << 20, Log: slog.New(slog.NewTextHandler(&journal, nil)),
	}
	if p.pair != "" {
		o.CertFile, o.KeyFile, o.TokenFile = p.pair+".crt", p.pair+".key", ""
	}
	log, err := decisionlog.New(o)
	if err != nil {
		t.Fatal(err)
	}
	log.Put(&decisionlog.Event{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	log.Close(ctx)
	return journal.String()
}

// TestNoOtherClient: what is not in the table of users neither fetches nor sends.
func TestNoOtherClient(t *testing.T) {
	clients := map[string]bool{} // files that make a client of ours
	for _, folder := range []string{
		"cmd/doorward", "extauthz", "internal/bundles", "internal/config", "internal/decisionlog", "internal/exchange", "internal/folding",
		"internal/lint", "internal/redact", "internal/regotest", "internal/policy", "rego",
	} {
		err := filepath.WalkDir(filepath.Join("..", "..", folder), func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if found := speaks(n); found == "outbound.New" {
					clients[filepath.ToSlash(name)] = true
				} else if found != "" {
					t.Errorf("%s has a way of its own to the network: %s", name, found)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, known := range []string{"../../extauthz/jwks/fetch.go", "../../internal/bundles/client.go", "../../internal/decisionlog/service.go", "../../internal/exchange/finder.go"} {
		if !clients[known] {
			t.Errorf("%s makes no client: take it out", known)
		}
		delete(clients, known)
	}
	for name := range clients {
		t.Errorf("%s makes a client: put its user into the table, and the file here", name)
	}
}

// speaks names what makes a connection in a package of the standard library, or
// a client of ours; "" for nothing.
func speaks(n ast.Node) string {
	if literal, ok := n.(*ast.CompositeLit); ok {
		if name := qualified(literal.Type); slices.Contains([]string{"http.Client", "http.Transport", "net.Dialer", "tls.Dialer"}, name) {
			return name
		}
	}
	selector, ok := n.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	name := qualified(selector)
	if slices.Contains([]string{
		"http.DefaultClient", "http.DefaultTransport", "http.Get", "http.Head", "http.Post", "http.PostForm",
		"net.Dial", "net.DialTimeout", "net.DialTCP", "net.DialUDP", "net.DialUnix", "tls.Dial", "tls.DialWithDialer", "outbound.New",
	}, name) {
		return name
	}
	return ""
}

func qualified(e ast.Expr) string {
	if selector, ok := e.(*ast.SelectorExpr); ok {
		if of, ok := selector.X.(*ast.Ident); ok {
			return of.Name + "." + selector.Sel.Name
		}
	}
	return ""
}
