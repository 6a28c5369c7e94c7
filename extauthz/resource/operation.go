package resource

import (
	"slices"
	"strings"
	"time"
)

// Operation is what a request asks of an MCP server, with what it needs: an
// element of [Spec].Operations, or of [Spec].Anonymous, where Method and Name alone
// are used.
type Operation struct {
	Method    string        // exact, or "*"
	Name      string        // exact, or a prefix with "*" at its end; "" is any
	Scopes    []string      // needed besides the resource's
	ACRValues []string      // of which the token's acr must be one (RFC 9470); nil: any
	MaxAge    time.Duration // since the user was authenticated (RFC 9470); 0: any
}

// MCP is how the operation of a request is read, and how one is refused. With the
// zero MCP a body alone is trusted.
type MCP struct {
	HeadersChecked bool // the server compares Mcp-Method and Mcp-Name with the body
	FilterMetadata bool // Envoy's mcp filter is trusted
	AllowBatch     bool // a body may be a batch
	JSONRPCDenials bool // a 403 has a JSON-RPC error as its body
}

// The values of Spec.OperationsDefault and Spec.ChallengeScopes that are not the
// default.
const (
	denyUnlisted = "deny"
	withGranted  = "operation_and_granted"
)

// ReadsOperation reports whether the operation of each request must be known:
// Operations, OperationsDefault "deny" or Anonymous are configured.
func (s *Spec) ReadsOperation() bool {
	return len(s.Operations) > 0 || len(s.Anonymous) > 0 || s.RefusesUnlisted()
}

// RefusesUnlisted reports whether an operation without an entry in Operations is
// refused.
func (s *Spec) RefusesUnlisted() bool { return s.OperationsDefault == denyUnlisted }

// ChallengesWithGranted reports whether a challenge of insufficient_scope also names
// the configured scopes that the token has, for clients that replace their scopes
// with those of the challenge.
func (s *Spec) ChallengesWithGranted() bool { return s.ChallengeScopes == withGranted }

// OperationFor returns the first entry of Operations for a method and its name, byte
// for byte, or nil. An entry for resources/read is also one for resources/subscribe,
// resources/unsubscribe and completion/complete of the same URI, unless these have an
// entry of their own. The empty method, of a response, has none.
func (s *Spec) OperationFor(method, name string) *Operation {
	if method == "" {
		return nil
	}
	also := s.alsoCovers(method, name)
	for i := range s.Operations {
		o := &s.Operations[i]
		if (o.Method == method || o.Method == "*" || also && o.Method == resourcesRead) && o.matchesName(name) {
			return o
		}
	}
	return nil
}

// AllowsAnonymous reports whether an operation needs no token. An entry of Anonymous
// without a name opens no operation for which a named entry of Operations needs more
// than the resource.
func (s *Spec) AllowsAnonymous(method, name string) bool {
	needs := s.OperationFor(method, name)
	isClosed := needs != nil && needs.Name != "" && needs.NeedsMore()
	return method != "" && slices.ContainsFunc(s.Anonymous, func(o Operation) bool {
		return o.Method == method && o.matchesName(name) && (o.Name != "" || !isClosed)
	})
}

// NeedsMore reports an entry that asks for more than its resource does.
func (o *Operation) NeedsMore() bool {
	return len(o.Scopes) > 0 || len(o.ACRValues) > 0 || o.MaxAge > 0
}

// ConfiguredScopes returns every scope that the resource, its alternatives and its
// operations name, each once, in this order.
func (s *Spec) ConfiguredScopes() []string {
	var all []string
	add := func(scopes []string) {
		for _, scope := range scopes {
			if !slices.Contains(all, scope) {
				all = append(all, scope)
			}
		}
	}
	add(s.Scopes)
	for _, alternative := range s.ScopesAny {
		add(alternative)
	}
	for _, o := range s.Operations {
		add(o.Scopes)
	}
	return all
}

// LearntScopes returns those that a client can learn of: from a challenge, which names
// the configured ones, or from scopes_supported of the document.
func (s *Spec) LearntScopes() []string {
	all := s.ConfiguredScopes()
	if supported, ok := s.Metadata["scopes_supported"].([]any); ok {
		all = append(all, s.HeldScopes(texts(supported))...)
	}
	return all
}

// resourcesRead is the method whose entries cover others of the same URI.
const resourcesRead = "resources/read"

// alsoCovers reports whether entries for resources/read are for this method too.
func (s *Spec) alsoCovers(method, name string) bool {
	switch method {
	case "resources/subscribe", "resources/unsubscribe":
	case "completion/complete":
		if !strings.Contains(name, ":") { // a prompt, not a URI
			return false
		}
	default:
		return false
	}
	return !slices.ContainsFunc(s.Operations, func(o Operation) bool {
		return o.Method == method && o.matchesName(name)
	})
}

func (o *Operation) matchesName(name string) bool {
	prefix, isPrefix := strings.CutSuffix(o.Name, "*")
	return o.Name == "" || o.Name == name || isPrefix && strings.HasPrefix(name, prefix)
}

func cloneOperations(operations []Operation) []Operation {
	cloned := slices.Clone(operations)
	for i := range cloned {
		cloned[i].Scopes = slices.Clone(cloned[i].Scopes)
		cloned[i].ACRValues = slices.Clone(cloned[i].ACRValues)
	}
	return cloned
}
