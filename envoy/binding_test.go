package envoy_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/doorward/doorward/envoy/rig"
	"github.com/doorward/doorward/envoy/rig/mint"
	"github.com/doorward/doorward/extauthz/resource"
)

// TestBoundTokensThroughEnvoy is on the wire: a proof opens the door
// once and goes no further, and a certificate that a client claims in a header
// is no certificate.
func TestBoundTokensThroughEnvoy(t *testing.T) {
	rig.NeedEnvoy(t)
	key, holder := mint.NewKey("ES256", "key-1"), mint.NewKey("ES256", "")
	behind := startUpstream(t)
	h := openHouse(t, behind.address)

	t.Run("DPoP", func(t *testing.T) {
		p := standard(key)
		takingDPoP(t, &p)
		h.doorward.Swap(p.state(t))
		compact := key.Sign(claims(map[string]any{"cnf": map[string]any{"jkt": holder.Thumbprint()}}))
		question := ask{}.with("Authorization", "DPoP "+compact).with("DPoP", holder.Proof("GET", weatherURI, compact, "1", noon, nil))
		if got := h.send(t, question); got.status != 200 {
			t.Errorf("with its proof: %v", got)
		}
		seen := behind.take()
		if len(seen) != 1 || seen[0].value("dpop") != "" || seen[0].value("authorization") != "" {
			t.Errorf("arrived: %+v", seen)
		}
		if got := h.send(t, question); got.status != 401 {
			t.Errorf("the same proof again: %v", got)
		}
		if got := h.send(t, bearer(compact)); got.status != 401 {
			t.Errorf("X-1: as a bearer token: %v", got)
		}
	})

	t.Run("a forged x-forwarded-client-cert", func(t *testing.T) {
		p := standard(key)
		p.resources[0].ClientCertificate = resource.CertificateXFCC
		h.doorward.Swap(p.state(t))
		sum := sha256.Sum256([]byte("the certificate of somebody else"))
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
