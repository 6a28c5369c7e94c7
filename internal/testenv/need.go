package testenv

import (
	"os"
	"testing"
)

// RequireEnvoy skips a test where there is no Envoy binary; where
// DOORWARD_REQUIRE_ENVOY is 1, as in `make test`, that is a failure instead, so
// that no run passes by leaving out what matters.
func RequireEnvoy(t testing.TB) {
	t.Helper()
	_, err := EnvoyBinary()
	if err == nil {
		return
	}
	if os.Getenv("DOORWARD_REQUIRE_ENVOY") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
}
