package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/service"
)

func jwksCommand() *cobra.Command {
	var paths []string
	cmd := &cobra.Command{
		Use:   "jwks --config PATH...",
		Short: "Print the public keys by which servers verify assertions, as a JWK Set",
		Long: "Prints what serve serves at /.well-known/jwks.json of listen.http: the public keys of key_file\n" +
			"and publish_files of every resources[].assertion. A server that cannot fetch them reads a file.",
		Example: "  doorward jwks --config doorward.yaml > jwks.json",
		RunE: func(cmd *cobra.Command, more []string) error {
			paths = append(paths, more...)
			if len(paths) == 0 {
				return errNoConfig
			}
			return printKeys(cmd, paths)
		},
	}
	cmd.Flags().StringArrayVar(&paths, "config", nil, "file, or directory of *.yaml; may be repeated")
	return cmd
}

func printKeys(cmd *cobra.Command, paths []string) error {
	cfg, problems := config.Load(paths)
	for _, problem := range problems {
		if _, err := fmt.Fprintln(cmd.ErrOrStderr(), problem); err != nil {
			return &failure{err}
		}
	}
	switch wrong := len(problems.Errors()); {
	case wrong > 0:
		return &failure{errors.New(count(wrong, "problem"))}
	case len(cfg.Assertions) == 0:
		return &failure{errors.New("no resource has an assertion")}
	}
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", service.PublishedKeys(cfg.Assertions)); err != nil {
		return &failure{err}
	}
	return nil
}
