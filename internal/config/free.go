package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// deepest is the most levels of lists and mappings in a value of any shape, such
// as a resource's metadata.
const deepest = 16

// jsonText is a JSON value, written as YAML or as a string of JSON. It is kept as
// JSON with sorted members and without spaces, so that equal values are equal bytes.
type jsonText []byte

func (r *reader) jsonText(n *yaml.Node, path string, into *jsonText) {
	var v any
	switch {
	case n.Kind == yaml.MappingNode:
		m := map[string]any{}
		r.freeMapping(n, path, 0, &m)
		v = m
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str":
		var err error
		if v, err = parseJSON(n.Value); err != nil {
			r.refuse(n, path, path+" is a string that is not JSON", "write a JSON object, or the same in YAML")
			return
		}
	default:
		r.wrongType(n, path, "a mapping, or a string of JSON", "write the value itself here")
		return
	}
	text, err := json.Marshal(v)
	if err != nil {
		r.refuse(n, path, path+" cannot be written as JSON", "use text, numbers, true, false, lists and mappings")
		return
	}
	*into = text
}

func parseJSON(text string) (any, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

// freeMapping reads a mapping of any keys.
func (r *reader) freeMapping(n *yaml.Node, path string, depth int, into *map[string]any) {
	if n.Kind != yaml.MappingNode {
		r.wrongType(n, path, "a mapping", "write its keys below it, indented")
		return
	}
	m := map[string]any{}
	r.eachKey(n, path, func(key, value *yaml.Node) {
		m[key.Value] = r.free(value, join(path, key.Value), depth+1)
	})
	*into = m
}

// free reads a value of any type that JSON has too.
func (r *reader) free(n *yaml.Node, path string, depth int) any {
	if !r.readable(n, path) {
		return nil
	}
	if depth > deepest {
		r.refuse(n, path, fmt.Sprintf("more than %d levels of lists and mappings", deepest), "use fewer levels")
		return nil
	}
	r.places[path] = r.at(n)
	switch n.Kind {
	case yaml.MappingNode:
		var m map[string]any
		r.freeMapping(n, path, depth, &m)
		return m
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for i, item := range n.Content {
			if isNull(item) {
				r.refuse(item, element(path, i), element(path, i)+" has no value", "write one, or remove the element")
				continue
			}
			list = append(list, r.free(item, element(path, i), depth+1))
		}
		return list
	default:
		return r.freeScalar(n, path)
	}
}

func (r *reader) freeScalar(n *yaml.Node, path string) any {
	switch kindOf(n) {
	case "a number", "true or false":
		var v any
		if err := n.Decode(&v); err != nil {
			r.refuse(n, path, fmt.Sprintf("%s cannot be read", path), "write it in quotes if it is text")
			return nil
		}
		if f, ok := v.(float64); ok && (math.IsInf(f, 0) || math.IsNaN(f)) {
			r.refuse(n, path, path+" is a number that JSON does not have", "write a finite number, or text in quotes")
			return nil
		}
		return v
	default:
		return n.Value
	}
}

// textMapping reads a mapping of any keys to text.
func (r *reader) textMapping(n *yaml.Node, path string, into *map[string]string) {
	if n.Kind != yaml.MappingNode {
		r.wrongType(n, path, "a mapping", "write its keys below it, indented")
		return
	}
	m := map[string]string{}
	r.eachKey(n, path, func(key, value *yaml.Node) {
		at := join(path, key.Value)
		if !r.readable(value, at) {
			return
		}
		r.places[at] = r.at(value)
		var text string
		r.scalar(value, at, &text, field{})
		m[key.Value] = text
	})
	*into = m
}

// listMapping reads a mapping of any keys to lists of text. With bare, one value
// may be written without a list.
func (r *reader) listMapping(n *yaml.Node, path string, into *map[string][]string, bare bool) {
	if n.Kind != yaml.MappingNode {
		r.wrongType(n, path, "a mapping", "write its keys below it, indented")
		return
	}
	m := map[string][]string{}
	r.eachKey(n, path, func(key, value *yaml.Node) {
		at := join(path, key.Value)
		var list []string
		if bare && value.Kind == yaml.ScalarNode {
			list = make([]string, 1)
			r.value(value, at, reflect.ValueOf(&list).Elem().Index(0), field{})
		} else {
			r.value(value, at, reflect.ValueOf(&list).Elem(), field{})
		}
		m[key.Value] = list
	})
	*into = m
}
