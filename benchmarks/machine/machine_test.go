package machine

import (
	"strings"
	"testing"
)

func TestBusy(t *testing.T) {
	for _, row := range []struct {
		load string
		busy bool
	}{{"0.20", false}, {"1.50", false}, {"1.51", true}, {"12.00", true}, {"unknown", false}} {
		if got := (Machine{Load: row.load, Cores: 2}).Busy(); got != row.busy {
			t.Errorf("load %s on two cores: busy %v", row.load, got)
		}
	}
}

func TestModules(t *testing.T) {
	got := Modules(t.Context(), "google.golang.org/grpc", "google.golang.org/protobuf")
	if len(got) != 2 || !strings.HasPrefix(got[0], "google.golang.org/grpc v") {
		t.Errorf("%q", got)
	}
	if got := Modules(t.Context(), "example.com/unknown"); len(got) != 0 {
		t.Errorf("of a module that is not used: %q", got)
	}
}
