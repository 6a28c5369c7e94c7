// Package online fetches once what serve would fetch, and says of it what serve
// says in its log and on /readyz, before a request depends on it. It keeps
// nothing, opens no port, and sends nothing but the requests of serve.
package online

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/internal/bundles"
	"github.com/doorward/doorward/internal/config"
)

// Keys fetches the keys of all issuers at once; the answers are in their order.
// Static keys are parsed; nothing is fetched for them.
func Keys(ctx context.Context, issuers []config.Issuer) []jwks.Status {
	return each(issuers, func(issuer config.Issuer) jwks.Status {
		return issuer.Keys.FetchOnce(ctx)
	})
}

// KeyProblems are what is wrong with the keys of an issuer, at the place where
// the configuration names it: an error where there is none, and a warning for
// each that is published and not used.
func KeyProblems(issuer config.Issuer, keys jwks.Status) finding.List {
	at := finding.Finding{File: issuer.File, Line: issuer.Line, Column: issuer.Column}
	if keys.Problem != "" {
		at.Message = fmt.Sprintf("no keys of %s: %s (%s)", keys.Issuer, keys.Problem, keys.Cause)
		return finding.List{at}
	}
	if keys.Place == "" { // static keys: the configuration's own check reports them
		return nil
	}
	var problems finding.List
	at.Severity = finding.Warning
	for _, key := range keys.Skipped {
		at.Message = fmt.Sprintf("key %d of %s is not used, its kid is %q: %s", key.Index, keys.Place, key.ID, key.Why)
		problems = append(problems, at)
	}
	return problems
}

// KeyLine says in a line what came from an issuer without problems; "" where
// nothing was to be fetched.
func KeyLine(keys jwks.Status) string {
	if keys.Place == "" {
		return ""
	}
	return fmt.Sprintf("%s: %d keys from %s", keys.Issuer, keys.Keys, keys.Place)
}

// Bundles fetches all bundles at once; the answers are in their order.
func Bundles(ctx context.Context, wanted []bundles.Options) []bundles.Status {
	return each(wanted, func(o bundles.Options) bundles.Status { return bundles.Fetch(ctx, o) })
}

// BundleLine says in a line what is there now.
func BundleLine(o bundles.Options, there *bundles.Bundle) string {
	line := fmt.Sprintf("bundle %s: roots %s", o.Name, strings.Join(there.Content.Roots, " "))
	if there.Revision != "" {
		line += fmt.Sprintf(", revision %q", there.Revision)
	}
	if there.Serial != 0 {
		line += fmt.Sprintf(", serial %d", there.Serial)
	}
	return line
}

func each[A, B any](asked []A, ask func(A) B) []B {
	answers := make([]B, len(asked))
	var all sync.WaitGroup
	for i, one := range asked {
		all.Go(func() { answers[i] = ask(one) })
	}
	all.Wait()
	return answers
}
