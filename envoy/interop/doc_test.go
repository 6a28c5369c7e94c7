// Package interop shows doorward with authorization servers of others:
// oidc-provider, Keycloak, zitadel/oidc and Spring Authorization Server, each with
// a real Envoy and a real MCP server on loopback. It sends tokens that must pass
// and tokens that must not; it rotates keys of the first two under load, and stops
// and starts them. Where lighttpd and PHP are installed, it compares how they read
// names with the models of package readers. It compares how the MCP SDKs read messages
// with how package mcp does, and tries which of their servers check the headers.
//
// It also runs MCP clients of others, the official conformance suite and, where
// Chromium is installed, a page with the TypeScript client, through Envoy with
// operations configured, and writes envoy/INTEROP.md.
//
// `make interop` installs the servers and runs TestInterop, which takes minutes
// and has the build tag interop. The other tests here are those of its parts.
package interop
