// Package online fetches once what serve would fetch, and reports what serve would
// write to its log and show on /readyz, before a request depends on it. It writes
// no files, opens no port, and sends the requests of serve alone.
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

// Keys fetches the keys of all issuers at once and returns the results in their
// order. It parses static keys, and fetches nothing for them.
func Keys(ctx context.Context, issuers []config.Issuer) []jwks.Status {
	return each(issuers, func(issuer config.Issuer) jwks.Status {
		return issuer.Keys.FetchOnce(ctx)
	})
}

// KeyProblems returns what is wrong with the keys of an issuer, at the place where
// the configuration names it: an error if there are no keys, and a warning for each
// key that is published and not used.
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

// KeyLine returns a line about the keys of an issuer without problems; "" for
// static keys.
func KeyLine(keys jwks.Status) string {
	if keys.Place == "" {
		return ""
	}
	return fmt.Sprintf("%s: %d keys from %s", keys.Issuer, keys.Keys, keys.Place)
}

// Bundles fetches all bundles at once and returns the results in their order.
func Bundles(ctx context.Context, wanted []bundles.Options) []bundles.Status {
	return each(wanted, func(o bundles.Options) bundles.Status { return bundles.Fetch(ctx, o) })
}

// BundleLine returns a line about a fetched bundle.
func BundleLine(o bundles.Options, fetched *bundles.Bundle) string {
	line := fmt.Sprintf("bundle %s: roots %s", o.Name, strings.Join(fetched.Content.Roots, " "))
	if fetched.Revision != "" {
		line += fmt.Sprintf(", revision %q", fetched.Revision)
	}
	if fetched.Serial != 0 {
		line += fmt.Sprintf(", serial %d", fetched.Serial)
	}
	return line
}

// each calls fetch for all places at once.
func each[A, B any](places []A, fetch func(A) B) []B {
	results := make([]B, len(places))
	var running sync.WaitGroup
	for i, place := range places {
		running.Go(func() { results[i] = fetch(place) })
	}
	running.Wait()
	return results
}
