// Command generate has the control planes of Istio and Envoy Gateway make the
// Envoy configurations that the tests of package envoy run: `make golden`. It is
// a module of its own, because Istio's has a thousand dependencies.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/debug"
)

//go:embed cluster/istio.yaml
var cluster string

//go:embed cluster/gateway.yaml
var clusterOfGateway string

func main() {
	root := flag.String("envoy", "..", "the folder envoy of doorward's source")
	egctl := flag.String("egctl", "egctl", "Envoy Gateway's command")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *root, *egctl)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, egctl string) error {
	if os.Getenv("PILOT_ENABLE_AMBIENT") != "true" { // Istio reads it before main
		return errors.New("set PILOT_ENABLE_AMBIENT=true: without it Istio makes nothing for a waypoint")
	}
	if err := generateGateway(ctx, root, egctl); err != nil {
		return err
	}
	for _, c := range istioCases {
		made, err := generateIstio(ctx, root, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.golden, err)
		}
		b, err := made.bootstrap(c.pick)
		if err != nil {
			return fmt.Errorf("%s: %w", c.golden, err)
		}
		madeBy := "Istio's pilot, istio.io/istio " + version("istio.io/istio") + ", for a proxy " + istioVersion + ","
		file := filepath.Join(root, "istio", "golden", c.golden)
		if err := write(file, madeBy, append([]string{"mesh.yaml"}, c.files...), b); err != nil {
			return err
		}
	}
	return nil
}

// version is that of a module in this program.
func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version
		}
	}
	return "of unknown version"
}

var (
	kindOf = regexp.MustCompile(`(?m)^kind: (\S+)`)
	nameOf = regexp.MustCompile(`(?m)^(?:metadata: \{|  )name: ([^,}\s]+)`)
)

// identity is the kind and the name of a resource in YAML.
func identity(document string) string {
	name := append(nameOf.FindStringSubmatch(document), "", "")[1]
	return kindOf.FindString(document) + " " + name
}
