package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"

	"github.com/doorward/doorward/internal/testenv/jwttest"
)

// holder is a client with a DPoP key, and a token that is bound to it.
type holder struct {
	key    *jwttest.Key
	token  string
	proofs int
}

func newHolder(issuer *jwttest.Key) *holder {
	key := jwttest.NewKey("ES256", "")
	return &holder{key: key, token: issuer.Sign(map[string]any{
		"iss": "https://as.example.com", "aud": "https://mcp.example.com/mcp", "sub": "alice", "client_id": "app",
		"exp": time.Now().Add(time.Hour).Unix(), "cnf": map[string]any{"jkt": key.Thumbprint()},
	})}
}

// proof is a new one, with a nonce unless that is "".
func (h *holder) proof(nonce string) string {
	h.proofs++
	changes := map[string]any{}
	if nonce != "" {
		changes["nonce"] = nonce
	}
	return h.key.SignProof(jwttest.Proof{
		Method: "POST", URL: "https://mcp.example.com/mcp", Token: h.token, ID: fmt.Sprint(h.proofs), At: time.Now(),
	}, changes)
}

// present gives the reason of the answer and the nonce in it.
func (h *holder) present(t *testing.T, conn *grpc.ClientConn, proof string) (reason, nonce string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	request := checkRequest("")
	request.GetAttributes().GetRequest().GetHttp().Headers = map[string]string{"authorization": "DPoP " + h.token, "dpop": proof}
	response, err := authv3.NewAuthorizationClient(conn).Check(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range response.GetDeniedResponse().GetHeaders() {
		if header.GetHeader().GetKey() == "dpop-nonce" {
			nonce = header.GetHeader().GetValue()
		}
	}
	return response.GetDynamicMetadata().GetFields()["reason"].GetStringValue(), nonce
}

// TestProofsAndNonces: a proof is not taken again after a restart, replicas
// take each other's nonces, and the key is replaced without one.
func TestProofsAndNonces(t *testing.T) {
	t.Parallel()
	const demanded, first, second = "dpop_nonce_required", "the first key that replicas share\n", "the second key that replicas share\n"
	f := newFolder(t)
	f.write(t, "nonce.key", first)
	config := f.configure(t, "  dpop: required\ndpop_nonce_key_file: nonce.key")
	h := newHolder(f.key)
	expect := func(intent string, conn *grpc.ClientConn, proof, want string) (nonce string) {
		t.Helper()
		got, nonce := h.present(t, conn, proof)
		if got != want || (nonce != "") != (want == demanded) {
			t.Fatalf("%s: %s, nonce %q; want %s", intent, got, nonce, want)
		}
		return nonce
	}
	before := start(t, "--config", config)
	conn := before.dial(t, before.grpc, nil)
	nonce := expect("soon after the start", conn, h.proof(""), demanded)
	used := h.proof(nonce)
	expect("with the nonce", conn, used, "allowed")
	before.stop()
	before.wait(t)

	after, replica := start(t, "--config", config), start(t, "--config", config)
	conn = after.dial(t, after.grpc, nil)
	nonce = expect("the proof again, after a restart", conn, used, demanded)
	expect("with the nonce", conn, h.proof(nonce), "allowed")
	nonce = expect("the newest replica", replica.dial(t, replica.grpc, nil), h.proof(""), demanded)
	expect("which the other takes", conn, h.proof(nonce), "allowed")

	f.write(t, "nonce.key", second+first)
	after.log.await(t, 1, "is in force")
	expect("a nonce under the key before", conn, h.proof(nonce), "allowed")
	newest := expect("a nonce under the new one", conn, h.proof(""), demanded)
	f.write(t, "nonce.key", "too short")
	line := after.log.await(t, 1, "dpop_nonce_key_file")
	if strings.Contains(line, "too short") {
		t.Errorf("the log repeats the key: %s", line)
	}
	expect("a key that is refused changes nothing", conn, h.proof(nonce), "allowed")
	f.write(t, "nonce.key", second)
	after.log.await(t, 2, "is in force")
	expect("the key before is gone", conn, h.proof(nonce), demanded)
	expect("the new one holds", conn, h.proof(newest), "allowed")

	f.configure(t, "  dpop: required\ndpop_nonce_key_file: nonce.key\nclock_skew: 0s")
	after.log.await(t, 3, "is in force")
	ahead := h.key.SignProof(jwttest.Proof{
		Method: "POST", URL: "https://mcp.example.com/mcp", Token: h.token, ID: "ahead", At: time.Now().Add(20 * time.Second),
	}, map[string]any{"nonce": newest})
	expect("clock_skew is that of the newest configuration", conn, ahead, "dpop_proof_invalid")
}
