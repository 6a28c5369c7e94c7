package explain

import (
	"context"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/service"
)

// keysWithin is how long Run waits for the keys of an issuer, besides the wait
// that every Check may take.
const keysWithin = 5 * time.Second

// Run activates the revision as serve would, without a port, and explains what
// it answers to the request. It fetches the keys of the token's issuer unless
// the configuration has them.
func Run(ctx context.Context, p *service.Revision, q *Request, now func() time.Time) (*Report, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	only := *p
	only.Config = narrowed(p.Config, q)
	checks, err := service.Offline(ctx, &only, now)
	if err != nil {
		return nil, err
	}
	keysProblem := "" // why there are no keys of the issuer
	unverified, _ := token.ReadUnverified(q.token)
	for _, issuer := range p.Config.Issuers {
		if mayBeNamed(issuer, unverified) {
			keysProblem = awaitKeys(ctx, checks.State().Issuers[issuer.Keys.Issuer])
		}
	}
	if only.Config.TrustClientAddress {
		q.showClient()
	}
	e := checks.Explain(ctx, q.check(), now)
	return newReport(q, &e, p.Config.Resources, now(), keysProblem), nil
}

// narrowed is the configuration with keys of the one issuer that the token names,
// so that no other issuer is asked for keys. The others are there without keys,
// because the advice compares the token with them. It does not use the cache
// directory, because serve may not be able to read files that another user writes,
// and it logs no decision, because the request did not happen.
func narrowed(cfg *config.Config, q *Request) *config.Config {
	narrow := *cfg
	narrow.Issuers, narrow.DecisionLog, narrow.JWKSCacheDir = nil, config.DecisionLog{To: config.Off}, ""
	unverified, _ := token.ReadUnverified(q.token)
	for _, issuer := range cfg.Issuers {
		switch {
		case !mayBeNamed(issuer, unverified):
			issuer = trustingOnly(issuer, []byte(`{"keys":[]}`))
		case q.keySet != nil:
			issuer = trustingOnly(issuer, q.keySet)
			if issuer.Profile == token.RFC9068 { // typ is a mark of an access token that others need not have
				q.sign("at+jwt")
			}
		}
		issuer.Keys.CacheDir = ""
		narrow.Issuers = append(narrow.Issuers, issuer)
	}
	return &narrow
}

// mayBeNamed reports whether a token may be of an issuer, by its iss or, where
// that is absent, by the trust domain in sub.
func mayBeNamed(issuer config.Issuer, unverified token.Unverified) bool {
	if unverified.Issuer == "" {
		return issuer.TrustDomain != "" && strings.HasPrefix(unverified.Subject, "spiffe://"+issuer.TrustDomain+"/")
	}
	_, matches := issuer.Rules(nil).MatchTenant(unverified.Issuer)
	return matches
}

// awaitKeys waits until there are keys, and says what is wrong where there are
// none.
func awaitKeys(ctx context.Context, issuer *token.Issuer) string {
	ctx, cancel := context.WithTimeout(ctx, keysWithin)
	defer cancel()
	issuer.Keys.Find(ctx, nil, "") // what it finds is for the Check to say
	if status := issuer.Keys.Status(); status.Keys == 0 {
		return strings.TrimSpace(status.State + ": " + status.Problem)
	}
	return ""
}
