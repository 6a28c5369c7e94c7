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
	"github.com/doorward/doorward/internal/snapshot"
)

func serveCommand() *cobra.Command {
	var paths []string
	var flags config.Flags
	cmd := &cobra.Command{
		Use:   "serve (--config PATH... | --resource URI --issuer URL)",
		Short: "Answer Envoy's external-authorization calls",
		Example: "  doorward serve --config doorward.yaml\n" +
			"  doorward serve --resource https://mcp.example.com/mcp --issuer https://as.example.com --scope mcp:read",
		RunE: func(cmd *cobra.Command, more []string) error {
			paths = append(paths, more...)
			source, err := sourceOf(paths, flags)
			if err != nil {
				return err
			}
			return serve(cmd, source)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&paths, "config", nil, "file, or directory of *.yaml; may be repeated")
	f.StringVar(&flags.Resource, "resource", "", "canonical URI of the one resource")
	f.StringArrayVar(&flags.Issuers, "issuer", nil, "issuer identifier of an authorization server; may be repeated")
	f.StringArrayVar(&flags.Scopes, "scope", nil, "scope that every request needs; may be repeated")
	f.StringArrayVar(&flags.PolicyPaths, "policy", nil, "Rego file or folder; may be repeated")
	f.StringArrayVar(&flags.InsecureHosts, "insecure-http-host", nil,
		"host, or \"loopback\", that may be http://; may be repeated")
	f.StringVar(&flags.GRPCAddr, "grpc-addr", "", "where Envoy calls (default 127.0.0.1:9191)")
	f.StringVar(&flags.HTTPAddr, "http-addr", "", "metrics, health and metadata documents (default 127.0.0.1:9190)")
	return cmd
}

// sourceOf is where the configuration comes from: files or flags, not both.
func sourceOf(paths []string, flags config.Flags) (service.Source, error) {
	source := service.Source{Flags: fmt.Sprint(flags)}
	written := writtenFlags(flags)
	switch {
	case len(paths) > 0 && len(written) > 0:
		return source, fmt.Errorf("%s and --config exclude each other: write the value into the file",
			strings.Join(written, ", "))
	case len(paths) > 0:
		source.Read = func(files *snapshot.Snapshot) (*config.Config, finding.List) {
			return config.LoadFrom(files, paths)
		}
		return source, nil
	case len(written) == 0:
		return source, errors.New("the configuration is missing: write --config PATH, or --resource URI and " +
			"--issuer URL")
	case flags.Resource == "":
		return source, errors.New("--resource is missing: write the URL that clients use")
	case len(flags.Issuers) == 0:
		return source, errors.New("--issuer is missing: write the exact iss of its tokens")
	}
	source.Read = flags.Load
	return source, nil
}

// writtenFlags names the flags of the short form that the command line has.
func writtenFlags(flags config.Flags) []string {
	var written []string
	for _, f := range []struct {
		name    string
		written bool
	}{
		{"--resource", flags.Resource != ""},
		{"--issuer", len(flags.Issuers) > 0},
		{"--scope", len(flags.Scopes) > 0},
		{"--policy", len(flags.PolicyPaths) > 0},
		{"--insecure-http-host", len(flags.InsecureHosts) > 0},
		{"--grpc-addr", flags.GRPCAddr != ""},
		{"--http-addr", flags.HTTPAddr != ""},
	} {
		if f.written {
			written = append(written, f.name)
		}
	}
	return written
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
