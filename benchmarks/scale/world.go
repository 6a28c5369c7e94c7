package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/testenv/jwttest"
)

const (
	mostIssuers     = 200
	tokens          = 1000
	resourcesFolder = "resources"

	inOneFile = 5000 // a file of configuration is 4 MiB at most
)

// world is the configuration of some resources, in a folder.
type world struct {
	folder    string
	resources int
	keys      []*jwttest.Key
}

func newWorld(folder string, resources int) *world {
	w := &world{folder: folder, resources: resources}
	for i := range min(resources, mostIssuers) {
		w.keys = append(w.keys, jwttest.NewKey("ES256", fmt.Sprintf("key-%d", i)))
	}
	return w
}

func issuer(i int) string { return fmt.Sprintf("https://as%d.example.com", i) }

func host(i int) string { return fmt.Sprintf("mcp%d.example.com", i) }

// write writes the issuers, their keys, and the resources.
func (w *world) write() error {
	if err := os.MkdirAll(filepath.Join(w.folder, resourcesFolder), 0o700); err != nil {
		return err
	}
	var issuers strings.Builder
	issuers.WriteString("issuers:\n")
	for i, key := range w.keys {
		name := fmt.Sprintf("keys%d.json", i)
		if err := w.put(name, string(jwttest.JWKS(key))); err != nil {
			return err
		}
		fmt.Fprintf(&issuers, "- issuer: %s\n  jwks_file: %s\n", issuer(i), name)
	}
	if err := w.put("issuers.yaml", issuers.String()); err != nil {
		return err
	}
	for first := 0; first < w.resources; first += inOneFile {
		if err := w.putResources(first, fmt.Sprintf("r%d", first)); err != nil {
			return err
		}
	}
	return nil
}

// change gives the first resource another name.
func (w *world) change() error { return w.putResources(0, "changed") }

// putResources writes one file of resources, the first of which has this name.
func (w *world) putResources(first int, name string) error {
	var b strings.Builder
	b.WriteString("resources:\n")
	for i := first; i < min(first+inOneFile, w.resources); i++ {
		fmt.Fprintf(&b, "- resource: https://%s/mcp\n  name: %s\n  issuers: [%s]\n  scopes: [mcp:read]\n",
			host(i), name, issuer(i%len(w.keys)))
		name = fmt.Sprintf("r%d", i+1)
	}
	return w.put(fmt.Sprintf("resources%06d.yaml", first), b.String())
}

// put replaces a file by a rename, so that doorward never reads half of it.
func (w *world) put(name, content string) error {
	file := filepath.Join(w.folder, resourcesFolder, name)
	if err := os.WriteFile(file+".new", []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// requests are Checks with a token each, at so many resources that are spread over
// all. There are as many for each number of resources.
func (w *world) requests(at int) [][]byte {
	resources := min(at, w.resources)
	requests := make([][]byte, tokens)
	for i := range requests {
		at := i % resources * (w.resources / resources)
		token := w.keys[at%len(w.keys)].Sign(map[string]any{
			"iss": issuer(at % len(w.keys)), "aud": "https://" + host(at) + "/mcp", "sub": "alice", "client_id": "app",
			"exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
			"jti": fmt.Sprint(i), "scope": "mcp:read",
		})
		check := traffic.Request(token, traffic.Raw, i)
		http := check.GetAttributes().GetRequest().GetHttp()
		http.Host = host(at)
		http.GetHeaderMap().GetHeaders()[0].RawValue = []byte(host(at))
		encoded, err := proto.Marshal(check)
		if err != nil {
			panic("scale: " + err.Error()) // every request can be encoded
		}
		requests[i] = encoded
	}
	return requests
}
