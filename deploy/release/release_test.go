package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSectionOf(t *testing.T) {
	const changelog = "# Changelog\n\n## Unreleased\n\n- new\n\n## 1.1.0 - 2027-01-01\n\n### Added\n- a\n\n## 1.1\n- b\n"
	for heading, want := range map[string]string{"Unreleased": "- new\n", "1.1.0": "### Added\n- a\n", "1.1": "- b\n"} {
		if got, found := sectionOf(changelog, heading); !found || got != want {
			t.Errorf("%s: %q, %v", heading, got, found)
		}
	}
	if _, found := sectionOf(changelog, "1"); found {
		t.Error("a section was found that is not there")
	}
}

// TestPackIsReproducible: two archives of the same files are the same bytes.
func TestPackIsReproducible(t *testing.T) {
	r := release{made: time.Unix(1700000000, 0).UTC()}
	files := []file{{"a/doorward", []byte("binary"), 0o755}, {"a/LICENSE", []byte("text"), 0o644}}
	first, err := r.pack(files)
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.pack(files)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("two archives of the same files differ")
	}
}

func TestChecksums(t *testing.T) {
	r := release{out: t.TempDir(), log: new(strings.Builder)}
	if err := r.write("a.txt", []byte("abc")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time checksums.txt is there already
		if err := r.checksums(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(filepath.Join(r.out, "checksums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a.txt\n"; string(got) != want {
		t.Errorf("%q", got)
	}
}

// TestTheImageIsTheDockerfile: the image repeats parts of the Dockerfile, and they are
// equal.
func TestTheImageIsTheDockerfile(t *testing.T) {
	r := release{root: "../.."}
	dockerfile, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	command, err := r.dockerBuild()
	if err != nil || !strings.Contains(command[2], "-o BINARY") {
		t.Errorf("%q, %v", command, err)
	}
	for _, want := range []string{
		"USER 65532:65532", "EXPOSE 9191 9190", `ENTRYPOINT ["/doorward"]`, `CMD ["serve", "--config", "/etc/doorward/doorward.yaml"]`,
		"/etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt", "FROM scratch",
	} {
		if !strings.Contains(string(dockerfile), want) {
			t.Errorf("the Dockerfile has no %q: change image.go with it", want)
		}
	}
}

// TestAVersionMustBeATag of this very commit.
func TestAVersionMustBeATag(t *testing.T) {
	r := release{root: "../..", version: "v999.0.0"}
	if err := r.describe(t.Context()); err == nil || !strings.Contains(err.Error(), "git tag v999.0.0") {
		t.Errorf("%v", err)
	}
}
