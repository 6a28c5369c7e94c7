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

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/service"
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
	cmd := &cobra.Command{
		Use:   "serve (--config PATH... | --resource URI --issuer URL)",
		Short: "Answer Envoy's external-authorization calls",
		Example: "  doorward serve --config doorward.yaml\n" +
			"  doorward serve --resource https://mcp.example.com/mcp --issuer https://as.example.com --scope mcp:read",
		RunE: func(cmd *cobra.Command, more []string) error {
			paths = append(paths, more...)
			source, err := flags.source(paths)
			if err != nil {
				return err
			}
			return serve(cmd, source)
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
	return cmd
}

// source is where the configuration comes from: files or flags, not both.
func (s *inlineFlags) source(paths []string) (service.Source, error) {
	source := service.Source{Paths: paths, Flags: fmt.Sprint(*s)}
	written := s.written()
	switch {
	case len(paths) > 0 && len(written) > 0:
		return source, fmt.Errorf("%s and --config exclude each other: write the value into the file", strings.Join(written, ", "))
	case len(paths) > 0:
		source.Read = func() (*config.Config, finding.List) { return config.Load(paths) }
		return source, nil
	case len(written) == 0:
		return source, errors.New("the configuration is missing: write --config PATH, or --resource URI and --issuer URL")
	case s.resource == "":
		return source, errors.New("--resource is missing: write the URL that clients use")
	case len(s.issuers) == 0:
		return source, errors.New("--issuer is missing: write the exact iss of its tokens")
	}
	source.Read = func() (*config.Config, finding.List) {
		return config.FromFlags(s.resource, s.issuers, s.scopes, s.policy, s.insecure, s.grpcAddr, s.httpAddr)
	}
	return source, nil
}

// written names the flags that the command line has.
func (s *inlineFlags) written() []string {
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
func serve(cmd *cobra.Command, source service.Source) error {
	defer runtime.KeepAlive(tuneCollector())
	// Before anything else: SIGHUP ends a program that does not listen for it.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	// The process that reads our output may end before us: a write then fails,
	// and the service goes on.
	signal.Ignore(syscall.SIGPIPE)
	first, problems := service.Load(cmd.Context(), source)
	var level slog.LevelVar
	log := newLogger(cmd, first, &level)
	for _, problem := range problems {
		service.LogProblem(log, problem)
	}
	if first == nil {
		log.Error("the configuration was refused")
		return &failure{}
	}
	options := service.Options{
		Log: log, Level: &level, Stdout: cmd.OutOrStdout(), Source: source,
		Version: thisBuild().version, Commit: thisBuild().revision,
	}
	s, err := service.New(options, first)
	if err == nil {
		err = s.Run(cmd.Context(), hangup)
	}
	if err != nil {
		log.Error("doorward cannot serve", slog.String("problem", err.Error()))
		return &failure{}
	}
	return nil
}

// newLogger writes JSON for machines and text for a person at a terminal.
func newLogger(cmd *cobra.Command, first *service.Revision, level *slog.LevelVar) *slog.Logger {
	stderr := cmd.ErrOrStderr()
	file, isFile := stderr.(*os.File)
	text := isFile && term.IsTerminal(int(file.Fd()))
	if first != nil {
		level.Set(first.Config.Log.Level)
		if format := first.Config.Log.Format; format != "auto" {
			text = format == "text"
		}
	}
	options := &slog.HandlerOptions{Level: level}
	if text {
		return slog.New(slog.NewTextHandler(stderr, options))
	}
	return slog.New(slog.NewJSONHandler(stderr, options))
}
