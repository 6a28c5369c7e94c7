package bundles

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// The limits of a bundle, in bytes. OPA bounds each file in it, not all together.
const (
	maxPacked   = 64 << 20
	maxUnpacked = 512 << 20
)

var (
	gzipMagic = []byte{0x1f, 0x8b}

	errTooLarge = fmt.Errorf("is larger than %d MiB, or %d MiB unpacked: take out what no rule reads",
		maxPacked>>20, maxUnpacked>>20)
	errCutOff = errors.New("is cut off, or damaged on its way: write it whole beside the old one, then rename it; " +
		"look at what is between here and the server")
	errNoGzip = errors.New("is no bundle: name a .tar.gz as opa build writes it")
)

// whole reads to the end, up to a limit.
func whole(r io.Reader) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxPacked+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errCutOff
	case err != nil:
		return nil, err
	case len(content) > maxPacked:
		return nil, errTooLarge
	}
	return content, nil
}

// unpacks fails where the archive is cut off, or unpacks to too much.
func unpacks(content []byte) error {
	archive, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return errCutOff
	}
	size, err := io.Copy(io.Discard, io.LimitReader(archive, maxUnpacked+1))
	switch {
	case err != nil:
		return errCutOff
	case size > maxUnpacked:
		return errTooLarge
	}
	return nil
}

// read reads and verifies the bundle in a file.
func (o Options) read(content []byte) (*bundle.Bundle, error) {
	if !bytes.HasPrefix(content, gzipMagic) {
		return nil, errNoGzip
	}
	if err := unpacks(content); err != nil {
		return nil, err
	}
	loader := bundle.NewTarballLoaderWithBaseURL(bytes.NewReader(content), "")
	read, err := bundle.NewCustomReader(loader).
		WithRegoVersion(ast.RegoV1).
		WithBundleVerificationConfig(o.verification()).
		Read()
	return &read, err
}

// verification is nil for an unsigned bundle. The key is configured, so that the key
// id in a signature selects nothing.
func (o Options) verification() *bundle.VerificationConfig {
	if o.Key == "" {
		return nil
	}
	const only = "only"
	keys := map[string]*bundle.KeyConfig{only: {Key: o.Key, Algorithm: o.Algorithm, Scope: o.Scope}}
	return bundle.NewVerificationConfig(keys, only, o.Scope, nil)
}
