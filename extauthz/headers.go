package extauthz

import (
	"slices"
	"strings"
)

// headers are those of a request, one element per occurrence and the
// occurrences of one name in their order. A request has about twenty, which
// are looked through faster than a map of them is made.
type headers []header

// header has its name in lower case, once a request is open.
type header struct{ name, value string }

// lowerCase leaves letters outside ASCII alone: no name of a header has any.
func lowerCase(name string) string {
	from := capital(name)
	if from < 0 {
		return name
	}
	lower := []byte(name)
	for i := from; i < len(lower); i++ {
		if c := lower[i]; c >= 'A' && c <= 'Z' {
			lower[i] = c + ('a' - 'A')
		}
	}
	return string(lower)
}

// capital is the position of the first capital letter, or -1.
func capital(name string) int {
	for i := range len(name) {
		if c := name[i]; c >= 'A' && c <= 'Z' {
			return i
		}
	}
	return -1
}

// headers are both forms in which Envoy sends them: the map, and the list that
// encode_raw_headers asks for. Where both are filled, both count.
func (a *attributes) headers() headers {
	a.settle()
	if len(a.mapped) == 0 {
		return a.listed
	}
	if len(a.listed) == 0 {
		return a.mapped
	}
	return slices.Concat(a.mapped, a.listed)
}

// settle keeps the last value of each name of `headers`, where there are too
// many to have been compared when they were read, and brings them into an order
// where it matters: of names that are one in lower case.
func (a *attributes) settle() {
	byName := func(a, b header) int { return strings.Compare(a.name, b.name) }
	if len(a.mapped) > maxComparedNames {
		slices.Reverse(a.mapped)
		slices.SortStableFunc(a.mapped, byName)
		a.mapped = slices.CompactFunc(a.mapped, func(a, b header) bool { return a.name == b.name })
	}
	if !slices.ContainsFunc(a.mapped, header.isCapital) {
		return
	}
	slices.SortFunc(a.mapped, byName)
	for i := range a.mapped {
		a.mapped[i].name = lowerCase(a.mapped[i].name)
	}
}

// isCapital reports a name that is not in lower case.
func (h header) isCapital() bool { return capital(h.name) >= 0 }

// values are those of one name, or nil.
func (h headers) values(name string) []string {
	var values []string
	for i := range h {
		if h[i].name == name {
			values = append(values, h[i].value)
		}
	}
	return values
}

// only is the value of a name that occurs once; more reports further values.
func (h headers) only(name string) (value string, present, more bool) {
	for i := range h {
		if h[i].name != name {
			continue
		}
		if present {
			return value, true, true
		}
		value, present = h[i].value, true
	}
	return value, present, false
}
