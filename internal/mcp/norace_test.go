//go:build !race

package mcp

// raced reports whether the race detector is on, which allocates memory too.
const raced = false
