package testenv

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestEnvoyBinaryIsLookedFor(t *testing.T) {
	t.Setenv("DOORWARD_ENVOY", "")
	t.Chdir(t.TempDir())
	if path, err := EnvoyBinary(); !errors.Is(err, ErrNoEnvoy) {
		t.Errorf("outside of a module: %q, %v", path, err)
	}

	binary := filepath.Join(".tools", "envoy", "bin", "envoy")
	for _, dir := range []string{filepath.Dir(binary), "deep/inside"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", binary, "other"} {
		if err := os.WriteFile(file, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	other, err := filepath.Abs("other")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("deep/inside")
	if path, err := EnvoyBinary(); err != nil || !strings.HasSuffix(path, binary) {
		t.Errorf("inside of a module: %q, %v", path, err)
	}
	t.Setenv("DOORWARD_ENVOY", other)
	if path, err := EnvoyBinary(); err != nil || path != other {
		t.Errorf("with DOORWARD_ENVOY: %q, %v", path, err)
	}
	t.Setenv("DOORWARD_ENVOY", other+"-gone")
	if path, err := EnvoyBinary(); !errors.Is(err, ErrNoEnvoy) {
		t.Errorf("with a DOORWARD_ENVOY that is not there: %q, %v", path, err)
	}
}

func TestEnvoyVersion(t *testing.T) {
	RequireEnvoy(t)
	if version, err := EnvoyVersion(t.Context()); err != nil || !regexp.MustCompile(`^\d+\.\d+\.\d+`).MatchString(version) {
		t.Errorf("%q, %v", version, err)
	}
	said := filepath.Join(t.TempDir(), "envoy")
	if err := os.WriteFile(said, []byte("#!/bin/sh\necho no idea\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOORWARD_ENVOY", said)
	if version, err := EnvoyVersion(t.Context()); err == nil {
		t.Errorf("of another program: %q", version)
	}
}

func TestValidateTellsWhatEnvoySaid(t *testing.T) {
	RequireEnvoy(t)
	file := filepath.Join(t.TempDir(), "envoy.yaml")
	if err := os.WriteFile(file, []byte("static_resources: {doors: []}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Validate(t.Context(), file); err == nil || !strings.Contains(err.Error(), "doors") {
		t.Errorf("Validate: %v", err)
	}
}
