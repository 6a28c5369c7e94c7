package service

import (
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/bundles"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/snapshot"
	"github.com/doorward/doorward/rego"
)

// Revision is a configuration and its compiled policy, both without errors. It
// is what a [Service] activates. It never changes.
type Revision struct {
	Config *config.Config
	Policy *policy.Engine

	parts       Parts
	policyFiles []string

	files     *snapshot.Snapshot // what was read for it, sealed
	fromFiles fromFiles
	hash      string // of the files; bundles have revisions of their own
}

// Parts are what a policy is compiled from besides the configuration.
type Parts struct {
	// Bundles are by name. A bundle of the configuration that is missing here
	// makes a revision that decides nothing.
	Bundles map[string]*bundles.Bundle
	// Revocations are the list in one of the bundles.
	Revocations Revocations
	// Cache remembers decisions; nil remembers nothing.
	Cache *policy.DecisionCache
	// Files is where policy files are read; nil for the file system itself.
	Files fs.FS
}

// fromFiles is what activation needs of files that the configuration names. A new
// revision for a bundle takes it from the one before.
type fromFiles struct {
	tls           *tls.Config // nil without a certificate
	decisionLogCA string
	egressTLS     map[string]*tls.Config // by address
}

func readFiles(cfg *config.Config, files *snapshot.Snapshot) (f fromFiles, err error) {
	if f.tls, err = readTLS("listen.tls", cfg.Listen.TLS, files); err != nil {
		return f, err
	}
	if f.egressTLS, err = readEgressTLS(cfg, files); err != nil {
		return f, err
	}
	if cfg.DecisionLog.CAFile != "" {
		ca, err := files.ReadFile(cfg.DecisionLog.CAFile)
		if err != nil {
			return f, fmt.Errorf("decision_log: %w", err)
		}
		f.decisionLogCA = string(ca)
	}
	return f, nil
}

// Compose compiles the policy of a configuration and tests it on fixed requests
// to every resource. The revision is nil if a problem is an error.
func Compose(ctx context.Context, cfg *config.Config, parts Parts) (*Revision, finding.List) {
	src := PolicySources(cfg, cfg.PolicyPaths, cfg.Packages)
	src.Cache, src.Files = parts.Cache, parts.Files
	for _, o := range cfg.Bundles {
		if b := parts.Bundles[o.Name]; b != nil {
			src.Bundles = append(src.Bundles, b.Content)
		} else {
			src.Missing = append(src.Missing, o.Name)
		}
	}
	engine, files, problems := Compile(ctx, src, cfg.Packages)
	if engine == nil {
		return nil, problems
	}
	if failed := SelfTest(ctx, engine, cfg); len(failed) > 0 {
		return nil, append(problems, failed...)
	}
	return &Revision{Config: cfg, Policy: engine, policyFiles: files, parts: parts}, problems
}

// Verifier verifies tokens within the limits of the revision, at the time that
// now returns.
func (r *Revision) Verifier(now func() time.Time) *token.Verifier {
	return token.NewVerifier(token.Options{
		MaxBytes:  int(r.Config.Limits.TokenBytes),
		ClockSkew: r.Config.ClockSkew,
		InFlight:  r.Config.Limits.SignaturesInFlight,
		Waiting:   r.Config.Limits.SignaturesWaiting,
		ReadsID:   r.revokes(),
		Now:       now,
	})
}

// revokes reports whether the configuration names a revocation list.
func (r *Revision) revokes() bool {
	return r.Config.RevocationFile != "" ||
		slices.ContainsFunc(r.Config.Bundles, func(o bundles.Options) bool { return o.Revocations != "" })
}

// Compile compiles a policy and lists the files that it was compiled from. The
// engine is nil if a problem is an error.
func Compile(
	ctx context.Context, src policy.Sources, packages config.Packages,
) (*policy.Engine, []string, finding.List) {
	engine, faults := policy.Compile(ctx, src)
	problems := packages.Locate(faults)
	files, err := policy.Files(src.Files, src.Paths)
	if err != nil && engine != nil { // removed since it was compiled
		return nil, nil, append(problems, finding.Finding{File: "policy.paths", Message: err.Error()})
	}
	return engine, files, problems
}

// SelfTest evaluates the policy on fixed requests to every resource.
func SelfTest(ctx context.Context, engine *policy.Engine, cfg *config.Config) finding.List {
	issuers := map[string]string{}
	for _, i := range cfg.Issuers {
		issuers[i.Keys.Issuer] = i.Names()[0]
	}
	var targets []policy.Target
	for _, res := range cfg.Resources.All() {
		issuer := issuers[res.Issuers[0]]
		targets = append(targets, policy.Target{Resource: policyResource(filledIn(cfg.Resources, res)), Issuer: issuer})
	}
	return cfg.Packages.Locate(engine.SelfTest(ctx, cfg.Limits.CheckTimeout, targets))
}

// filledIn is a resource as a request finds it: a pattern has some values.
func filledIn(table *resource.Table, res *resource.Resource) *resource.Resource {
	names, err := resource.Placeholders(res.URI)
	if err != nil || len(names) == 0 {
		return res
	}
	uri := res.URI
	for _, name := range names {
		uri = strings.ReplaceAll(uri, "{"+name+"}", "trial")
	}
	if found := table.Named(uri, ""); found != nil {
		return found
	}
	return res
}

// PolicySources are the team's files and the built-in rules. With a cfg, rules
// are compared with its resources and issuers too; nil compares nothing.
func PolicySources(cfg *config.Config, paths []string, packages config.Packages) policy.Sources {
	src := policy.Sources{Library: rego.Files, Paths: paths, Packages: packages.ByResource()}
	if cfg == nil {
		return src
	}
	src.Scopes, src.Egress = []string{}, cfg.Egress != nil
	for _, r := range cfg.Resources.All() {
		src.Resources = append(src.Resources, policyResource(r))
		src.Scopes = append(src.Scopes, r.LearntScopes()...)
		if len(r.Anonymous) > 0 {
			src.Anonymous = append(src.Anonymous, r.Name)
		}
	}
	for _, o := range cfg.Bundles {
		if o.Revocations != "" {
			src.DataRead = append(src.DataRead, o.Revocations)
		}
	}
	for _, i := range cfg.Issuers {
		src.Issuers = append(src.Issuers, i.Names()...)
	}
	return src
}

// policyResource is a resource as rules see it.
func policyResource(r *resource.Resource) policy.Resource {
	return policy.Resource{
		Name: r.Name, URI: r.URI, Audiences: r.Audiences, Scopes: r.Scopes, Labels: r.Labels,
		Aliases: r.Aliases, Clients: r.Clients, Parameters: r.Values, ScopesAny: r.ScopesAny,
	}
}

// DescribeDecisions reports whether the decisions for a resource are cached.
func DescribeDecisions(engine *policy.Engine, resource string) string {
	switch {
	case len(engine.Missing()) > 0:
		return "decisions depend on bundles, which only serve and check --online download"
	case engine.For(resource).Cacheable():
		return "decisions are cached"
	}
	return "decisions are evaluated at every request, the warnings say why"
}
