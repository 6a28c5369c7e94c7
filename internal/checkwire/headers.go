package checkwire

import (
	"slices"
	"strings"
)

// Headers are those of a request, one element per occurrence and the
// occurrences of one name in their order. A request has about twenty, which
// are looked through faster than a map of them is made.
type Headers []Header

// Header has its name in lower case, once a request is open.
type Header struct{ Name, Value string }

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

// Headers are both forms in which Envoy sends them: the map, and the list that
// encode_raw_headers asks for. Where both are filled, both count.
func (a *Attributes) Headers() Headers {
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
func (a *Attributes) settle() {
	byName := func(a, b Header) int { return strings.Compare(a.Name, b.Name) }
	if len(a.mapped) > maxComparedNames {
		slices.Reverse(a.mapped)
		slices.SortStableFunc(a.mapped, byName)
		a.mapped = slices.CompactFunc(a.mapped, func(a, b Header) bool { return a.Name == b.Name })
	}
	if !slices.ContainsFunc(a.mapped, Header.isCapital) {
		return
	}
	slices.SortFunc(a.mapped, byName)
	for i := range a.mapped {
		a.mapped[i].Name = lowerCase(a.mapped[i].Name)
	}
}

// isCapital reports a name that is not in lower case.
func (h Header) isCapital() bool { return capital(h.Name) >= 0 }

// Values are those of one name, or nil.
func (h Headers) Values(name string) []string {
	var values []string
	for i := range h {
		if h[i].Name == name {
			values = append(values, h[i].Value)
		}
	}
	return values
}

// Only is the value of a name that occurs once; more reports further values.
func (h Headers) Only(name string) (value string, present, more bool) {
	for i := range h {
		if h[i].Name != name {
			continue
		}
		if present {
			return value, true, true
		}
		value, present = h[i].Value, true
	}
	return value, present, false
}

// Joined is the value of a header, by its lower-case name. Both forms in which Envoy sends
// headers have one result: it joins the values of a repeated header in `headers`, and
// keeps them apart in `header_map`. A pseudo-header is no header here.
func (h Headers) Joined(name string) (value string, ok bool) {
	if isPseudoHeader(name) {
		return "", false
	}
	value, ok, repeated := h.Only(name)
	if repeated {
		return strings.Join(h.Values(name), ","), true
	}
	return value, ok
}

// All are the values that Joined returns, by name. It is false where there are more than
// this many headers, each occurrence counted.
func (h Headers) All(most int) (map[string]string, bool) {
	if len(h) > most {
		return nil, false
	}
	values := map[string][]string{}
	for _, header := range h {
		if !isPseudoHeader(header.Name) {
			values[header.Name] = append(values[header.Name], header.Value)
		}
	}
	all := make(map[string]string, len(values))
	for name, several := range values {
		all[name] = strings.Join(several, ",")
	}
	return all, true
}

// isPseudoHeader reports a header of HTTP/2 such as ":path", which Envoy lists
// among the others.
func isPseudoHeader(name string) bool { return strings.HasPrefix(name, ":") }
