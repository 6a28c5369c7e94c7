package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doorward/doorward/extauthz/finding"
	"github.com/doorward/doorward/extauthz/resource"
)

// warnOfOperations warns of each key with which something other than the body shows
// the operation, or with which requests need no token, and of what the operations of
// a resource leave open.
func (r *reader) warnOfOperations(at string, e entry) {
	r.warnOfSources(at+".mcp", e.MCP)
	if !r.hasError(at + ".anonymous") {
		r.warnOfAnonymous(at, e)
	}
	if !r.hasError(at + ".operations") {
		r.warnOfUnlisted(at, e)
		r.warnOfUnknownScopes(at, e)
	}
}

// hasError reports whether a list or one of its elements has an error.
func (r *reader) hasError(list string) bool {
	inside := func(path string) bool { return path == list || strings.HasPrefix(path, list+"[") }
	for path, broken := range r.broken {
		if broken && inside(path) {
			return true
		}
	}
	return slices.ContainsFunc(r.problems.Errors(), func(f finding.Finding) bool { return inside(f.Path) })
}

func (r *reader) warnOfSources(at string, m mcpRules) {
	if m.HeadersCheckedByServer {
		r.warn(at+".headers_checked_by_server", "trusts Mcp-Method and Mcp-Name, which any client can write",
			"be sure that the server refuses requests of 2026-07-28 whose headers are not those of the body: "+
				"docs/operations.md has a table of SDKs")
	}
	if m.FilterMetadata == trustedMetadata {
		r.warn(at+".filter_metadata", "trusts the operation that Envoy's mcp filter shows",
			"use Envoy 1.40 or later, reject_duplicate_keys: true, attribute_source: BODY or VERIFY, and no "+
				"early_terminate_when_routable: docs/operations.md has the reasons")
	}
	if m.AllowBatch {
		r.warn(at+".allow_batch", "lets one request ask for several operations",
			"remove it, unless clients of 2025-03-26 send batches")
	}
}

func (r *reader) warnOfAnonymous(at string, e entry) {
	if len(e.Anonymous) > 0 {
		var open []string
		for _, o := range e.Anonymous {
			open = append(open, strings.TrimSpace(o.Method+" "+o.Name))
		}
		r.warn(at+".anonymous", "lets in requests without a token: "+strings.Join(open, ", "),
			"be sure that what these answer is public")
	}
	if e.AnonymousSessions && len(e.Anonymous) > 0 {
		r.warn(at+".anonymous_sessions", "lets requests without a token use any session whose id they know",
			"remove it, or be sure that the server ties each session to the user who began it")
	}
}

// warnOfUnlisted warns of what no entry of operations matches, where that needs the
// resource's scopes alone.
func (r *reader) warnOfUnlisted(at string, e entry) {
	if len(e.Operations) == 0 || e.OperationsDefault == denyUnlisted {
		return
	}
	spec := resource.Spec{Operations: e.operations()}
	var open []string
	for _, method := range methods {
		family, _, _ := strings.Cut(method, "/")
		ofFamily := func(o operation) bool { return strings.HasPrefix(o.Method, family+"/") }
		switch {
		case isExempt(method) || spec.OperationFor(method, anyName) != nil:
		case slices.ContainsFunc(e.Operations, func(o operation) bool { return o.Method == method }):
			open = append(open, method+" of other names")
		case !slices.ContainsFunc(e.Operations, ofFamily):
			open = withName(open, family+"/…")
		default:
			open = append(open, method)
		}
	}
	if spec.OperationFor(anyMethod, anyName) == nil {
		open = append(open, "methods that MCP does not have")
	}
	if len(open) == 0 {
		return
	}
	r.warn(r.writtenOf(at, "operations_default", "operations"), "leaves what no entry matches to the resource's "+
		"scopes alone: "+strings.Join(open, ", "), "write operations_default: deny, or be sure that each of these "+
		"may be called with them")
}

// A name and a method that no entry has, so that only one for every name or method
// matches them.
const (
	anyName   = "\x00"
	anyMethod = "\x00"
)

// warnOfUnknownScopes warns of scopes of operations that neither the challenge of a
// request without a token nor the document names.
func (r *reader) warnOfUnknownScopes(at string, e entry) {
	spec := resource.Spec{
		Scopes: e.Scopes, ScopesAny: e.ScopesAny, ScopePrefix: e.ScopePrefix, Operations: e.operations(),
	}
	named := spec.NeededScopes()
	path := at + ".operations"
	if supported, ok := e.Metadata["scopes_supported"].([]any); ok {
		path = at + ".metadata.scopes_supported"
		for _, scope := range supported {
			text, _ := scope.(string)
			named = append(slices.Clip(named), spec.HeldScopes([]string{text})...)
		}
	}
	var unknown []string
	for _, o := range e.Operations {
		for _, scope := range o.Scopes {
			if !slices.Contains(named, scope) && !slices.Contains(unknown, scope) {
				unknown = append(unknown, scope)
			}
		}
	}
	if len(unknown) == 0 {
		return
	}
	all := spec.ConfiguredScopes()
	for _, scope := range named {
		all = withName(all, scope)
	}
	list := strings.Join(unknown, ", ")
	message := fmt.Sprintf("names no %s, and neither does the challenge of a first request", list)
	if path == at+".operations" {
		message = fmt.Sprintf("needs %s, which neither the challenge of a first request nor the document names", list)
	}
	r.warn(path, message+": a client that does not log in again after a 403 never learns of it",
		"write metadata: {scopes_supported: ["+strings.Join(all, ", ")+"]}")
}
