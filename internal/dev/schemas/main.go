// Command schemas writes a JSON Schema (draft 7) for each kind of Kubernetes resource
// that deploy/schemas.txt names a source of, for kubeconform. A field that a kind does
// not have is refused.
//
//	go run ./internal/dev/schemas    # into .tools/schemas; does nothing if they are there
//	SCHEMAS='.tools/schemas/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json'
//	.tools/bin/kubeconform -strict -schema-location "$SCHEMAS" FILE
//
// What a schema cannot say is not checked: rules in CEL, defaults, and what one field
// demands of another.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

// format names the schemas that this version of the command makes. Another format, or
// another list, makes all of them anew.
const format = "3"

func main() {
	list := flag.String("list", "deploy/schemas.txt", "file that lists the sources")
	out := flag.String("out", ".tools/schemas", "folder to write")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *list, *out); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		stop()
		os.Exit(1) //nolint:gocritic // the deferred stop has run
	}
}

// run makes the schemas in a folder of their own, which then takes the place of out.
func run(ctx context.Context, list, out string) (err error) {
	text, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	state := fmt.Sprintf("%s %x\n", format, sha256.Sum256(text))
	if made, err := os.ReadFile(filepath.Join(out, "made")); err == nil && string(made) == state {
		return nil
	}
	sources, err := parseSources(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", list, err)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	folder, err := os.MkdirTemp(filepath.Dir(out), "schemas-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := writeAll(ctx, sources, folder); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "made"), []byte(state), 0o644); err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	return os.Rename(folder, out)
}

// writeAll writes the schemas of all sources. The first source has the definitions of
// Kubernetes itself, which the others use for metadata.
func writeAll(ctx context.Context, sources []source, folder string) error {
	var definitions map[string]object
	for _, from := range sources {
		files, err := from.files(ctx)
		if err != nil {
			return err
		}
		made := map[kind]object{}
		for name, text := range files {
			if filepath.Ext(name) == ".json" {
				definitions, err = ofOpenAPI(text, made)
			} else {
				err = ofCustomResources(text, definitions, made)
			}
			if err != nil {
				return fmt.Errorf("%s: %s: %w", from.module, name, err)
			}
		}
		if len(made) == 0 {
			return fmt.Errorf("%s: no kind is in %s: correct the list", from.module, from.pattern)
		}
		for k, schema := range made {
			if err := write(filepath.Join(folder, k.file()), schema); err != nil {
				return err
			}
		}
		fmt.Printf("%s %s: %d kinds\n", from.module, from.version, len(made))
	}
	return nil
}

func write(name string, schema object) error {
	text, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o644)
}

// kind is a resource as a manifest names it.
type kind struct{ group, version, name string }

// file returns the name that kubeconform asks for. The group of Kubernetes' first kinds
// is empty, and kubeconform has their version in its place.
func (k kind) file() string {
	group := k.group
	if group == "" {
		group = k.version
	}
	return filepath.Join(group, strings.ToLower(k.name)+"_"+k.version+".json")
}

// apiVersion returns the value of that field in a manifest.
func (k kind) apiVersion() string {
	if k.group == "" {
		return k.version
	}
	return k.group + "/" + k.version
}
