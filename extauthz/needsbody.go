package extauthz

import "strings"

// ReadsOperation reports whether a Check of a POST to this authority and path reads
// what the request asks an MCP server for, so that a caller without Envoy should send
// the body along: in raw_body, with the header x-envoy-auth-partial-body, which is
// "true" where the body is longer than what is sent, and otherwise "false". It is
// false for what belongs to no resource.
func (s *Server) ReadsOperation(authority, path string) bool {
	if s == nil {
		return false
	}
	state := s.state.Load()
	if state == nil {
		return false
	}
	path, _, _ = strings.Cut(path, "?")
	res := state.Resources.Find(authority, path)
	return res != nil && state.readsOperation(res)
}
