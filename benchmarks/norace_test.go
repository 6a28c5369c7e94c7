//go:build !race

package benchmarks_test

// raced says that the race detector is on, which allocates for itself.
const raced = false
