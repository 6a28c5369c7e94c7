// Package library holds what doorward gives to people who write rules: modules
// that make inputs for tests, a folder to start from, and how to use both.
// Nothing that serves loads it.
package library

import "embed"

// Files are the modules without their tests, and the README that is written
// beside them, at the top of the tree. The folder "starter" has a policy to begin
// with: rules, their tests and their data.
//
//go:embed request.rego builders.rego README.md starter
var Files embed.FS
