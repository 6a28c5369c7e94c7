package hostpath

import "strings"

// Paths are the paths of one authority, each with a value. The zero Paths has none.
type Paths[V any] struct {
	places  map[string]*V   // by path; "" for the whole authority
	folded  map[string]bool // folded paths of places
	slashes int             // the most in a path of places
	only    place[V]        // the one of places, where there is no other: most hosts have one
}

// place is one path. The zero place has no value.
type place[V any] struct {
	path, folded string
	value        *V
}

// Add enters a path, "" for the whole authority, and returns its value: the one that
// was entered first.
func (p *Paths[V]) Add(path string, value *V) *V {
	if p.places == nil {
		p.places, p.folded = map[string]*V{}, map[string]bool{}
	}
	if p.places[path] == nil {
		p.places[path] = value
	}
	p.folded[Fold(path)] = true
	p.slashes = max(p.slashes, strings.Count(path, "/"))
	p.only = place[V]{}
	if len(p.places) == 1 {
		p.only = place[V]{path, Fold(path), p.places[path]}
	}
	return p.places[path]
}

// All are the values by path. The map must not be changed.
func (p *Paths[V]) All() map[string]*V { return p.places }

// Find returns the value of the longest path that is a whole-segment prefix of path,
// or nil; path must be safe ([PathFault]). It is nil and false where a server that
// decodes escapes and ignores case would take path for one below a longer path.
func (p *Paths[V]) Find(path string) (value *V, unambiguous bool) {
	if p.only.value != nil {
		if Covers(p.only.path, path) {
			return p.only.value, true
		}
		return nil, !Covers(p.only.folded, Fold(path))
	}
	value, match := longest(p.places, path, p.slashes)
	folded := Fold(path)
	if _, longer := longest(p.folded, folded, p.slashes); len(longer) > len(Fold(match)) {
		return nil, false
	}
	return value, true
}

// longest returns the value of the longest key that covers path, and that key.
// slashes are the most that a key has.
func longest[V any](places map[string]V, path string, slashes int) (value V, key string) {
	value = places[""]
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		if v, ok := places[path[:i]]; ok {
			value, key = v, path[:i]
		}
		if slashes == 0 {
			return value, key
		}
		slashes--
		if v, ok := places[path[:i+1]]; ok {
			value, key = v, path[:i+1]
		}
	}
	if v, ok := places[path]; ok {
		value, key = v, path
	}
	return value, key
}
