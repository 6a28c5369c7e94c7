// Package benchmarks_test measures what one Check costs inside the process, hot
// (the token was seen before) and cold (it never was), and beside it, in the
// same run, what the bare signature costs with the standard library alone.
//
//	make bench            # six rounds, for benchstat
package benchmarks_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
	"github.com/doorward/doorward/rego"
)

const (
	issuerURL   = "https://as.example.com"
	resourceURI = "https://mcp.example.com/mcp"

	// tokens of each algorithm; a cold run that goes round them more than once
	// finds none remembered.
	distinct = 1024

	remember, forget = 64 << 20, 0 // bytes of the token cache
	decisions        = 32 << 20    // bytes of the decision cache, as doorward ships
)

var algorithms = []string{"ES256", "RS256", "EdDSA"}

// world is keys, tokens and a server that trusts them, made once a benchmark.
type world struct {
	server   *extauthz.Server
	registry *prometheus.Registry
	key      *jwttest.Key
	tokens   []string
	checks   []*authv3.CheckRequest // one with each token
	wires    [][]byte               // the same, as bytes
}

func newWorld(t testing.TB, algorithm string, tokens int, cache int64) *world {
	t.Helper()
	return newWorldWith(t, algorithm, tokens, cache, testenv.TeamPolicy)
}

// newWorldWith is newWorld with these rules.
func newWorldWith(t testing.TB, algorithm string, tokens int, cache int64, rules string) *world {
	t.Helper()
	w := &world{registry: prometheus.NewRegistry(), key: jwttest.NewKey(algorithm, "key-1")}
	var err error
	if w.server, err = extauthz.New(extauthz.Options{Registry: w.registry}); err != nil {
		t.Fatal(err)
	}
	if err := w.server.Swap(w.state(t, cache, rules)); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i := range tokens {
		w.tokens = append(w.tokens, w.key.Sign(map[string]any{
			"iss": issuerURL, "sub": "alice", "aud": resourceURI, "client_id": "app", "jti": strconv.Itoa(i), "scope": "mcp:read mcp:write",
			"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		}))
		w.checks = append(w.checks, traffic.Request(w.tokens[i], traffic.Raw, i))
		w.wires = append(w.wires, traffic.Encode(w.tokens[i], traffic.Raw, i))
	}
	return w
}

func (w *world) state(t testing.TB, cache int64, rules string) *extauthz.State {
	t.Helper()
	team := filepath.Join(t.TempDir(), "team.rego")
	if err := os.WriteFile(team, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	memory := policy.NewDecisionCache()
	memory.SetMaximum(decisions)
	engine, faults := policy.Compile(context.Background(), policy.Sources{Library: rego.Files, Paths: []string{team}, Cache: memory})
	if engine == nil {
		t.Fatal(faults)
	}
	source := jwks.NewSource(jwks.Options{Issuer: issuerURL, Static: jwttest.JWKS(w.key)}, jwks.Environment{})
	return &extauthz.State{
		Resources:    resources(t, "off"),
		Issuers:      map[string]*token.Issuer{issuerURL: {ID: issuerURL, Algorithms: token.DefaultAlgorithms(), Keys: source}},
		Verifier:     token.NewVerifier(token.Options{ClockSkew: 30 * time.Second, Waiting: 1000}),
		Possession:   token.NewPossessionVerifier(token.PossessionOptions{}),
		Policy:       engine,
		TokenCache:   cache,
		CheckTimeout: 2 * time.Second,
	}
}

// resources are one resource, which takes DPoP proofs in this mode.
func resources(t testing.TB, dpop string) *resource.Table {
	t.Helper()
	table, problems := resource.NewTable([]resource.Spec{{
		URI: resourceURI, Name: "benchmark", Issuers: []string{issuerURL}, Scopes: []string{"mcp:read"}, DPoP: dpop,
	}}, nil)
	if table == nil {
		t.Fatal(problems)
	}
	return table
}

// ask makes a Check with the first token, which must be allowed.
func (w *world) ask(t testing.TB) {
	response := w.server.Check(context.Background(), w.checks[0])
	if response.GetStatus().GetCode() != 0 {
		t.Fatalf("refused: %v", response)
	}
}

// answer makes a Check from bytes to bytes, which the server may keep.
func (w *world) answer(wire []byte) {
	w.server.Answer(context.Background(), slices.Clone(wire))
}

// BenchmarkHotCheck: the token was verified before.
func BenchmarkHotCheck(b *testing.B) {
	w := newWorld(b, "ES256", 1, remember)
	w.ask(b)
	b.ReportAllocs()
	for b.Loop() {
		w.ask(b)
	}
}

// BenchmarkHotAnswer is a hot Check from bytes to bytes, as gRPC hands them over.
func BenchmarkHotAnswer(b *testing.B) {
	w := newWorld(b, "RS256", 1, remember)
	wires := [][]byte{w.wires[0], traffic.Encode(w.tokens[0], traffic.Raw, 1)} // no two of Envoy's are equal
	w.ask(b)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		w.answer(wires[n%2])
		n++
	}
}

// BenchmarkColdCheck: nothing is remembered of any token. The metric x-bare is
// its time over that of the bare signature.
func BenchmarkColdCheck(b *testing.B) {
	for _, algorithm := range algorithms {
		b.Run(algorithm, func(b *testing.B) {
			w := newWorld(b, algorithm, distinct, forget)
			w.ask(b) // they are accepted
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				w.answer(w.wires[n%distinct])
				n++
			}
			b.ReportMetric(w.overBare(b), "x-bare")
		})
	}
}

// overBare compares a Check of each token with its bare signature, one after the
// other, so that what disturbs the machine disturbs both; the medians, so that
// what disturbs it for a moment does not count.
func (w *world) overBare(t testing.TB) float64 {
	checks, bare := make([]time.Duration, len(w.wires)), make([]time.Duration, len(w.wires))
	for i, wire := range w.wires {
		began := time.Now()
		w.answer(wire)
		checked := time.Now()
		w.verify(t, i)
		checks[i], bare[i] = checked.Sub(began), time.Since(checked)
	}
	slices.Sort(checks)
	slices.Sort(bare)
	return float64(checks[len(checks)/2]) / float64(bare[len(bare)/2])
}

// BenchmarkBareSignature is the standard library's part of a cold Check: a hash
// and a signature, of the bytes as they came.
func BenchmarkBareSignature(b *testing.B) {
	for _, algorithm := range algorithms {
		b.Run(algorithm, func(b *testing.B) {
			w := newWorld(b, algorithm, distinct, forget)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				w.verify(b, n)
				n++
			}
		})
	}
}

// verify is the part of a cold Check that every service needs.
func (w *world) verify(t testing.TB, i int) {
	compact := w.tokens[i%len(w.tokens)]
	dot := strings.LastIndexByte(compact, '.')
	signed := []byte(compact[:dot])
	signature, err := base64.RawURLEncoding.DecodeString(compact[dot+1:])
	if err != nil {
		t.Fatal(err)
	}
	if !genuine(w.key.Public(), signed, signature) {
		t.Fatal("a genuine signature failed")
	}
}

func genuine(public crypto.PublicKey, signed, signature []byte) bool {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(signed)
		half := len(signature) / 2
		return ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
	case *rsa.PublicKey:
		digest := sha256.Sum256(signed)
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(key, signed, signature)
	default:
		return false
	}
}

