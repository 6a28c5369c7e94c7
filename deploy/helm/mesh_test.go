package helm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMeshManifestsConform: the resources of envoy/ that users of a mesh apply, and those that
// doorward check --routes prints, are what its CRDs accept, and each is refused with a field that its kind does not have.
func TestMeshManifestsConform(t *testing.T) {
	tool(t, "kubeconform")
	files, err := filepath.Glob(filepath.Join(root, "envoy", "*", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	printed, err := filepath.Glob(filepath.Join(root, "internal", "routes", "testdata", "*.yaml"))
	if err != nil || len(printed) < 4 {
		t.Fatal(err, printed)
	}
	files = append(files, printed...)
	kinds := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "apiVersion: ") {
			continue // a configuration of doorward or of Envoy
		}
		for _, one := range objects(t, string(text)) {
			kinds[one.Kind] = true
			if said, err := conform(t, one.text); err != nil || !strings.Contains(said, "Valid: 1") {
				t.Errorf("%s: %v\n%s", file, err, said)
			}
			broken := strings.Replace(one.text, "\nspec:\n", "\nspec:\n  unknown: 1\n", 1)
			if said, err := conform(t, broken); err == nil || !strings.Contains(said, "'unknown' not allowed") {
				t.Errorf("%s: a broken %s: %v\n%s", file, one.Kind, err, said)
			}
		}
	}
	if len(kinds) < 3 {
		t.Errorf("kinds: %v", kinds)
	}
}
