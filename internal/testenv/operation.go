package testenv

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/doorward/doorward/envoy"
)

// How the comments of envoy.yaml begin that make doorward know the operation of a
// request: the filter and its namespace, or the body and the route's buffer.
var (
	filterComments = []string{"# - name: envoy.filters.http.mcp", "# metadata_context_namespaces:"}
	bodyComments   = []string{"# with_request_body:", "# request_body_buffer_limit:"}
)

// WithFilter is an edit: the shipped configuration with Envoy's mcp filter, as its
// comments show it.
func WithFilter(b *Bootstrap) error { return b.uncomment(filterComments) }

// WithBodies is an edit: the shipped configuration with bodies for doorward, as
// its comments show it.
func WithBodies(b *Bootstrap) error { return b.uncomment(bodyComments) }

// WithFilterAndBodies is an edit: both at once.
func WithFilterAndBodies(b *Bootstrap) error {
	return b.uncomment(append(filterComments[:2:2], bodyComments...))
}

// uncomment replaces the parts that the comments concern, and leaves the addresses of this run.
func (b *Bootstrap) uncomment(starts []string) error {
	text, err := Uncomment(starts...)
	if err != nil {
		return err
	}
	from, err := ParseBootstrap(text)
	if err != nil {
		return err
	}
	b.Manager.HttpFilters, b.Authz, b.Host.Routes = from.Manager.GetHttpFilters(), from.Authz, from.Host.GetRoutes()
	return nil
}

var comment = regexp.MustCompile(`^( *)# ?(.*)$`)

// Uncomment is the shipped file with the comments that begin so taken as YAML,
// each up to the end of its block. Each must be there once.
func Uncomment(starts ...string) ([]byte, error) {
	var out []string
	inside, found := false, 0
	for line := range strings.Lines(string(envoy.Bootstrap())) {
		line = strings.TrimSuffix(line, "\n")
		parts := comment.FindStringSubmatch(line)
		for _, start := range starts {
			if strings.HasPrefix(strings.TrimSpace(line), start) {
				inside = true
				found++
			}
		}
		if inside = inside && parts != nil; inside {
			line = parts[1] + parts[2]
		}
		out = append(out, line)
	}
	if found != len(starts) {
		return nil, fmt.Errorf("%d examples found instead of %d", found, len(starts))
	}
	return []byte(strings.Join(out, "\n")), nil
}
