// Package envoy holds the Envoy configuration to start from, as a file to copy
// (envoy.yaml, and sidecar.yaml with a listener for what the server sends out) and as
// bytes, so that tests and the demo run the very files that people deploy. It is no part
// of the production binary.
package envoy

import (
	"bytes"
	_ "embed"
)

//go:embed envoy.yaml
var bootstrap []byte

//go:embed sidecar.yaml
var sidecar []byte

// Bootstrap is the content of envoy.yaml. The slice is the caller's own.
func Bootstrap() []byte { return bytes.Clone(bootstrap) }

// Sidecar is the content of sidecar.yaml. The slice is the caller's own.
func Sidecar() []byte { return bytes.Clone(sidecar) }
