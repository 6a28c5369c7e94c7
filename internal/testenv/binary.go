package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNoEnvoy is the error on a machine without an Envoy binary.
var ErrNoEnvoy = errors.New("no Envoy binary: run envoy/install, or set DOORWARD_ENVOY to one")

// EnvoyBinary is the Envoy to run: the environment variable DOORWARD_ENVOY,
// else what envoy/install put into .tools of the module that holds the working
// directory. The error wraps [ErrNoEnvoy] where there is none.
func EnvoyBinary() (string, error) {
	if path := os.Getenv("DOORWARD_ENVOY"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%w: DOORWARD_ENVOY: %w", ErrNoEnvoy, err)
		}
		return path, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoEnvoy, err)
	}
	path := filepath.Join(root, ".tools", "envoy", "bin", "envoy")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoEnvoy, err)
	}
	return path, nil
}

// moduleRoot is the nearest folder upwards that holds a go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod here or above")
		}
		dir = parent
	}
}

// EnvoyVersion is the version of the binary, such as "1.40.0".
func EnvoyVersion(ctx context.Context) (string, error) {
	binary, err := EnvoyBinary()
	if err != nil {
		return "", err
	}
	output, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("envoy --version: %w", err)
	}
	// Such as "PATH  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL".
	_, build, _ := strings.Cut(string(output), "version: ")
	parts := strings.Split(build, "/")
	if len(parts) < 2 {
		return "", fmt.Errorf("envoy --version: unexpected output %q", output)
	}
	return parts[1], nil
}

// Validate has Envoy read a configuration file as it would at start, without
// opening a port. The error quotes its output.
func Validate(ctx context.Context, file string) error {
	binary, err := EnvoyBinary()
	if err != nil {
		return err
	}
	output, err := exec.CommandContext(ctx, binary, "--mode", "validate", "-c", file, "-l", "warning").CombinedOutput()
	if err != nil {
		return fmt.Errorf("envoy --mode validate -c %s: %w\n%s", file, err, output)
	}
	return nil
}
