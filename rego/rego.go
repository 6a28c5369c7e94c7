// Package rego holds the built-in rules of doorward as Rego v1 modules: what an
// audience is, what must leave the request, and the one decision that joins
// them with the rules of a team. It has no logic of its own; package policy
// compiles the files, and reads them top down in decision.rego.
package rego

import "embed"

// Files are the built-in modules without their tests, at the top of the tree.
//
//go:embed anonymous.rego audience.rego authentication.rego decision.rego egress.rego
//go:embed passthrough.rego scope.rego team.rego
var Files embed.FS
