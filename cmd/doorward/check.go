package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/revocation"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/routes"
	"github.com/doorward/doorward/internal/service"
)

func checkCommand() *cobra.Command {
	var paths []string
	var online bool
	var mesh string
	cmd := &cobra.Command{
		Use:   "check --config PATH... [--online] [--routes MESH]",
		Short: "Say everything that is wrong with a configuration and its policy",
		Long: "Reads configuration and policy as serve would, without opening a port or the network,\n" +
			"and prints every problem as file:line:col: what is wrong: what to write instead.\n" +
			"With --online it also fetches once the keys and policy bundles that serve would fetch.\n" +
			"With --routes it prints the routes that a mesh needs for the resources, in that mesh's words,\n" +
			"and problems on standard error. MESH is one of " + strings.Join(routes.Meshes(), ", ") + ".",
		Example: "  doorward check --config doorward.yaml\n" +
			"  doorward check --config doorward.yaml --online\n" +
			"  doorward check --config doorward.yaml --routes istio",
		RunE: func(cmd *cobra.Command, more []string) error {
			paths = append(paths, more...)
			if len(paths) == 0 {
				return errNoConfig
			}
			if mesh != "" {
				return printRoutes(cmd, paths, mesh)
			}
			return check(cmd, paths, online)
		},
	}
	cmd.Flags().StringArrayVar(&paths, "config", nil, "file, or directory of *.yaml; may be repeated")
	cmd.Flags().BoolVar(&online, "online", false, "fetch keys and policy bundles, and print what is wrong with them")
	cmd.Flags().StringVar(&mesh, "routes", "", "print the routes that this mesh needs: "+
		strings.Join(routes.Meshes(), ", "))
	return cmd
}

// printRoutes prints routes alone on standard output, so that it can be a file.
func printRoutes(cmd *cobra.Command, paths []string, mesh string) error {
	if !slices.Contains(routes.Meshes(), mesh) {
		return fmt.Errorf("no mesh %q: write one of %s", mesh, strings.Join(routes.Meshes(), ", "))
	}
	cfg, problems := config.Load(paths)
	for _, problem := range problems {
		if _, err := fmt.Fprintln(cmd.ErrOrStderr(), problem); err != nil {
			return &failure{err}
		}
	}
	if wrong := len(problems.Errors()); wrong > 0 {
		return &failure{errors.New(count(wrong, "problem"))}
	}
	if err := routes.Write(cmd.OutOrStdout(), mesh, cfg.Resources.All()); err != nil {
		return &failure{err}
	}
	return nil
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
