package resource

import "github.com/doorward/doorward/internal/hostpath"

// PathFault returns what makes a path unsafe to match, or "" for a safe one. The
// path is what precedes the first '?'. Every server must read a safe path in the
// same way: a path that a server would rewrite before routing could be matched
// here as one resource's and be served as another's. The text continues "the
// path".
func PathFault(path string) string { return hostpath.PathFault(path) }
