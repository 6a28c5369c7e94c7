package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

const opaModule = "github.com/open-policy-agent/opa"

// build is what this binary was made from.
type build struct{ version, revision, opa string }

// thisBuild reads what the Go linker left in the binary.
func thisBuild() build {
	b := build{version: "devel", revision: "unknown", opa: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.version = v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			b.revision = setting.Value
		}
	}
	for _, module := range info.Deps {
		if module.Path == opaModule {
			b.opa = module.Version
		}
	}
	return b
}

// String is what `doorward version` and `doorward --version` print.
func (b build) String() string {
	return fmt.Sprintf("doorward %s\ncommit   %s\ngo       %s\nopa      %s\n", b.version, b.revision, runtime.Version(),
		b.opa)
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print version, commit, Go and OPA versions",
		Example: "  doorward version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), thisBuild())
			return err
		},
	}
}
