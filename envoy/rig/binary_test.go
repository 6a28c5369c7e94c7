package rig

import (
	"errors"
	"os"
	"path/filepath"
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

func TestValidateTellsWhatEnvoySaid(t *testing.T) {
	NeedEnvoy(t)
	file := filepath.Join(t.TempDir(), "envoy.yaml")
	if err := os.WriteFile(file, []byte("static_resources: {doors: []}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Validate(t.Context(), file); err == nil || !strings.Contains(err.Error(), "doors") {
		t.Errorf("Validate: %v", err)
	}
}
