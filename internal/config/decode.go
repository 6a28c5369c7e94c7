package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decode reads a node into the value that into points to. It records the place of
// every value, and every problem.
func (r *reader) decode(n *yaml.Node, path string, into any) {
	r.value(n, path, reflect.ValueOf(into).Elem(), field{})
}

func (r *reader) value(n *yaml.Node, path string, v reflect.Value, f field) {
	if !r.readable(n, path) {
		return
	}
	at := r.at(n)
	single := v.Kind() != reflect.Struct && (v.Kind() != reflect.Slice || v.Type() == reflect.TypeFor[jsonText]())
	if single && !r.once(path, at) {
		return
	}
	if !r.written(path) {
		r.places[path] = at
	}
	switch into := v.Addr().Interface().(type) {
	case *jsonText:
		r.jsonText(n, path, into)
	case *map[string]any:
		r.freeMapping(n, path, 0, into)
	case *map[string]string:
		r.textMapping(n, path, into)
	case *scopeSets:
		r.listMapping(n, path, (*map[string][]string)(into), false)
	case *textLists:
		r.listMapping(n, path, (*map[string][]string)(into), true)
	case *operationName:
		if n.Kind == yaml.ScalarNode {
			r.text(n, path, &into.Method, field{})
			return
		}
		r.mapping(n, path, v)
	default:
		switch v.Kind() {
		case reflect.Struct:
			r.mapping(n, path, v)
		case reflect.Slice:
			r.list(n, path, v, f)
		default:
			r.scalar(n, path, into, f)
		}
	}
}

// readable refuses aliases, anchors and tags.
func (r *reader) readable(n *yaml.Node, path string) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		r.refuse(n, path, "*"+n.Value+" is an alias", "write the value out")
		return false
	case n.Anchor != "":
		r.problemAt(r.at(n), "&"+n.Anchor+" is an anchor", "remove it, and write the value out wherever it is needed")
	case n.Style&yaml.TaggedStyle != 0:
		r.refuse(n, path, "the tag "+n.Tag+" is not used here", "remove it")
		return false
	}
	return true
}

// mapping reads a mapping into a struct.
func (r *reader) mapping(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		r.wrongType(n, path, "a mapping", "write its keys below it, indented")
		return
	}
	fields := fieldsOf(v.Type())
	r.eachKey(n, path, func(key, value *yaml.Node) {
		for _, f := range fields {
			if f.key != key.Value {
				continue
			}
			if f.later {
				r.refuse(key, join(path, f.key), join(path, f.key)+" is not supported yet", "remove it")
				return
			}
			r.value(value, join(path, f.key), v.Field(f.index), f)
			return
		}
		r.unknownKey(key, path, keysOf(fields))
	})
}

// eachKey calls use for every key of a mapping that is plain text, not repeated,
// and has a value. It reports the others.
func (r *reader) eachKey(n *yaml.Node, path string, use func(key, value *yaml.Node)) {
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch before := first[key.Value]; {
		case key.ShortTag() == "!!merge":
			r.refuse(key, path, "<< is a merge key", "write the keys out")
		case key.Kind != yaml.ScalarNode, key.Anchor != "", key.Style&yaml.TaggedStyle != 0:
			r.refuse(key, path, "a key must be plain text", "write a word and a colon")
		case key.ShortTag() != "!!str":
			r.refuse(key, path, "the key "+key.Value+" is "+kindOf(key)+", not text",
				fmt.Sprintf("write %q in quotes", key.Value))
		case before != nil:
			r.problemAt(r.at(key), fmt.Sprintf("the key %q is repeated", key.Value),
				fmt.Sprintf("keep this one or the one at %v", r.at(before)))
		case isNull(value):
			first[key.Value] = key
			r.refuse(key, join(path, key.Value), join(path, key.Value)+" has no value", "write one, or remove the key")
		default:
			first[key.Value] = key
			use(key, value)
		}
	}
}

func (r *reader) unknownKey(key *yaml.Node, path string, known []string) {
	message := fmt.Sprintf("unknown key %q", key.Value)
	if path != "" {
		message += " in " + path
	}
	if meant := Nearest(key.Value, known); meant != "" {
		r.refuse(key, join(path, key.Value), message, fmt.Sprintf("did you mean %q?", meant))
		r.misspelt = append(r.misspelt, join(path, meant))
		return
	}
	r.refuse(key, join(path, key.Value), message, "the keys here are "+strings.Join(known, ", "))
}

// list appends the elements of a sequence, so that the lists of several files
// become one.
func (r *reader) list(n *yaml.Node, path string, v reflect.Value, f field) {
	if n.Kind != yaml.SequenceNode {
		r.wrongType(n, path, "a list", `write one element a line, each after "- "`)
		return
	}
	// An empty list replaces a default, too.
	if !r.lists[path] {
		r.lists[path] = true
		v.Set(reflect.MakeSlice(v.Type(), 0, len(n.Content)))
	}
	for _, item := range n.Content {
		at := element(path, v.Len())
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		last := v.Index(v.Len() - 1)
		defaultsOf(last)
		if isNull(item) {
			r.refuse(item, at, at+" has no value", "write one, or remove the element")
			continue
		}
		r.value(item, at, last, f)
	}
}

// refuse reports a problem with a value that is then not checked any further.
func (r *reader) refuse(n *yaml.Node, path, message, fix string) {
	r.problemAt(r.at(n), message, fix)
	r.broken[path] = true
}

func (r *reader) wrongType(n *yaml.Node, path, want, fix string) {
	r.refuse(n, path, fmt.Sprintf("%s must be %s, not %s", nameOf(path), want, kindOf(n)), fix)
}

func (r *reader) at(n *yaml.Node) place { return place{r.file, n.Line, n.Column} }

// resolve returns a file name relative to the file that is being read.
func (r *reader) resolve(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(r.file), name)
}

func nameOf(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// kindOf names the type of a value in words for messages.
func kindOf(n *yaml.Node) string {
	switch n.ShortTag() {
	case "!!map":
		return "a mapping"
	case "!!seq":
		return "a list"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	case "!!null":
		return "nothing"
	default:
		return "text"
	}
}
