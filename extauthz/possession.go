package extauthz

import (
	"context"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/revocation"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/clientcert"
)

// checkPossession checks what is never cached: whether the token was revoked, and
// whether the client that presents it holds the key or certificate it is bound
// to. It returns how the token is bound, or the refusal.
func (s *Server) checkPossession(
	ctx context.Context, state *numberedState, req *request, presented credential, claims *token.Claims,
) (string, *token.Refusal) {
	if revoked(state.Revocations, claims) {
		return "", &token.Refusal{Reason: reason.TokenRevoked, Issuer: claims.IssuerID}
	}
	demanded := claims.Confirmation()
	shown := presentation(req, presented, demanded)
	shown.Issuer = claims.IssuerID
	if demanded.Thumbprint != "" { // a proof may wait for its turn at a signature
		bounded, cancel := context.WithDeadline(ctx, req.until)
		defer cancel()
		ctx = bounded
	}
	binding, refusal := state.Possession.Verify(ctx, demanded, shown, token.DPoPMode(req.target.DPoP), state.Proofs)
	if refusal != nil {
		refusal.Issuer = claims.IssuerID
	}
	return binding, refusal
}

func revoked(source *revocation.Source, claims *token.Claims) bool {
	if source == nil {
		return false
	}
	return source.Current().Revokes(revocation.Token{
		Issuer:   claims.Issuer,
		ID:       claims.ID,
		Subject:  claims.Subject,
		Client:   claims.Client,
		KeyID:    claims.KeyID,
		IssuedAt: claims.IssuedAt,
	})
}

// presentation collects the proofs of this request that the token requires. The
// URLs that a proof may name come from the configuration, because a client writes
// host and forwarded headers.
func presentation(req *request, presented credential, demanded token.Confirmation) token.Presentation {
	shown := token.Presentation{
		Scheme:  presented.scheme,
		Compact: presented.token,
		Method:  req.method,
	}
	if demanded.Thumbprint != "" {
		shown.Proofs, shown.Attempt = req.headers.Values("dpop"), req.attempt.name()
		shown.URLs = req.target.Targets(req.path)
	}
	switch {
	case demanded.Certificate == "":
	case req.target.ReadsXFCC():
		forwarded := req.headers.Values("x-forwarded-client-cert")
		shown.CertificateSHA256, shown.HasCertificate = clientcert.ReadXFCC(forwarded)
	default:
		shown.CertificateSHA256, shown.HasCertificate = clientcert.ReadSource(req.sourceCertificate)
	}
	return shown
}
