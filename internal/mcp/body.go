package mcp

import (
	"slices"

	"github.com/doorward/doorward/internal/strictjson"
)

// content is what a body says.
type content struct {
	operations    []Operation // of a message or, where that is allowed, of each message of a batch
	subscriptions []Operation // what those ask for beside that, in their parameters
	id            []byte      // of a message, as JSON
}

func readBody(body []byte, allowBatch bool) (c content, f Fault, detail string) {
	switch {
	case len(body) == 0:
		return c, Malformed, "the body is empty"
	case len(body) > MaxBody:
		return c, Malformed, "the body is larger than 1 MiB"
	}
	s := acquire(body)
	defer s.release()
	s.allowBatch = allowBatch
	if malformed := s.read(); malformed != "" {
		return c, Malformed, malformed
	}
	if s.unknown != "" {
		return c, Unknown, s.unknown
	}
	return content{s.operations, s.subscriptions, s.message.id()}, NoFault, ""
}

// slot is a member of a message whose value matters.
type slot uint8

const (
	unnamed slot = iota // of any other member
	known               // of a member that clients send, whose value does not matter
	version
	identifier
	method
	params
	result
	failure
	name
	uri
	ref
	refType
	refName
	refURI
	filter
	subscribed
	slots
)

// place is which object of a message a member is in.
type place uint8

const (
	elsewhere place = iota
	inBatch
	inMessage
	inParams
	inRef
	inFilter
	inSubscribed
)

// inside is the place that the value of a slot is.
func (p place) inside(s slot) place {
	switch {
	case p == inMessage && s == params:
		return inParams
	case p == inParams && s == ref:
		return inRef
	case p == inParams && s == filter:
		return inFilter
	case p == inFilter && s == subscribed:
		return inSubscribed
	}
	return elsewhere
}

// knownMember is a member by its name.
type knownMember struct {
	name string
	slot slot
}

// members are those that a reader could find by a name in another case.
var members = [...][]knownMember{
	inMessage: {
		{"jsonrpc", version},
		{"id", identifier},
		{"method", method},
		{"params", params},
		{"result", result},
		{"error", failure},
	},
	inParams: {
		{"name", name},
		{"uri", uri},
		{"ref", ref},
		{"arguments", known},
		{"argument", known},
		{"_meta", known},
		{"notifications", filter},
	},
	inRef:    {{"type", refType}, {"name", refName}, {"uri", refURI}},
	inFilter: {{"resourceSubscriptions", subscribed}},
}

// message has the undecoded values of its members, of objects and arrays the
// first byte alone; the list of subscriptions is whole.
type message [slots]strictjson.Member

const (
	notJSONRPC = "the message is no JSON-RPC 2.0 request, notification or response"
	noURIs     = "the subscriptions are no list of at most 100 texts"
	nameless   = "the method needs a name and has none, or one that is no text, empty or too long"
)

func (m *message) operation() (Operation, Fault, string) {
	if string(m[version]) != `"2.0"` {
		if text, _ := m[version].Text(); text != "2.0" {
			return Operation{}, Malformed, "the message has no jsonrpc 2.0"
		}
	}
	id := m[identifier]
	hasID := id.Is('"') || id.Is('0')
	if !m[method].Present() {
		isResult := m[result].Present() && hasID
		isError := m[failure].Present() && (hasID || id.Is('n') || !id.Present())
		if isResult == isError || m[result].Present() && m[failure].Present() || m[params].Present() {
			return Operation{}, Malformed, notJSONRPC
		}
		return Operation{Response: true}, NoFault, ""
	}
	if m[result].Present() || m[failure].Present() || id.Present() && !hasID {
		return Operation{}, Malformed, notJSONRPC
	}
	text, isText := m[method].Text()
	if !isText || !isName(text) {
		return Operation{}, Malformed, "the method is no text, empty or too long"
	}
	if p := m[params]; p.Present() && !p.Is('{') && !p.Is('n') {
		return Operation{}, Malformed, "params is no object"
	}
	return m.named(text)
}

// named finds the name of a method.
func (m *message) named(text string) (Operation, Fault, string) {
	operation := Operation{Method: text}
	at := name
	switch namingOf(text) {
	case noName:
		return operation, NoFault, ""
	case byName:
	case byURI:
		at = uri
	case byRef:
		switch of, _ := m[refType].Text(); of {
		case refPrompt:
			at = refName
		case refResource:
			at = refURI
		default:
			return Operation{}, Malformed, "the reference is neither of a prompt nor of a resource"
		}
	}
	operation.Name, _ = m[at].Text()
	if !isName(operation.Name) {
		return Operation{}, Malformed, nameless
	}
	if at == uri || at == refURI {
		if detail := uriFault(operation.Name, at == refURI); detail != "" {
			return Operation{}, Unknown, detail
		}
	}
	return operation, NoFault, ""
}

// subscriptions are the operations of which subscriptions/listen is made, beside
// itself: it replaces resources/subscribe in revision 2026-07-28.
func (m *message) subscriptions() (all []Operation, f Fault, detail string) {
	in, list := m[filter], m[subscribed]
	switch {
	case in.Present() && !in.Is('{') && !in.Is('n'):
		return nil, Malformed, noURIs
	case !list.Present() || list.Is('n'):
		return nil, NoFault, ""
	}
	isList := list.EachString(func(uri string) {
		if len(all) > MaxBatch {
			return
		}
		if detail == "" {
			detail = uriFault(uri, false)
		}
		all = append(all, Operation{Method: subscribe, Name: uri})
	})
	isLong := func(o Operation) bool { return !isName(o.Name) }
	switch {
	case !isList, len(all) > MaxBatch, slices.ContainsFunc(all, isLong):
		return nil, Malformed, noURIs
	case detail != "":
		return nil, Unknown, detail
	}
	return all, NoFault, ""
}

// id is what a JSON-RPC error may answer to. After a batch there is none.
func (m *message) id() []byte {
	id := m[identifier]
	if len(id) > maxID || !id.Is('"') && !id.Is('0') {
		return nil
	}
	return []byte(id)
}
