package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// billOfMaterials lists the modules of a binary, from its build information
// (CycloneDX, JSON).
func (r release) billOfMaterials(binary []byte) error {
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		return err
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{
		Timestamp: r.made.UTC().Format(time.RFC3339),
		Component: &cdx.Component{
			BOMRef: packageURL(info.Main.Path, r.name()), Type: cdx.ComponentTypeApplication,
			Name: info.Main.Path, Version: r.name(), PackageURL: packageURL(info.Main.Path, r.name()),
		},
	}
	components := []cdx.Component{{
		BOMRef: packageURL("std", info.GoVersion), Type: cdx.ComponentTypeLibrary,
		Name: "std", Version: info.GoVersion, PackageURL: packageURL("std", info.GoVersion),
	}}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		components = append(components, cdx.Component{
			BOMRef: packageURL(module.Path, module.Version), Type: cdx.ComponentTypeLibrary,
			Name: module.Path, Version: module.Version, PackageURL: packageURL(module.Path, module.Version),
		})
	}
	bom.Components = &components
	var encoded bytes.Buffer
	if err := cdx.NewBOMEncoder(&encoded, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return err
	}
	return r.write("doorward_"+r.name()+".cdx.json", encoded.Bytes())
}

func packageURL(module, version string) string { return "pkg:golang/" + module + "@" + version }

// notes returns the version's section of CHANGELOG.md, without its heading; without
// a version, the section "Unreleased".
func (r release) notes() ([]byte, error) {
	changelog, err := os.ReadFile(filepath.Join(r.root, "CHANGELOG.md"))
	if err != nil {
		return nil, err
	}
	heading := "Unreleased"
	if r.version != "" {
		heading = strings.TrimPrefix(r.version, "v")
	}
	section, found := sectionOf(string(changelog), heading)
	if !found {
		return nil, fmt.Errorf("CHANGELOG.md has no section \"## %s\"", heading)
	}
	return []byte(section), nil
}

// sectionOf returns the text between "## heading" and the next heading of that
// level. A space and a date may follow the heading.
func sectionOf(changelog, heading string) (string, bool) {
	var section strings.Builder
	inside := false
	for line := range strings.Lines(changelog) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			if inside {
				break
			}
			first, _, _ := strings.Cut(strings.TrimSpace(title), " ")
			inside = first == heading
			continue
		}
		if inside {
			section.WriteString(line)
		}
	}
	return strings.TrimSpace(section.String()) + "\n", inside
}

// checksums writes the SHA-256 of every other file, in the form of sha256sum.
func (r release) checksums() error {
	var sums bytes.Buffer
	err := filepath.WalkDir(r.out, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "checksums.txt" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(r.out, path)
		_, _ = fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), filepath.ToSlash(relative))
		return err
	})
	if err != nil {
		return err
	}
	return r.write("checksums.txt", sums.Bytes())
}
