package interop

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// feature is what a step shows; a column of the table in docs/providers.md.
type feature string

// The features, as people read them. A step that shows none of these has none.
const (
	audResource      feature = "`aud` is the resource"
	clientListed     feature = "`clients`"
	dedicated        feature = "`dedicated`"
	audiencesNoScope feature = "`audiences`, no scope"
	otherRefused     feature = "other audience or client refused"
	idTokenRefused   feature = "ID token refused"
	opaqueRefused    feature = "opaque token refused"
	scopeDemanded    feature = "scope demanded"
	lightweight      feature = "lightweight tokens"
	clientURL        feature = "CIMD"
	tokenExchange    feature = "token exchange"
	rotation         feature = "key rotation"
	outage           feature = "outage"
)

var features = []feature{
	audResource, clientListed, dedicated, audiencesNoScope, otherRefused, idTokenRefused, opaqueRefused, scopeDemanded, lightweight,
	clientURL, tokenExchange, rotation, outage,
}

// guide is the document with the table.
const guide = "../../docs/providers.md"

// featureRow is the line of one server: ✓ where each step of a feature went as it should, – where it has no such step.
func (r *results) featureRow(server string, day time.Time) string {
	cells := []string{server, day.Format(time.DateOnly)}
	for _, f := range features {
		cell := "–"
		for _, row := range r.rows {
			if row.server != server || row.feature != f || cell == "✗" {
				continue
			}
			cell = mark(row)
		}
		cells = append(cells, cell)
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

func featureHead() string {
	cells := make([]string, len(features))
	for i, f := range features {
		cells[i] = string(f)
	}
	return "| Server | run on | " + strings.Join(cells, " | ") + " |"
}

// record writes the lines of the servers that were run into the table of a document.
func (r *results) record(document string, day time.Time) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	for _, server := range r.servers() {
		place := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "| "+server+" | ") })
		if place < 0 {
			return fmt.Errorf("%s has no line for %s", document, server)
		}
		lines[place] = r.featureRow(server, day)
	}
	return os.WriteFile(document, []byte(strings.Join(lines, "\n")), 0o644)
}

// servers are those of which a step shows a feature, in their order.
func (r *results) servers() []string {
	var all []string
	for _, row := range r.rows {
		if row.feature != "" && !slices.Contains(all, row.server) {
			all = append(all, row.server)
		}
	}
	return all
}

func TestFeatureRow(t *testing.T) {
	r := results{rows: []row{
		{server: "a", feature: outage, wanted: "x", got: "x"},
		{server: "a", feature: clientURL, wanted: "x", got: "y"},
		{server: "a", feature: clientURL, wanted: "x", got: "x"},
		{server: "b", feature: tokenExchange, wanted: "x", got: "x"},
		{server: "c", wanted: "x", got: "x"},
	}}
	day := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	const want = "| a | 2026-11-26 | – | – | – | – | – | – | – | – | – | ✗ | – | – | ✓ |"
	if got := r.featureRow("a", day); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	file := t.TempDir() + "/guide.md"
	if err := os.WriteFile(file, []byte("before\n| a | never |\n| b | never |\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.record(file, day); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != "before\n"+want+"\n"+r.featureRow("b", day)+"\nafter\n" {
		t.Errorf("%v, recorded\n%s", err, text)
	}
	if err := os.WriteFile(file, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.record(file, day); err == nil {
		t.Error("a document without a table was written")
	}
}

// TestTheGuideHasATable with each server and each feature, none of which failed on the day of the last run.
func TestTheGuideHasATable(t *testing.T) {
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\n"+featureHead()+"\n") {
		t.Errorf("%s lacks the line\n%s", guide, featureHead())
	}
	for _, server := range []string{nameOIDC, nameKeycloak, nameZitadel, nameSpring} {
		_, rest, found := strings.Cut(string(text), "\n| "+server+" | ")
		line, _, _ := strings.Cut(rest, "\n")
		if !found || strings.Contains(line, "✗") || strings.Count(line, "|") != len(features)+1 || !strings.Contains(line, "✓") {
			t.Errorf("%s: the line of %s: %q", guide, server, line)
		}
	}
}

// TestTheNamesHaveTheVersions that are installed.
func TestTheNamesHaveTheVersions(t *testing.T) {
	for file, pattern := range map[string]string{
		"install":        `keycloak=(\S+)`,
		"package.json":   `"oidc-provider": "(\S+)"`,
		"zitadel/go.mod": `zitadel/oidc/v3 v(\S+)`,
		"spring/pom.xml": `(?s)<parent>.*<version>(\S+)</version>.*</parent>`,
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindSubmatch(text)
		names := []string{nameOIDC, nameKeycloak, nameZitadel, nameSpring}
		if found == nil || !slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, " "+string(found[1])) }) {
			t.Errorf("%s: %q is in none of %q", file, found, names)
		}
	}
}

// TestTheClientsHaveTheVersions that are installed.
func TestTheClientsHaveTheVersions(t *testing.T) {
	names := []string{nameInspector, nameConformance, nameEverything, nameFastMCP, nameGoSDK, nameSpringResource}
	for _, c := range clients {
		names = append(names, c.name)
	}
	for file, pattern := range map[string]string{
		"sdks/package.json":     `"@modelcontextprotocol/[a-z-]+": "(\S+)"`,
		"sdks/requirements.txt": `(?m)^mcp==(\S+)`,
		"../../go.mod":          `modelcontextprotocol/go-sdk v(\S+)`,

		"upstream/go.mod":           `modelcontextprotocol/go-sdk v(\S+)`,
		"assertion/go.mod":          `modelcontextprotocol/go-sdk v(\S+)`,
		"assertion/pom.xml":         `(?s)<artifactId>spring-boot-starter-parent</artifactId>\s*<version>(\S+?)<`,
		"upstream/requirements.txt": `(?m)^fastmcp==(\S+)`,
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindAllSubmatch(text, -1)
		if found == nil {
			t.Errorf("%s has no version", file)
		}
		for _, version := range found {
			if !slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, " "+string(version[1])) }) {
				t.Errorf("%s: %s is in none of %q", file, version[0], names)
			}
		}
	}
}
