package mcp

import "strings"

// naming is where a method keeps its name.
type naming uint8

const (
	noName naming = iota
	byName        // params.name
	byURI         // params.uri
	byRef         // params.ref: the name or the uri of it
)

func namingOf(method string) naming {
	switch method {
	case "tools/call", "prompts/get":
		return byName
	case "resources/read", subscribe, "resources/unsubscribe":
		return byURI
	case "completion/complete":
		return byRef
	}
	return noName
}

// Methods that say which resources to send news of.
const (
	listen    = "subscriptions/listen"
	subscribe = "resources/subscribe"
)

// Listens reports the method that has any number of subscriptions, which a body alone
// names.
func (o Operation) Listens() bool { return o.Method == listen }

// The types of a completion's reference.
const (
	refPrompt   = "ref/prompt"
	refResource = "ref/resource"
)

// isName reports whether a text can be a name or a method. For servers that end texts
// at NUL, one with it is another name.
func isName(text string) bool {
	return text != "" && len(text) <= MaxName && strings.IndexByte(text, 0) < 0
}
