package envoy_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// holder is a client with a DPoP key of its own.
var holder = jwttest.NewKey("ES256", "")

// boundTo is a token of the holder.
func boundTo(key *jwttest.Key) string {
	return key.Sign(claims(map[string]any{"cnf": map[string]any{"jkt": holder.Thumbprint()}}))
}

// proven is a request of the holder, with a proof of its own.
func proven(key *jwttest.Key, id string, changes map[string]any) clientRequest {
	compact := boundTo(key)
	return clientRequest{}.with("Authorization", "DPoP "+compact).with("DPoP", holder.SignProof(jwttest.Proof{
		Method: "GET", URL: weatherURI, Token: compact, ID: id, At: testTime,
	}, changes))
}

// TestBoundTokensThroughEnvoy is on the wire: a proof opens the door
// once and goes no further, and a certificate that a client claims in a header
// is no certificate.
func TestBoundTokensThroughEnvoy(t *testing.T) {
	testenv.RequireEnvoy(t)
	key := jwttest.NewKey("ES256", "key-1")
	behind := startUpstream(t)
	h := startEnvironment(t, behind.address)

	t.Run("DPoP", func(t *testing.T) {
		p := standard(key)
		takingDPoP(t, &p)
		h.activate(t, p.state(t))
		bare := h.send(t, clientRequest{})
		lines := []string{rm + `, scope="mcp:read"`, strings.Replace(rm, "Bearer", "DPoP", 1) + `, scope="mcp:read", algs="ES256"`}
		if got := bare.header["Www-Authenticate"]; bare.status != 401 || !slices.Equal(got, lines) {
			t.Errorf("without a token: %d, %q\nwant two lines %q", bare.status, got, lines)
		}
		started := h.send(t, proven(key, "0", nil))
		nonce := started.header.Get("Dpop-Nonce")
		if started.status != 401 || len(started.header["Dpop-Nonce"]) != 1 {
			t.Errorf("soon after a start: %v, nonce %q", started, started.header["Dpop-Nonce"])
		}
		question := proven(key, "1", map[string]any{"nonce": nonce})
		if got := h.send(t, question); got.status != 200 {
			t.Errorf("with its proof and the nonce: %v", got)
		}
		seen := behind.take()
		if len(seen) != 1 || seen[0].value("dpop") != "" || seen[0].value("authorization") != "" {
			t.Errorf("arrived: %+v", seen)
		}
		if got := h.send(t, question); got.status != 401 {
			t.Errorf("the same proof again: %v", got)
		}
		got := h.send(t, bearer(boundTo(key)))
		if challenges := got.header["Www-Authenticate"]; got.status != 401 || len(challenges) != 2 || challenges[1] != lines[1] {
			t.Errorf("X-1: as a bearer token: %v, %q", got, challenges)
		}
	})

	t.Run("a forged x-forwarded-client-cert", func(t *testing.T) {
		p := standard(key)
		p.resources[0].ClientCertificate = "xfcc"
		h.activate(t, p.state(t))
		sum := sha256.Sum256([]byte("the certificate of another client"))
		stolen := bearer(key.Sign(claims(map[string]any{"cnf": map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}})))
		forged := stolen.with("X-Forwarded-Client-Cert", fmt.Sprintf("Hash=%x", sum))
		if got := h.send(t, forged); got.status != 401 {
			t.Errorf("X-3: got %v: Envoy hands the client's own header on", got)
		}
		if seen := behind.take(); len(seen) != 0 {
			t.Errorf("arrived: %+v", seen)
		}
	})
}
