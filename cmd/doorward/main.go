// Command doorward turns any MCP server behind Envoy into an OAuth 2.1
// resource server: Envoy asks it about every request (ext_authz v3), and it
// answers allow, or a refusal with the challenge that starts a client's login.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/doorward/doorward/internal/config"
)

// Exit codes beside 0.
const (
	exitFailure = 1
	exitUsage   = 2
	exitRefused = 3 // explain alone: it worked, and the answer is no
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	// Once the first signal has started the drain, a second one ends the process.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program but for signals and exit, so that a test can call it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return exitCode(err, cmd.CommandPath(), stderr)
}

// exitCode prints the error of a command, unless it was printed, and returns the
// exit code.
func exitCode(err error, command string, stderr io.Writer) int {
	var failed *failure
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		if failed.err != nil {
			_, _ = fmt.Fprintln(stderr, "doorward:", failed.err)
		}
		return exitFailure
	case errors.Is(err, errRefused):
		return exitRefused
	default:
		_, _ = fmt.Fprintf(stderr, "doorward: %s\nsee %s --help\n", strings.TrimSpace(err.Error()), command)
		return exitUsage
	}
}

// failure is an error of a command's work, as opposed to one of its usage. Its
// err is nil where everything has been printed already.
type failure struct{ err error }

func (f *failure) Error() string { return fmt.Sprint(f.err) }

func (f *failure) Unwrap() error { return f.err }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "doorward",
		Short: "Verify that each request to an MCP server has a token that was issued for it",
		Long: "Doorward is an Envoy external-authorization service. It turns any MCP server behind\n" +
			"Envoy into an OAuth 2.1 resource server: it verifies the token, demands that it was\n" +
			"issued for this resource, removes it from the request, and answers others with a challenge.",
		Example:       "  doorward serve --resource https://mcp.example.com/mcp --issuer https://as.example.com",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       thisBuild().version,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate(thisBuild().String()) // for --version; see also versionCommand
	root.SetFlagErrorFunc(guessFlag)
	root.AddCommand(serveCommand(), checkCommand(), explainCommand(time.Now), testCommand(), libraryCommand(),
		schemaCommand(), jwksCommand(), versionCommand())
	return root
}

// guessFlag adds to what is wrong with a flag which one was meant, most likely.
// cobra does the same for commands.
func guessFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	var flags []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
	if meant := config.Nearest(unknown.GetSpecifiedName(), flags); meant != "" {
		return fmt.Errorf("%w: did you mean --%s?", err, meant)
	}
	return err
}

// count is a number and what it is of: "1 resource", "2 resources".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
