package extauthz

import "strings"

// headers are those of a request, one element per occurrence and the
// occurrences of one name in their order. A request has about twenty, which
// are looked through faster than a map of them is made.
type headers []header

// header has its name in lower case.
type header struct{ name, value string }

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

// only is the value of a name that occurs once; more says that there are others.
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

// joined is the header as one value. Envoy joins what a client repeats with a
// comma in `headers` and keeps it apart in `header_map`; joining both makes
// the two forms one.
func (h headers) joined(name string) string {
	value, _, more := h.only(name)
	if more {
		return strings.Join(h.values(name), ",")
	}
	return value
}
