package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/revocation"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/service"
)

func checkCommand() *cobra.Command {
	var paths []string
	var online bool
	cmd := &cobra.Command{
		Use:   "check --config PATH... [--online]",
		Short: "Say everything that is wrong with a configuration and its policy",
		Long: "Reads configuration and policy as serve would, without opening a port or the network,\n" +
			"and prints every problem as file:line:col: what is wrong: what to write instead.\n" +
			"With --online it also fetches once the keys and policy bundles that serve would fetch.",
		Example: "  doorward check --config doorward.yaml\n" +
			"  doorward check --config doorward.yaml --online",
		RunE: func(cmd *cobra.Command, more []string) error {
			paths = append(paths, more...)
			if len(paths) == 0 {
				return errNoConfig
			}
			return check(cmd, paths, online)
		},
	}
	cmd.Flags().StringArrayVar(&paths, "config", nil, "file, or directory of *.yaml; may be repeated")
	cmd.Flags().BoolVar(&online, "online", false, "fetch keys and policy bundles, and print what is wrong with them")
	return cmd
}

var errNoConfig = fmt.Errorf("--config PATH is missing")

// check checks everything that it can read, whatever is wrong elsewhere.
func check(cmd *cobra.Command, paths []string, online bool) error {
	cfg, problems := config.Load(paths)
	beside := config.ReadLocalFiles(paths)
	src := service.PolicySources(cfg, beside.PolicyPaths, beside.Packages)
	src.Missing = beside.Bundles
	var there found
	if online && cfg != nil { // else it is not known what to fetch
		there = look(cmd.Context(), cfg)
		there.add(&src, cfg.Bundles)
		problems = append(problems, there.problems...)
	}
	engine, files, faults := service.Compile(cmd.Context(), src, beside.Packages)
	problems = append(problems, faults...)
	if cfg != nil && engine != nil {
		problems = append(problems, service.SelfTest(cmd.Context(), engine, cfg)...)
	}
	if info, err := os.Stat(beside.RevocationFile); err == nil && info.Mode().IsRegular() { // Load reports any other
		if _, err := revocation.NewSource(beside.RevocationFile, nil, nil); err != nil {
			problems = append(problems, beside.Unusable("revocation_file", err.Error()))
		}
	}
	if info, err := os.Stat(beside.JWKSCacheDir); err == nil && info.IsDir() { // the same
		for _, fault := range (jwks.Options{CacheDir: beside.JWKSCacheDir}).CheckCacheDir() {
			problems = append(problems, beside.Unusable("jwks_cache_dir", fault))
		}
	}
	for _, problem := range problems {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), problem); err != nil {
			return &failure{err}
		}
	}
	if wrong := len(problems.Errors()); wrong > 0 {
		return &failure{errors.New(count(wrong, "problem"))}
	}
	for _, line := range there.lines {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), line); err != nil {
			return &failure{err}
		}
	}
	for _, res := range cfg.Resources.All() {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n%s", res.Name, service.DescribeDecisions(engine, res.Name),
			rulesInForce(engine, res.Name)); err != nil {
			return &failure{err}
		}
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "ok: %s, %s, %s\n", count(len(cfg.Resources.All()), "resource"),
		count(len(cfg.Issuers), "issuer"), count(len(files), "policy file"))
	return err
}
