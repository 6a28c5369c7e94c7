// Package routes writes the routes that a mesh needs for the resources of a
// configuration: [Write]. Envoy makes no Check for a path without a route, so that
// a mesh with routes for the resources alone hides their metadata documents.
package routes

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/doorward/doorward/extauthz/resource"
)

// Prefixes of metadata documents (RFC 9728, RFC 8414, OpenID Connect Discovery).
const (
	protectedResource   = "/.well-known/oauth-protected-resource"
	authorizationServer = "/.well-known/oauth-authorization-server"
	openidConfiguration = "/.well-known/openid-configuration"
)

// A file is the words of one mesh. What a user has to edit is marked HERE. Gateway
// API has no answer of its own, so that its metadata paths lead to a server, which
// never sees them.
//
//go:embed words
var words embed.FS

// host is one host of the resources, which one listener or virtual host serves.
type host struct {
	Name     string // as DNS writes it; "*." for a label that is a placeholder
	Port     string // "" is that of the scheme
	Metadata []string
	Servers  []server // longest path first
}

// server is an MCP server behind the host.
type server struct {
	Name string // of the resource, as a Kubernetes name
	Path string // the prefix of its paths
}

// Meshes are the values that [Write] knows, sorted.
func Meshes() []string {
	files, _ := words.ReadDir("words") // it is in the program
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = strings.TrimSuffix(file.Name(), ".tmpl")
	}
	slices.Sort(names)
	return names
}

// Write writes the routes of resources in the words of a mesh, as YAML. It fails for
// a mesh that is not among [Meshes], and where a host cannot be expressed.
func Write(w io.Writer, mesh string, resources []*resource.Resource) error {
	if !slices.Contains(Meshes(), mesh) {
		return fmt.Errorf("no mesh %q: write one of %s", mesh, strings.Join(Meshes(), ", "))
	}
	file := mesh + ".tmpl"
	format, err := template.New(file).Funcs(functions).ParseFS(words, "words/"+file)
	if err != nil {
		return err
	}
	hosts, err := hostsOf(resources)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := format.Execute(&out, hosts); err != nil {
		return err
	}
	_, err = out.WriteTo(w)
	return err
}

// hostsOf groups the URLs that clients use by host and port, in the order of the resources.
func hostsOf(resources []*resource.Resource) ([]*host, error) {
	var all []*host
	var faults []error
	for _, r := range resources {
		for _, typed := range append([]string{r.URI}, r.Aliases...) {
			h, path, err := parse(typed)
			if err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", r.Name, err))
				continue
			}
			at := slices.IndexFunc(all, func(known *host) bool { return known.Name == h.Name && known.Port == h.Port })
			if at < 0 {
				all, at = append(all, h), len(all)
			}
			all[at].add(r, path)
		}
	}
	return all, errors.Join(faults...)
}

func (h *host) add(r *resource.Resource, path string) {
	prefixes := []string{protectedResource}
	if r.MirrorMetadata {
		prefixes = append(prefixes, authorizationServer, openidConfiguration)
	}
	for _, prefix := range prefixes {
		if !slices.Contains(h.Metadata, prefix) {
			h.Metadata = append(h.Metadata, prefix)
		}
	}
	one := server{kubernetesName(r.Name), path}
	if !slices.Contains(h.Servers, one) {
		h.Servers = append(h.Servers, one)
	}
	slices.SortStableFunc(h.Servers, func(a, b server) int { return cmp.Compare(len(b.Path), len(a.Path)) })
}

// parse takes the URL of a resource apart. Of a path with a placeholder it returns
// what comes before: the resource's own check refuses the rest.
func parse(typed string) (*host, string, error) {
	_, rest, _ := strings.Cut(typed, "://")
	authority, path, _ := strings.Cut(rest, "/")
	name, port := authority, ""
	if colon := strings.LastIndexByte(authority, ':'); colon > strings.LastIndexByte(authority, ']') {
		name, port = authority[:colon], authority[colon+1:]
	}
	labels := strings.Split(name, ".")
	if strings.HasPrefix(labels[0], "{") {
		labels[0] = "*"
	}
	name = strings.Join(labels, ".")
	if strings.Contains(name, "{") {
		return nil, "", fmt.Errorf("no mesh has routes for %s: a placeholder may be the first label of a host alone",
			name)
	}
	path = "/" + path
	if brace := strings.IndexByte(path, '{'); brace >= 0 {
		path = path[:brace]
	}
	if plain, err := url.PathUnescape(path); err != nil || plain != path {
		return nil, "", fmt.Errorf("the path %s has an escape, which meshes compare in their own ways: "+
			"write the route by hand", path)
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return &host{Name: name, Port: port}, path, nil
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// kubernetesName makes a DNS label of any name.
func kubernetesName(name string) string {
	label := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if len(label) > 63 {
		label = strings.TrimRight(label[:63], "-")
	}
	return cmp.Or(label, "mcp")
}

// ID is the name of the host's resource in a mesh.
func (h *host) ID() string {
	return kubernetesName(strings.Replace(h.Name, "*", "any", 1) + " " + h.Port)
}

var functions = template.FuncMap{
	"quote": func(text string) string { return fmt.Sprintf("%q", text) },
}
