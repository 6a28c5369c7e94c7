// Package testenv starts the real parts around doorward on loopback, for the demo
// and the end-to-end tests: an Envoy process that runs the shipped envoy.yaml,
// an authorization server, an MCP server, and an MCP client that logs in
// without a person.
//
// Nothing here is part of the production binary, and nothing here verifies a
// token: that is left to doorward.
package testenv
