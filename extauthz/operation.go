package extauthz

import (
	"encoding/binary"
	"slices"
	"strings"
	"unsafe"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/extauthz/resource"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/checkwire"
	"github.com/doorward/doorward/internal/denials"
	"github.com/doorward/doorward/internal/folding"
	"github.com/doorward/doorward/internal/mcp"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/redact"
)

// operation is what a request asks the MCP server for. It is read only where the
// resource or a rule needs it; the zero operation was not read.
type operation struct {
	mcp.Reading
	isRead bool
}

// readOperation reads the operation of the request, if the configuration of its
// resource or one of its rules needs it.
func (r *request) readOperation(evaluator *policy.Evaluator) {
	res := r.target
	if r.operation.isRead || !res.ReadsOperation() && !evaluator.ReadsOperation() {
		return
	}
	sources := mcp.Request{Method: r.method, Headers: r.headers.Values, Metadata: r.attributes.MCP}
	if body := r.attributes.Body; body != "" {
		sources.Body = unsafe.Slice(unsafe.StringData(body), len(body)) //nolint:gosec // read alone
	}
	r.operation = operation{isRead: true, Reading: mcp.Read(sources, mcp.Trust{
		Headers: res.MCP.HeadersChecked, FilterMetadata: res.MCP.FilterMetadata, Batch: res.MCP.AllowBatch,
	})}
}

// members are the operations to decide on, one by one: several of a batch, and the
// zero one where the request has no operation or none that was read.
func (o *operation) members() []mcp.Operation {
	if len(o.Operations) == 0 {
		return []mcp.Operation{{}}
	}
	return o.Operations
}

// operationFault is the refusal of a request whose operation is needed and unknown, with the
// cause; [reason.Allowed] where there is no such fault.
func (r *request) operationFault() (why reason.Reason, cause string) {
	switch r.operation.Fault {
	case mcp.NoFault:
	case mcp.Malformed:
		return reason.OperationMalformed, r.operation.Detail
	default:
		return reason.OperationUnknown, r.operation.Detail
	}
	for _, o := range r.operation.Operations {
		switch {
		case o.Listens() && r.operation.Source != mcp.Body && hidesEntry(r.target, o):
			return reason.OperationUnknown, "only a body says which resources it subscribes to: " +
				"have bodies sent, or write an entry for it"
		case hasOtherEntry(r.target, o):
			return reason.OperationUnknown, "a server that decodes the URI could take it for one of another entry"
		case o.Response, o.IsExempt(), !r.target.RefusesUnlisted():
		case r.target.OperationFor(o.Method, o.Name) == nil:
			return reason.OperationUnknown, "no entry of operations is for it, and operations_default is deny"
		}
	}
	return reason.Allowed, ""
}

// hidesEntry reports a method without an entry of its own that could subscribe to
// resources that need more than it.
func hidesEntry(res *resource.Resource, o mcp.Operation) bool {
	own := res.OperationFor(o.Method, "")
	if own != nil && own.Method == o.Method {
		return false
	}
	return slices.ContainsFunc(res.Operations, func(e resource.Operation) bool {
		return strings.HasPrefix(e.Method, "resources/") && e.NeedsMore()
	})
}

// hasOtherEntry reports an operation for which a server could do what another entry of
// the configuration is for.
func hasOtherEntry(res *resource.Resource, o mcp.Operation) bool {
	return len(res.Operations) > 0 && slices.ContainsFunc(o.Readings(), func(name string) bool {
		return res.OperationFor(o.Method, name) != res.OperationFor(o.Method, o.Name)
	})
}

// demands is the entry of the configuration that says what an operation needs beside
// what the resource needs; nil where that is all.
func demands(res *resource.Resource, o mcp.Operation) *resource.Operation {
	if len(res.Operations) == 0 || o.Response || o.IsExempt() {
		return nil
	}
	return res.OperationFor(o.Method, o.Name)
}

