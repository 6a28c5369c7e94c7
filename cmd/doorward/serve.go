package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/policy"
)

// inlineFlags are the flags of the form without a file.
type inlineFlags struct {
	resource                          string
	issuers, scopes, policy, insecure []string
	grpcAddr, httpAddr                string
}

func serveCommand() *cobra.Command {
	var paths []string
	var flags inlineFlags
	var reference bool
	cmd := &cobra.Command{
		Use:   "serve (--config PATH... | --resource URI --issuer URL)",
		Short: "Answer Envoy's external-authorization calls",
		Example: "  doorward serve --config doorward.yaml\n" +
			"  doorward serve --resource https://mcp.example.com/mcp --issuer https://as.example.com --scope mcp:read",
		RunE: func(cmd *cobra.Command, more []string) error {
			paths = append(paths, more...)
			read, err := flags.source(paths)
			if err != nil {
				return err
			}
			return serve(cmd, paths, flags, read, reference)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&paths, "config", nil, "file, or directory of *.yaml; may be repeated")
	f.StringVar(&flags.resource, "resource", "", "canonical URI of the one resource")
	f.StringArrayVar(&flags.issuers, "issuer", nil, "issuer identifier of an authorization server; may be repeated")
	f.StringArrayVar(&flags.scopes, "scope", nil, "scope that every request needs; may be repeated")
	f.StringArrayVar(&flags.policy, "policy", nil, "Rego file or folder; may be repeated")
	f.StringArrayVar(&flags.insecure, "insecure-http-host", nil, "host, or \"loopback\", that may be http://; may be repeated")
	f.StringVar(&flags.grpcAddr, "grpc-addr", "", "where Envoy calls (default 127.0.0.1:9191)")
	f.StringVar(&flags.httpAddr, "http-addr", "", "metrics, health and metadata documents (default 127.0.0.1:9190)")
	f.BoolVar(&reference, "reference-decoder", false, "decode Checks with the generated protobuf code, for comparison")
	return cmd
}

// source is where the configuration comes from: files or flags, not both.
func (s *inlineFlags) source(paths []string) (source, error) {
	given := s.given()
	switch {
	case len(paths) > 0 && len(given) > 0:
		return nil, fmt.Errorf("%s and --config exclude each other: write the value into the file", strings.Join(given, ", "))
	case len(paths) > 0:
		return func() (*config.Config, config.Problems) { return config.Load(paths) }, nil
	case len(given) == 0:
		return nil, errors.New("give --config PATH, or --resource URI and --issuer URL")
	case s.resource == "":
		return nil, errors.New("--resource is missing: write the URL that clients use")
	case len(s.issuers) == 0:
		return nil, errors.New("--issuer is missing: write the exact iss of its tokens")
	}
	return func() (*config.Config, config.Problems) {
		return config.FromFlags(s.resource, s.issuers, s.scopes, s.policy, s.insecure, s.grpcAddr, s.httpAddr)
	}, nil
}

// given names the flags that somebody wrote.
func (s *inlineFlags) given() []string {
	var flags []string
	for _, f := range []struct {
		name    string
		written bool
	}{
		{"--resource", s.resource != ""},
		{"--issuer", len(s.issuers) > 0},
		{"--scope", len(s.scopes) > 0},
		{"--policy", len(s.policy) > 0},
		{"--insecure-http-host", len(s.insecure) > 0},
		{"--grpc-addr", s.grpcAddr != ""},
		{"--http-addr", s.httpAddr != ""},
	} {
		if f.written {
			flags = append(flags, f.name)
		}
	}
	return flags
}

// serve runs the service until the command's context ends and the drain is
// over.
func serve(cmd *cobra.Command, paths []string, flags inlineFlags, read source, reference bool) error {
	defer runtime.KeepAlive(tuneCollector())
	// Taken before anything else: to a program that does not listen for it, a
	// hangup is the end.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	// Whoever reads our output may end before us: that is an error of a write,
	// and not the end of the door.
	signal.Ignore(syscall.SIGPIPE)
	files := watcher{paths: paths, flags: flags, read: read, memory: policy.NewDecisionCache()}
	plan, problems, seen := files.load(cmd.Context(), nil, files.withoutBundles)
	var level slog.LevelVar
	log := newLogger(cmd, plan, &level)
	for _, problem := range problems {
		logProblem(log, problem)
	}
	if plan == nil {
		log.Error("the configuration was refused")
		return &failure{}
	}
	if err := newService(log, &level, cmd.OutOrStdout(), files, reference).run(cmd.Context(), plan, seen, hangup); err != nil {
		log.Error("doorward cannot serve", slog.String("problem", err.Error()))
		return &failure{}
	}
	return nil
}

// newLogger writes JSON for machines and text for a person at a terminal.
func newLogger(cmd *cobra.Command, plan *revision, level *slog.LevelVar) *slog.Logger {
	stderr := cmd.ErrOrStderr()
	file, isFile := stderr.(*os.File)
	text := isFile && term.IsTerminal(int(file.Fd()))
	if plan != nil {
		level.Set(plan.config.Log.Level)
		if format := plan.config.Log.Format; format != "auto" {
			text = format == "text"
		}
	}
	options := &slog.HandlerOptions{Level: level}
	if text {
		return slog.New(slog.NewTextHandler(stderr, options))
	}
	return slog.New(slog.NewJSONHandler(stderr, options))
}

func logProblem(log *slog.Logger, problem config.Problem) {
	if problem.Warning {
		log.Warn("configuration", slog.String("warning", problem.String()))
		return
	}
	log.Error("configuration", slog.String("problem", problem.String()))
}
