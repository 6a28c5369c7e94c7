//go:build race

package benchmarks_test

// raced reports whether the race detector is on, which allocates memory too.
const raced = true
