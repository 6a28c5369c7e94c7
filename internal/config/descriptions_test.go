package config

import (
	"reflect"
	"testing"
)

// TestDescriptionsAreOfKeysThatThereAre: a key that leaves takes its words along.
func TestDescriptionsAreOfKeysThatThereAre(t *testing.T) {
	known := map[string]bool{}
	var walk func(of reflect.Type, path string)
	walk = func(of reflect.Type, path string) {
		for of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct {
			return
		}
		for _, f := range fieldsOf(of) {
			at := join(path, f.key)
			known[at] = true
			walk(of.Field(f.index).Type, at)
		}
	}
	walk(reflect.TypeFor[document](), "")
	for path := range descriptions {
		if !known[path] {
			t.Errorf("%s is no key", path)
		}
	}
}