// isRecent reports whether the user was authenticated as recently as an operation
// needs (RFC 9470).
func (state *State) isRecent(claims *token.Claims, of *resource.Operation) bool {
	return of == nil || of.MaxAge == 0 || state.Verifier.AuthenticatedWithin(claims, of.MaxAge)
}

// appendOperationKey appends all of the operation that an answer shows or depends on,
// and whether the authentication is recent enough for it now. It is false for an
// operation with a fault and for a batch, whose answers are not cached.
func (r *request) appendOperationKey(key []byte, state *State, claims *token.Claims) ([]byte, bool) {
	read := &r.operation
	if !read.isRead {
		return key, true
	}
	if read.Fault != mcp.NoFault || len(read.Operations) > 1 {
		return nil, false
	}
	one := read.members()[0]
	key = append(key, byte(read.Source), asByte(read.Trusted), asByte(one.Response))
	key = append(key, asByte(state.isRecent(claims, demands(r.target, one))))
	for _, text := range [...]string{one.Method, one.Name, read.ProtocolVersion} {
		key = append(binary.AppendUvarint(key, uint64(len(text))), text...)
	}
	return key, true
}

func asByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// names are the methods and the names of all members, each once, for metadata and
// logs.
func (o *operation) names() (methods, names string) {
	if len(o.Operations) == 1 {
		return o.Operations[0].Method, o.Operations[0].Name
	}
	var allMethods, allNames []string
	for _, member := range o.Operations {
		if !slices.Contains(allMethods, member.Method) {
			allMethods = append(allMethods, member.Method)
		}
		if member.Name != "" && !slices.Contains(allNames, member.Name) {
			allNames = append(allNames, member.Name)
		}
	}
	return strings.Join(allMethods, " "), strings.Join(allNames, " ")
}

// longestName bounds the method and the name in dynamic metadata, in bytes.
const longestName = 1 << 10

// metadata writes the operation into dynamic metadata, if it was read.
func (o *operation) metadata(m *checkwire.Message) {
	if !o.isRead {
		return
	}
	methods, names := o.names()
	m.Struct("mcp", func() {
		m.Member("method", denials.TruncateTo(longestName, redact.Text(methods)))
		m.Member("name", denials.TruncateTo(longestName, redact.Text(names)))
		m.Member("protocol_version", redact.Text(o.ProtocolVersion))
		m.Member("source", o.Source.String())
		m.Flag("trusted", o.Trusted)
	})
}

// faultLabel is a word of a closed list.
func (o *operation) faultLabel() string {
	switch o.Fault {
	case mcp.NoFault:
		return "none"
	case mcp.Malformed:
		return "malformed"
	default:
		return "unknown"
	}
}

// mayBeAnonymous reports whether every operation of a request is configured to need
// no token.
func (r *request) mayBeAnonymous() bool {
	read := &r.operation
	if len(read.Operations) == 0 || !r.target.AnonymousSessions && r.hasSession() {
		return false
	}
	return !slices.ContainsFunc(read.Operations, func(o mcp.Operation) bool {
		return o.Response || !r.target.AllowsAnonymous(o.Method, o.Name)
	})
}

// whyNotAnonymous is why a request whose operation may be open to all is not allowed
// without a token; "" where its operation is known and not open.
func (r *request) whyNotAnonymous() string {
	switch {
	case r.operation.Fault != mcp.NoFault:
		return r.operation.Detail
	case len(r.operation.Operations) > 0 && !r.target.AnonymousSessions && r.hasSession():
		return "it has Mcp-Session-Id, and anonymous_sessions is false"
	}
	return ""
}

// hasSession reports a header that a server may take for Mcp-Session-Id.
func (r *request) hasSession() bool {
	return slices.ContainsFunc(r.headers, func(h checkwire.Header) bool {
		return folding.Header(h.Name) == "mcp-session-id"
	})
}
