package extauthz

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/redact"
)

// token composes the facts of a token whose signature is not verified, so that
// its values are redacted as those of the request are.
func (a *denialAdvice) token() {
	a.unverified, _ = token.ReadUnverified(a.compact)
	switch a.v.reason {
	case reason.AlgorithmNotAllowed:
		a.algorithm()
	case reason.TypeNotAllowed:
		a.tokenType()
	case reason.IssuerUnknown:
		a.unknownIssuer()
	case reason.ClaimsMissing:
		a.claims()
	case reason.TokenExpired:
		a.expired()
	case reason.TokenNotYetValid:
		a.notYetValid()
	case reason.KeyUnknown, reason.SignatureInvalid:
		a.key()
	case reason.KeysUnavailable:
		if issuer := a.issuer(); issuer != nil {
			status := issuer.Keys.Status()
			a.addFact("keys", strings.TrimSuffix(status.State+": "+status.Problem, ": "))
		}
	default: // the reason is enough
	}
}

func (a *denialAdvice) issuer() *token.Issuer { return a.state.Issuers[a.v.issuer] }

// tokenMalformed reports the size of the token and the number of its parts.
func (a *denialAdvice) tokenMalformed() {
	longest, _ := a.state.Verifier.Bounds()
	parts := strings.Count(a.compact, ".") + 1
	switch {
	case a.compact == "":
		a.advise("the Authorization header has a scheme and no token: mend the client")
		return
	case len(a.compact) > longest:
		a.addFact("size", strconv.Itoa(len(a.compact)))
		a.addFact("limit", strconv.Itoa(longest))
		a.advise("the token has %d bytes and limits.token_bytes is %d: raise it, or have the authorization server "+
			"write less into tokens", len(a.compact), longest)
		return
	}
	a.addFact("parts", strconv.Itoa(parts))
	switch parts {
	case 1:
		a.advise("a token of one part is opaque: have the authorization server issue JWTs for this resource. Some " +
			"issue opaque ones where the client asked without a resource (RFC 8707)")
	case 3:
		a.advise("three parts, and not a compact JWS by the letter of RFC 7515: see cause")
	case 5:
		a.advise("five parts are an encrypted token (JWE), which cannot be read here: the client asked without a " +
			"resource (RFC 8707), or the authorization server encrypts: have it issue signed JWTs for this resource")
	default:
		a.advise("a signed JWT has three parts: the client sent something else, or cut it")
	}
}

func (a *denialAdvice) algorithm() {
	a.addFact("alg", redact.Name(a.unverified.Algorithm))
	issuer := a.issuer()
	switch {
	case !slices.Contains(token.DefaultAlgorithms(), a.unverified.Algorithm):
		a.advise("none, symmetric and unknown algorithms are never accepted: have the authorization server sign "+
			"with one of %s",
			strings.Join(token.DefaultAlgorithms(), " "))
	case issuer != nil && !slices.Contains(issuer.Algorithms, a.unverified.Algorithm):
		a.addFactList("accepted", issuer.Algorithms)
		a.advise("alg is not in the issuer's algorithms: add it there if the authorization server signs with it")
	default:
		a.advise("the key that kid names is for another alg: the token was changed, or the authorization server's " +
			"key set is wrong")
	}
}

func (a *denialAdvice) tokenType() {
	profile := token.Standard
	if issuer := a.issuer(); issuer != nil {
		profile = issuer.Profile
	}
	a.addFact("typ", redact.Name(a.unverified.Type))
	a.addFact("profile", profile.String())
	if profile == token.RFC9068 && (a.unverified.Type == "" || a.unverified.Type == "jwt") {
		a.advise("under profile rfc9068 an access token says typ: at+jwt: have the client send the access token, or " +
			"set profile: standard where the issuer's access tokens do not say so")
		return
	}
	a.advise("the token is an ID token or of another kind, see cause: have the client send the access token")
}

func (a *denialAdvice) unknownIssuer() {
	trusted := a.v.resource.Issuers
	a.addFact("iss", redact.Name(a.unverified.Issuer))
	a.addFactList("accepted", trusted)
	if a.otherTenant() {
		return
	}
	for _, issuer := range trusted {
		switch {
		case sameButSlash(issuer, a.unverified.Issuer):
			a.advise("iss differs from the issuer %s in its last slash alone: write the issuer as its tokens and "+
				"its metadata do, byte for byte", issuer)
			return
		case issuer != a.unverified.Issuer && strings.EqualFold(issuer, a.unverified.Issuer):
			a.advise("iss differs from the issuer %s in capital letters alone: write the issuer as its tokens and "+
				"its metadata do, byte for byte", issuer)
			return
		}
	}
	if a.state.Issuers[a.unverified.Issuer] != nil {
		a.advise("iss is a configured issuer, and not one of this resource: have the client log in where the " +
			"metadata of this resource says")
	}
}

