package main

import (
	"github.com/spf13/cobra"

	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/policy"
)

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema config|input",
		Short: "Print the JSON Schema of the configuration, or of what a rule sees",
		Long: "Prints a JSON Schema (draft 7): of doorward.yaml, for editors that complete and check YAML, or of\n" +
			"input, for opa check --schema and for whoever writes rules.",
		Example:   "  doorward schema input\n  doorward schema config > doorward.schema.json",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"config", "input"},
		RunE: func(cmd *cobra.Command, args []string) error {
			schema := policy.InputSchema()
			if args[0] == "config" {
				schema = config.Schema()
			}
			if _, err := cmd.OutOrStdout().Write(schema); err != nil {
				return &failure{err}
			}
			return nil
		},
	}
}
