package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// image writes an OCI layout with the image of each Linux platform, as the
// Dockerfile describes it, without a daemon. `skopeo copy oci:FOLDER docker://…` and
// `crane push FOLDER …` publish it.
func (r release) image(ctx context.Context) error {
	authorities, err := os.ReadFile(r.authorities)
	if err != nil {
		return fmt.Errorf("certificate authorities for the image: %w: name a PEM file with -ca-file", err)
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range r.platforms {
		if p.system != "linux" {
			continue
		}
		image, err := r.imageOf(ctx, p, authorities)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.system, Architecture: p.architecture}},
		})
	}
	name := "doorward_" + r.name() + "_oci"
	folder := filepath.Join(r.out, name)
	if err := os.RemoveAll(folder); err != nil { // writing a layout appends to one that exists
		return err
	}
	_, _ = fmt.Fprintln(r.log, "writing", name)
	_, err = layout.Write(folder, index)
	return err
}

func (r release) imageOf(ctx context.Context, p platform, authorities []byte) (v1.Image, error) {
	command, err := r.dockerBuild()
	if err != nil {
		return nil, err
	}
	binary, err := r.build(ctx, p, command)
	if err != nil {
		return nil, err
	}
	packed, err := r.pack([]file{
		{"etc/ssl/certs/ca-certificates.crt", authorities, 0o644},
		{"doorward", binary, 0o755},
	})
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(packed)), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layer)
	if err != nil {
		return nil, err
	}
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	return mutate.ConfigFile(image, r.config(image, p))
}

// config repeats the last lines of the Dockerfile.
func (r release) config(image v1.Image, p platform) *v1.ConfigFile {
	config := &v1.ConfigFile{}
	if present, err := image.ConfigFile(); err == nil {
		config = present.DeepCopy()
	}
	config.OS, config.Architecture, config.Created = p.system, p.architecture, v1.Time{Time: r.made}
	config.Config = v1.Config{
		User:         "65532:65532",
		Entrypoint:   []string{"/doorward"},
		Cmd:          []string{"serve", "--config", "/etc/doorward/doorward.yaml"},
		ExposedPorts: map[string]struct{}{"9191/tcp": {}, "9190/tcp": {}},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "doorward",
			"org.opencontainers.image.version":  r.name(),
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	return config
}
