package main

import (
	"github.com/spf13/cobra"

	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/policy"
)

// schemas are the documents that `doorward schema` prints.
var schemas = map[string]func() []byte{
	"config":  config.Schema,
	"input":   policy.InputSchema,
	"presets": config.Presets,
}

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema config|input|presets",
		Short: "Print the JSON Schema of the configuration or of what a rule sees, or the presets of issuers",
		Long: "Prints a JSON Schema (draft 7): of doorward.yaml, for editors that complete and check YAML, or of\n" +
			"input, for opa check --schema and for authors of rules. With presets it prints, as YAML, what each\n" +
			"value of issuers[].preset fills in; a key that is written beside preset replaces that of the preset.",
		Example: "  doorward schema input\n  doorward schema config > doorward.schema.json\n" +
			"  doorward schema presets",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"config", "input", "presets"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := cmd.OutOrStdout().Write(schemas[args[0]]()); err != nil {
				return &failure{err}
			}
			return nil
		},
	}
}
