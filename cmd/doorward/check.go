package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/cmd/doorward/config"
	"github.com/doorward/doorward/extauthz/revocation"
)

func checkCommand() *cobra.Command {
	var paths []string
	cmd := &cobra.Command{
		Use:   "check --config PATH...",
		Short: "Say everything that is wrong with a configuration and its policy",
		Long: "Reads configuration and policy as serve would, without opening a port or the network,\n" +
			"and prints every problem as file:line:col: what is wrong: what to write instead.",
		Example: "  doorward check --config doorward.yaml",
		RunE: func(cmd *cobra.Command, more []string) error {
			paths = append(paths, more...)
			if len(paths) == 0 {
				return errNoConfig
			}
			return check(cmd, paths)
		},
	}
	cmd.Flags().StringArrayVar(&paths, "config", nil, "file, or directory of *.yaml; may be repeated")
	return cmd
}

var errNoConfig = fmt.Errorf("no --config PATH is given")

func check(cmd *cobra.Command, paths []string) error {
	plan, problems := load(cmd.Context(), func() (*config.Config, config.Problems) { return config.Load(paths) })
	for _, problem := range problems {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), problem); err != nil {
			return &failure{err}
		}
	}
	if plan == nil {
		return &failure{fmt.Errorf("%d problems", len(problems.Errors()))}
	}
	if name := plan.config.RevocationFile; name != "" {
		if _, err := revocation.NewSource(name, nil, nil); err != nil {
			return &failure{err}
		}
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "ok: %d resources, %d issuers, %d policy files\n",
		len(plan.config.Resources.All()), len(plan.config.Issuers), len(plan.policyFiles))
	return err
}
