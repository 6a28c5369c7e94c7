package config

import (
	_ "embed"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/doorward/doorward/internal/snapshot"
)

//go:embed presets.yaml
var presetsText []byte

// Presets returns the text of the presets, as YAML: by name, what each version
// fills in under `issuers`.
func Presets() []byte { return slices.Clone(presetsText) }

// preset is one version of what a name fills in.
type preset struct {
	version int
	values  issuer
	keys    []string // those of values that it sets
}

// presetTable has the versions of each preset by its name, the latest last.
type presetTable map[string][]preset

var shippedPresets = sync.OnceValue(func() presetTable {
	table, err := parsePresets(presetsText)
	if err != nil {
		panic("config: presets.yaml: " + err.Error())
	}
	return table
})

// parsePresets reads presets with the reader of `issuers`.
func parsePresets(text []byte) (presetTable, error) {
	var names map[string][]yaml.Node
	if err := yaml.Unmarshal(text, &names); err != nil {
		return nil, err
	}
	table := presetTable{}
	for name, versions := range names {
		for i := range versions {
			p, err := parsePreset(&versions[i])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if p.version != i+1 {
				return nil, fmt.Errorf("%s: the versions are not 1, 2, …", name)
			}
			table[name] = append(table[name], p)
		}
	}
	return table, nil
}

func parsePreset(n *yaml.Node) (preset, error) {
	var p preset
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "version" {
			p.version, _ = strconv.Atoi(n.Content[i+1].Value)
			n.Content = slices.Delete(n.Content, i, i+2)
			break
		}
	}
	r := newReader(snapshot.New())
	r.decode(n, "", &p.values)
	for _, f := range fieldsOf(reflect.TypeFor[issuer]()) {
		if r.written(f.key) {
			p.keys = append(p.keys, f.key)
		}
	}
	if len(r.problems) > 0 {
		return p, r.problems
	}
	return p, nil
}

// applyPresets fills in the keys that each issuer leaves to its preset.
func (r *reader) applyPresets() {
	for i := range r.doc.Issuers {
		at := element("issuers", i)
		if r.doc.Issuers[i].Preset == "" {
			continue
		}
		used, latest, ok := r.findPreset(at+".preset", r.doc.Issuers[i].Preset)
		if !ok {
			continue
		}
		if changed := r.changedKeys(at, used, latest); len(changed) > 0 {
			r.warn(at+".preset", fmt.Sprintf("is version %d, and version %d has another %s",
				used.version, latest.version, strings.Join(changed, ", ")),
				"compare them with doorward schema presets, and remove the @ for the latest version")
		}
		into := reflect.ValueOf(&r.doc.Issuers[i]).Elem()
		from := reflect.ValueOf(used.values)
		for _, f := range fieldsOf(into.Type()) {
			if r.leftToPreset(at, used, f.key) {
				into.Field(f.index).Set(from.Field(f.index))
			}
		}
	}
}

// leftToPreset reports whether a preset sets a key that is not written, and that
// nothing written replaces.
func (r *reader) leftToPreset(at string, p preset, key string) bool {
	if !slices.Contains(p.keys, key) || r.written(join(at, key)) || r.isBroken(join(at, key)) {
		return false
	}
	return key != "discovery_url" || r.keySource(at) == ""
}

// changedKeys lists the keys that two versions set to different values and that
// the issuer leaves to its preset.
func (r *reader) changedKeys(at string, used, latest preset) []string {
	now, then := reflect.ValueOf(used.values), reflect.ValueOf(latest.values)
	var keys []string
	for _, f := range fieldsOf(now.Type()) {
		left := r.leftToPreset(at, used, f.key) || r.leftToPreset(at, latest, f.key)
		if left && !reflect.DeepEqual(now.Field(f.index).Interface(), then.Field(f.index).Interface()) {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// findPreset returns the version that a name means, such as entra or entra@1, and
// the latest one.
func (r *reader) findPreset(path, name string) (used, latest preset, ok bool) {
	bare, version, pinned := strings.Cut(name, "@")
	if r.presets == nil {
		r.presets = shippedPresets()
	}
	versions := r.presets[bare]
	if len(versions) == 0 {
		names := slices.Sorted(maps.Keys(r.presets))
		fix := "the presets are " + strings.Join(names, ", ")
		if meant := Nearest(bare, names); meant != "" {
			fix = fmt.Sprintf("did you mean %s?", meant)
		}
		r.problem(path, fmt.Sprintf("is %q, which is no preset", name), fix)
		return used, latest, false
	}
	latest = versions[len(versions)-1]
	if !pinned {
		return latest, latest, true
	}
	number, err := strconv.Atoi(version)
	if err != nil || number < 1 || number > len(versions) || strconv.Itoa(number) != version {
		r.problem(path, fmt.Sprintf("is %q, and %s has no such version", name, bare),
			fmt.Sprintf("write %s@%d, or %s for the latest version", bare, latest.version, bare))
		return used, latest, false
	}
	return versions[number-1], latest, true
}