// TestColdIsCold: a hot Check finds its token in the cache, a cold one does not.
func TestColdIsCold(t *testing.T) {
	for _, row := range []struct {
		intent    string
		cache     int64
		hit, miss float64
	}{
		{"hot: verified once", remember, 3, 1},
		{"cold: verified every time", forget, 0, 4},
	} {
		w := newWorld(t, "ES256", 1, row.cache)
		for range 4 {
			w.ask(t)
		}
		if hit, miss := w.cached(t, "hit"), w.cached(t, "miss"); hit != row.hit || miss != row.miss {
			t.Errorf("%s: %v hits, %v misses", row.intent, hit, miss)
		}
	}
}

func (w *world) cached(t *testing.T, result string) float64 {
	t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "doorward_token_cache_requests_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			if metric.GetLabel()[0].GetValue() == result {
				return metric.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no count of %s", result)
	return 0
}

// TestBareSignatureJudges: a baseline that accepted a forgery would measure nothing.
func TestBareSignatureJudges(t *testing.T) {
	for _, algorithm := range algorithms {
		w := newWorld(t, algorithm, 1, forget)
		w.verify(t, 0)
		signature := w.key.Signature([]byte("signed"))
		if !genuine(w.key.Public(), []byte("signed"), signature) || genuine(w.key.Public(), []byte("forged"), signature) {
			t.Errorf("%s: the wrong result", algorithm)
		}
	}
}
