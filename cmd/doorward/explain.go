package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/service"
)

// keysWithin is how long explain waits for the keys of an issuer, besides the
// wait that every Check may take, and before that for bundles.
const keysWithin = 5 * time.Second

// errRefused is how explain ends where the client would be refused.
var errRefused = errors.New("the request would be refused")

// explanation is one run of explain.
type explanation struct {
	paths, headers            []string
	url, method, source       string
	tokenFile, insecureClaims string
	asJSON                    bool
	stdin                     io.Reader
	now                       func() time.Time
	request                   *explainRequest
	keysProblem               string // why the issuer's keys cannot be had
}

func explainCommand(now func() time.Time) *cobra.Command {
	x := &explanation{now: now}
	cmd := &cobra.Command{
		Use:   "explain --config PATH --url URL",
		Short: "Show why one request is allowed or refused, step by step",
		Long: "Runs one request through the steps of serve and prints each, the rule that decided\n" +
			"and the exact answer the client would get. Keys that are not given in files, and\n" +
			"policy bundles, are fetched for this run. What Envoy alone knows (the client's certificate, context\n" +
			"extensions) is not part of the request, its address only with --source-address.\n\n" +
			"Exit code: 0 allowed, 3 refused, 1 where nothing could be decided (503) or read.",
		Example: "  doorward explain --config doorward.yaml --url https://mcp.example.com/mcp --token-file token.txt\n" +
			"  get-token | doorward explain --config doorward.yaml --url https://mcp.example.com/mcp --token-file - --json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			x.stdin = cmd.InOrStdin()
			return x.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&x.paths, "config", nil, "file, or directory of *.yaml; may be repeated")
	f.StringVar(&x.url, "url", "", "URL as the client asks for it")
	f.StringVar(&x.method, "method", "POST", "HTTP method")
	f.StringArrayVar(&x.headers, "header", nil, "header of the request, 'Name: value'; may be repeated")
	f.StringVar(&x.source, "source-address", "", "IP address that the request comes from, for rules that read it")
	f.StringVar(&x.tokenFile, "token-file", "", "file with the access token, - for standard input")
	f.StringVar(&x.insecureClaims, "insecure-claims", "", "JSON file with claims to judge as if a trusted issuer had signed them")
	f.BoolVar(&x.asJSON, "json", false, "print one JSON document")
	return cmd
}

func (x *explanation) run(cmd *cobra.Command) error {
	switch {
	case len(x.paths) == 0:
		return errNoConfig
	case x.url == "":
		return errors.New("no --url URL is given")
	case x.tokenFile != "" && x.insecureClaims != "":
		return errors.New("--insecure-claims takes the place of --token-file: give one of them")
	}
	var err error
	if x.request, err = newExplainRequest(x.method, x.url, x.headers); err != nil {
		return err
	}
	if err := x.request.from(x.source); err != nil {
		return err
	}
	revision, problems := fetched(cmd.Context(), x.paths)
	if err := printStep(cmd, revision, problems); err != nil {
		return err
	}
	keySet, err := x.readToken()
	if err != nil {
		return &failure{err}
	}
	told, err := x.ask(cmd.Context(), revision, keySet)
	if err != nil {
		return &failure{err}
	}
	r := x.report(told, revision)
	if err := x.print(cmd.OutOrStdout(), r); err != nil {
		return &failure{err}
	}
	return r.end()
}

// printStep prints problems where check does. Warnings beside a good configuration
// go to stderr, so that what is on stdout is the explanation alone.
func printStep(cmd *cobra.Command, revision *service.Revision, problems finding.List) error {
	out := cmd.ErrOrStderr()
	if revision == nil {
		out = cmd.OutOrStdout()
	}
	for _, problem := range problems {
		if _, err := fmt.Fprintln(out, problem); err != nil {
			return &failure{err}
		}
	}
	if revision == nil {
		return &failure{errors.New(count(len(problems.Errors()), "problem"))}
	}
	return nil
}

// readToken puts the token into the question. The key set is nil unless the
// token was made of unsigned claims.
func (x *explanation) readToken() (keySet []byte, err error) {
	switch {
	case x.tokenFile != "":
		content, err := readSecret(x.tokenFile, x.stdin)
		if err != nil {
			return nil, fmt.Errorf("--token-file: %w", err)
		}
		x.request.present(string(bytes.TrimSpace(content)))
		return nil, nil
	case x.insecureClaims != "":
		content, err := readSecret(x.insecureClaims, x.stdin)
		if err != nil {
			return nil, fmt.Errorf("--insecure-claims: %w", err)
		}
		compact, keySet, err := sign(content)
		x.request.present(compact)
		return keySet, err
	}
	return nil, nil
}

// ask brings the plan in force as serve would, without a port, and asks it.
func (x *explanation) ask(ctx context.Context, p *service.Revision, keySet []byte) (extauthz.Explanation, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	only := *p
	only.Config = x.narrowed(p.Config, keySet)
	checks, err := service.Offline(ctx, &only, x.now)
	if err != nil {
		return extauthz.Explanation{}, err
	}
	for _, issuer := range checks.State().Issuers {
		x.keysProblem = awaitKeys(ctx, issuer)
	}
	if only.Config.TrustClientAddress {
		x.request.showClient()
	}
	return checks.Explain(ctx, x.request.check(), x.now), nil
}

// narrowed is the configuration with the one issuer that the token names, so
// that nobody else is asked for keys. Keys that serve keeps are left alone:
// they would be replaced by files that serve may not read. Nor is anything
// logged: what is explained has not happened.
func (x *explanation) narrowed(cfg *config.Config, keySet []byte) *config.Config {
	narrow := *cfg
	narrow.Issuers, narrow.DecisionLog, narrow.JWKSCacheDir = nil, config.DecisionLog{To: config.Off}, ""
	said, _ := token.ReadUnverified(x.request.token)
	for _, issuer := range cfg.Issuers {
		switch {
		case issuer.Keys.Issuer != said.Issuer:
			continue
		case keySet != nil:
			issuer = trustingOnly(issuer, keySet)
		}
		issuer.Keys.CacheDir = ""
		narrow.Issuers = append(narrow.Issuers, issuer)
	}
	return &narrow
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
