package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/explain"
	"github.com/doorward/doorward/internal/service"
)

// bundlesWithin is how long explain waits for bundles.
const bundlesWithin = 5 * time.Second

// errRefused is how explain ends where the client would be refused.
var errRefused = errors.New("the request would be refused")

// explanation is one run of explain.
type explanation struct {
	paths, headers            []string
	url, method, source       string
	tokenFile, insecureClaims string
	mcpMethod, mcpName        string
	asJSON                    bool
	stdin                     io.Reader
	now                       func() time.Time
}

func explainCommand(now func() time.Time) *cobra.Command {
	x := &explanation{now: now}
	cmd := &cobra.Command{
		Use:   "explain --config PATH --url URL",
		Short: "Show why one request is allowed or refused, step by step",
		Long: "Runs one request through the steps of serve and prints each, the rule that decided\n" +
			"and the exact answer the client would get. Keys that are not in files, and\n" +
			"policy bundles, are fetched for this run. What Envoy alone knows (the client's certificate, context\n" +
			"extensions) is not part of the request, its address only with --source-address.\n\n" +
			"Exit code: 0 allowed, 3 refused, 1 where nothing could be decided (503) or read.",
		Example: "  doorward explain --config doorward.yaml --url https://mcp.example.com/mcp --token-file " +
			"token.txt\n" +
			"  get-token | doorward explain --config doorward.yaml --url https://mcp.example.com/mcp --token-file - " +
			"--json",
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
	f.StringVar(&x.mcpMethod, "mcp-method", "", "MCP method that the body asks for, such as tools/call")
	f.StringVar(&x.mcpName, "mcp-name", "", "its tool, prompt, URI or reference")
	f.StringVar(&x.tokenFile, "token-file", "", "file with the access token, - for standard input")
	f.StringVar(&x.insecureClaims, "insecure-claims", "",
		"JSON file with claims to use as if a trusted issuer had signed them")
	f.BoolVar(&x.asJSON, "json", false, "print one JSON document")
	return cmd
}

func (x *explanation) run(cmd *cobra.Command) error {
	switch {
	case len(x.paths) == 0:
		return errNoConfig
	case x.url == "":
		return errors.New("--url URL is missing")
	case x.tokenFile != "" && x.insecureClaims != "":
		return errors.New("--insecure-claims takes the place of --token-file: write one of them")
	}
	request, err := explain.NewRequest(x.method, x.url, x.headers)
	if err != nil {
		return err
	}
	if err := request.SetSource(x.source); err != nil {
		return err
	}
	if err := request.SetOperation(x.mcpMethod, x.mcpName); err != nil {
		return err
	}
	revision, problems := fetched(cmd.Context(), x.paths)
	if err := printStep(cmd, revision, problems); err != nil {
		return err
	}
	if err := x.readToken(request); err != nil {
		return &failure{err}
	}
	report, err := explain.Run(cmd.Context(), revision, request, x.now)
	if err != nil {
		return &failure{err}
	}
	write := report.WriteText
	if x.asJSON {
		write = report.WriteJSON
	}
	if err := write(cmd.OutOrStdout()); err != nil {
		return &failure{err}
	}
	return outcomeError(report.Outcome)
}

// outcomeError is the error that makes the exit code.
func outcomeError(outcome string) error {
	switch outcome {
	case explain.Allowed, explain.Answered:
		return nil
	case explain.Refused:
		return errRefused
	default:
		return &failure{}
	}
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

// readToken adds the token, or the unsigned claims, to the request.
func (x *explanation) readToken(request *explain.Request) error {
	switch {
	case x.tokenFile != "":
		content, err := readSecret(x.tokenFile, x.stdin)
		if err != nil {
			return fmt.Errorf("--token-file: %w", err)
		}
		request.SetToken(string(bytes.TrimSpace(content)))
	case x.insecureClaims != "":
		content, err := readSecret(x.insecureClaims, x.stdin)
		if err != nil {
			return fmt.Errorf("--insecure-claims: %w", err)
		}
		return request.SetUnsignedClaims(content)
	}
	return nil
}

// longestFile bounds what is read as a token or as claims, in bytes.
const longestFile = 1 << 20

// readSecret reads a file, or standard input for "-". The error does not repeat
// what is in it.
func readSecret(name string, stdin io.Reader) ([]byte, error) {
	from := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		from = file
	}
	content, err := io.ReadAll(io.LimitReader(from, longestFile+1))
	if err != nil {
		return nil, err
	}
	if len(content) > longestFile {
		return nil, fmt.Errorf("%s has more than %s: no token is that long", name, count(longestFile, "byte"))
	}
	return content, nil
}
