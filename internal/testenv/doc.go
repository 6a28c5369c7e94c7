// Package testenv starts the real parts around doorward on loopback, for the demo
// and the end-to-end tests: an Envoy process that runs the shipped envoy.yaml or
// sidecar.yaml, an authorization server, an MCP server, an API that it calls, and
// an MCP client that logs in without a person.
//
// Nothing here is part of the production binary, and the MCP server verifies no
// token: that is left to doorward.
package testenv