// otherTenant advises on an issuer that was found by name and whose token is of
// another tenant or trust domain; it reports whether it did.
func (a *denialAdvice) otherTenant() bool {
	if issuer := a.issuer(); issuer != nil && issuer.TrustDomain != "" {
		a.advise("sub is no SPIFFE ID of the issuer's trust domain %s", issuer.TrustDomain)
		return true
	} else if issuer != nil {
		a.advise("tid and iss name different tenants: " +
			"have the client send a token as the authorization server issued it")
		return true
	}
	for _, id := range a.v.resource.Issuers {
		issuer := a.state.Issuers[id]
		if issuer == nil || issuer.Placeholder() == "" {
			continue
		}
		before, after, _ := strings.Cut(id, "{"+issuer.Placeholder()+"}")
		rest, begins := strings.CutPrefix(a.unverified.Issuer, before)
		if !begins || !strings.HasSuffix(rest, after) {
			continue
		}
		if tenant, listed := issuer.MatchTenant(a.unverified.Issuer); listed {
			a.advise("the token is of tenant %s, and the URL is that of %s: have the user log in there",
				tenant, a.v.resource.Values[issuer.Placeholder()])
			return true
		}
		a.advise("iss fills %s with a tenant that is not listed: add it to tenants if its users are to have access", id)
		return true
	}
	return false
}

func (a *denialAdvice) claims() {
	issuer := a.issuer()
	if issuer == nil {
		return
	}
	a.addFact("profile", issuer.Profile.String())
	name, absent := strings.CutSuffix(a.v.cause, ": absent")
	switch {
	case absent && name == "aud":
		a.advise("aud is absent: have the authorization server write the resource there. Where it cannot, write the " +
			"client ids that are registered for this resource alone under clients")
	case absent && slices.Contains([]string{"iss", "exp"}, name):
		a.advise("every access token must have %s: have the authorization server write it", name)
	case absent:
		a.advise("profile %s demands %s (RFC 9068, section 2.2): have the authorization server write it, or set "+
			"profile: standard",
			issuer.Profile, name)
	default:
		a.advise("a claim has the wrong type or value, see cause: have the authorization server write it as RFC " +
			"7519 and RFC 9068 do")
	}
}

func (a *denialAdvice) expired() {
	_, skew := a.state.Verifier.Bounds()
	a.addTime("exp", a.unverified.Expiry)
	a.addFact("late", roundedDuration(a.state.Verifier.Now().Sub(a.unverified.Expiry)))
	a.addFact("clock_skew", skew.String())
}

func (a *denialAdvice) notYetValid() {
	const most = 5 * time.Minute // that clock_skew may be
	_, skew := a.state.Verifier.Bounds()
	now := a.state.Verifier.Now()
	name, at := "nbf", a.unverified.NotBefore
	if !at.After(now.Add(skew)) {
		name, at = "iat", a.unverified.IssuedAt
	}
	a.addTime(name, at)
	a.addFact("early", roundedDuration(at.Sub(now)))
	a.addFact("clock_skew", skew.String())
	if at.Sub(now) > most {
		a.advise("%s lies further in the future than clock_skew may bridge: compare the clocks", name)
	}
}

func (a *denialAdvice) addTime(name string, at time.Time) {
	if !at.IsZero() {
		a.addFact(name, at.UTC().Format(time.RFC3339))
	}
}

// roundedDuration is a duration as a person reads it. What is over before the line is
// written counts as the shortest.
func roundedDuration(d time.Duration) string { return max(d.Round(time.Second), time.Second).String() }

func (a *denialAdvice) key() {
	kid := "none"
	if a.unverified.HasKeyID {
		kid = redact.Name(a.unverified.KeyID)
	}
	a.addFact("kid", kid)
	a.addFact("alg", a.unverified.Algorithm) // one that is known
	if a.v.reason == reason.KeyUnknown && !a.unverified.HasKeyID {
		a.advise("the token names no key, and of the issuer's keys none fits its algorithm, or too many do: have " +
			"the authorization server write kid")
	}
}

// bindingUnproven depends on what the token demands and how it was presented, in
// the order in which that is checked.
func (a *denialAdvice) bindingUnproven() {
	demanded := a.v.claims.Confirmation()
	byDPoP := strings.EqualFold(a.scheme, token.SchemeDPoP)
	a.addFact("dpop", a.v.resource.DPoP)
	switch {
	case demanded.Unknown, demanded.Present && demanded.Thumbprint == "" && demanded.Certificate == "":
		a.advise("cnf demands a proof that is neither jkt (RFC 9449) nor x5t#S256 (RFC 8705): no other is " +
			"supported")
	case byDPoP && demanded.Thumbprint == "":
		a.advise("the client sent a token under DPoP that is bound to no key: have it ask for one with a DPoP " +
			"proof, or send it as Bearer")
	case demanded.Thumbprint != "" && !a.v.resource.TakesDPoP():
		a.advise("the token is bound to a DPoP key, and the resource takes no DPoP: set dpop: optional there")
	case demanded.Thumbprint != "" && !byDPoP:
		a.advise("the token is bound to a DPoP key and was sent as Bearer: have the client send it as DPoP, with a " +
			"proof")
	case demanded.Thumbprint == "" && a.v.resource.RequiresDPoP():
		a.advise("the resource has dpop: required, and the token is bound to no key: have the client ask for one " +
			"with a DPoP proof (RFC 9449)")
	case demanded.Certificate != "":
		a.certificate()
	}
}

func (a *denialAdvice) certificate() {
	where := "set include_peer_certificate in Envoy"
	shown := a.req.sourceCertificate != ""
	if a.v.resource.ReadsXFCC() {
		where = "have the proxy before it write x-forwarded-client-cert"
		shown = len(a.req.headers.Values("x-forwarded-client-cert")) > 0
	}
	if shown {
		a.advise("the token is bound to a certificate, and another one or an unreadable one was shown: the client " +
			"must use the one it logged in with")
		return
	}
	a.advise("the token is bound to a certificate, and none was shown: %s, and have the client use mutual TLS", where)
}
