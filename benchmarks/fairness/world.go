package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

const (
	resource   = "https://mcp.example.com/mcp"
	goodIssuer = "https://calm.example.com"
	badIssuer  = "https://flooded.example.com"

	heavyBits = 4096 // of the largest RSA key that doorward accepts, with the largest exponent
)

// world is two issuers, their keys, and an attacker's.
type world struct {
	folder string
	known  *jwttest.Key // signs all new tokens
	honest *jwttest.Key // signs the token that forged proofs come with
	holder *jwttest.Key // whose proofs are forged
}

// newWorld writes the key sets of both issuers into folder.
func newWorld(folder string) (*world, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	w := &world{
		folder: folder, known: jwttest.NewKey("ES256", "known"),
		honest: jwttest.NewKey("ES256", "es256"), holder: jwttest.NewKey("ES512", ""),
	}
	flooded := []any{w.honest.JWK(), heavyJWK()}
	for n := range 4 {
		flooded = append(flooded, jwttest.NewKey("ES512", fmt.Sprint("es512-", n)).JWK())
	}
	for name, keys := range map[string][]any{"calm.json": {w.known.JWK()}, "flooded.json": flooded} {
		set, err := json.Marshal(map[string]any{"keys": keys})
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(folder, name), set, 0o600); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func heavyJWK() map[string]any {
	modulus := random(heavyBits / 8)
	modulus[0] |= 0x80
	modulus[len(modulus)-1] |= 1
	exponent := []byte{math.MaxInt32 >> 24, 0xff, 0xff, 0xff}
	return map[string]any{"kty": "RSA", "kid": "heavy", "alg": "RS256", "n": encode(modulus), "e": encode(exponent)}
}

const configuration = `issuers:
- {issuer: '` + goodIssuer + `', jwks_file: calm.json}
- {issuer: '` + badIssuer + `', jwks_file: flooded.json}
resources:
- {resource: '` + resource + `', name: benchmark, scopes: [mcp:read], dpop: optional}
policy: {paths: [policy/]}
drain: 0s
`

func claims(issuer string) map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": issuer, "sub": "alice", "aud": resource, "client_id": "app", "jti": rand.Text(), "scope": "mcp:read",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

// good returns a request with a token that was not sent before.
func (w *world) good(n int) []byte {
	return traffic.Encode(w.known.Sign(claims(goodIssuer)), traffic.Raw, n)
}

// kind is a kind of forgery; flood makes the n-th of them for a running service.
type kind struct {
	name  string
	flood func(ctx context.Context, w *world, address string) (func(n int) []byte, error)
}

func kinds() []kind {
	return []kind{
		{"tokens, ES256", tokens(map[string]any{"alg": "ES256", "kid": "es256"}, 64)},
		{
			"tokens, RSA of 4096 bits, largest exponent",
			tokens(map[string]any{"alg": "RS256", "kid": "heavy"}, heavyBits/8),
		},
		{"tokens, P-521", tokens(map[string]any{"alg": "ES512", "kid": "es512-0"}, 132)},
		{"tokens without kid, four keys of P-521", tokens(map[string]any{"alg": "ES512"}, 132)},
		{"proofs, P-521", proofs},
	}
}

// tokens have a random signature of the right length.
func tokens(header map[string]any, size int) func(context.Context, *world, string) (func(int) []byte, error) {
	header["typ"] = "at+jwt"
	return func(context.Context, *world, string) (func(int) []byte, error) {
		return func(n int) []byte {
			token := encodeJSON(header) + "." + encodeJSON(claims(badIssuer)) + "." + encode(signature(size))
			return traffic.Encode(token, traffic.Raw, n)
		}, nil
	}
}

// proofs come with a good token and have a random signature.
func proofs(ctx context.Context, w *world, address string) (func(n int) []byte, error) {
	bound := claims(badIssuer)
	bound["cnf"] = map[string]any{"jkt": w.holder.Thumbprint()}
	token := w.honest.Sign(bound)
	nonce, err := w.nonce(ctx, address, token)
	if err != nil {
		return nil, err
	}
	return func(n int) []byte {
		proof := w.proof(token, nonce)
		forged := proof[:strings.LastIndexByte(proof, '.')+1] + encode(signature(132))
		encoded, err := proto.Marshal(withProof(token, forged, n))
		if err != nil {
			panic(err) // every value in it can be encoded
		}
		return encoded
	}, nil
}

func (w *world) proof(token, nonce string) string {
	changes := map[string]any{}
	if nonce != "" {
		changes["nonce"] = nonce
	}
	return w.holder.SignProof(jwttest.Proof{
		Method: "POST", URL: resource, Token: token, ID: rand.Text(), At: time.Now(),
	}, changes)
}

func withProof(token, proof string, n int) *authv3.CheckRequest {
	request := traffic.Request("", traffic.Raw, n)
	headers := request.GetAttributes().GetRequest().GetHttp().GetHeaderMap()
	for name, value := range map[string]string{"authorization": "DPoP " + token, "dpop": proof} {
		headers.Headers = append(headers.Headers, &corev3.HeaderValue{Key: name, RawValue: []byte(value)})
	}
	return request
}

// nonce returns the nonce that the service demands in a proof (RFC 9449, section
// 9); "" if it demands none.
func (w *world) nonce(ctx context.Context, address, token string) (string, error) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", err
	}
	defer func() { _ = connection.Close() }()
	answer, err := authv3.NewAuthorizationClient(connection).Check(ctx, withProof(token, w.proof(token, ""), 0))
	if err != nil {
		return "", err
	}
	for _, option := range answer.GetDeniedResponse().GetHeaders() {
		if strings.EqualFold(option.GetHeader().GetKey(), "dpop-nonce") {
			return option.GetHeader().GetValue() + string(option.GetHeader().GetRawValue()), nil
		}
	}
	return "", nil
}

// signature is a number, or two, below every modulus and order.
func signature(size int) []byte {
	bytes := random(size)
	bytes[0], bytes[size/2] = 0, 0
	return bytes
}

func random(size int) []byte {
	bytes := make([]byte, size)
	rand.Read(bytes) // never fails (Go 1.24 and later)
	return bytes
}

func encode(bytes []byte) string { return base64.RawURLEncoding.EncodeToString(bytes) }

// encodeJSON takes only strings and numbers, which can always be encoded.
func encodeJSON(value map[string]any) string {
	bytes, _ := json.Marshal(value)
	return encode(bytes)
}
