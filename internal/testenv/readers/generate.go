package readers

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Generator writes documents: good ones from the grammar of MCP messages, and
// such ones with one to three changes. The seed decides about all of them.
type Generator struct{ random *rand.Rand }

// NewGenerator returns a generator with a seed.
func NewGenerator(seed uint64) *Generator {
	return &Generator{rand.New(rand.NewPCG(seed, 13))}
}

// Document returns the next document.
func (g *Generator) Document() []byte {
	message := g.message()
	changes := 0
	if g.one(2) {
		changes = 1 + g.random.IntN(3)
	}
	text := g.write(message)
	for i := range changes {
		if i == 0 && g.one(2) {
			g.changeTree(message)
			text = g.write(message)
			continue
		}
		text = g.changeText(text)
	}
	return []byte(text)
}

func (g *Generator) one(of int) bool { return g.random.IntN(of) == 0 }

func (g *Generator) among(texts ...string) string { return texts[g.random.IntN(len(texts))] }

// node is a value: an object's members, an array's elements, or a token.
type node struct {
	token    string // of a scalar as in JSON, with quotes; "" otherwise
	isObject bool
	names    []string
	values   []*node
}

func text(s string) *node { return &node{token: quote(s)} }

func quote(s string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\t", `\t`, "\n", `\n`, "\x00", `\u0000`).Replace(s) + `"`
}

func object(members ...any) *node {
	n := &node{isObject: true}
	for i := 0; i < len(members); i += 2 {
		name, _ := members[i].(string)
		value, _ := members[i+1].(*node)
		n.add(name, value)
	}
	return n
}

func (n *node) add(name string, value *node) {
	n.names, n.values = append(n.names, name), append(n.values, value)
}

// message is one that a client may send, or a batch of such ones.
func (g *Generator) message() *node {
	if g.one(12) {
		batch := &node{}
		for range 1 + g.random.IntN(3) {
			batch.values = append(batch.values, g.single())
		}
		return batch
	}
	return g.single()
}

func (g *Generator) single() *node {
	n := object("jsonrpc", text("2.0"))
	switch g.random.IntN(12) {
	case 0:
		n.add("id", g.id())
		n.add("result", g.object(2))
	case 1:
		n.add("id", g.id())
		n.add("error", object("code", &node{token: "-1"}, "message", text(g.word())))
	case 2:
		n.add("method", text("notifications/"+g.among("initialized", "cancelled", "progress")))
		n.add("params", g.object(2))
	default:
		if !g.one(8) {
			n.add("id", g.id())
		}
		method, params := g.request()
		n.add("method", text(method))
		if params != nil {
			n.add("params", params)
		}
	}
	if g.one(10) {
		n.add(g.word(), g.value(2))
	}
	g.shuffle(n)
	return n
}

func (g *Generator) request() (method string, params *node) {
	params = object()
	method = g.among("tools/call", "tools/call", "tools/call", "prompts/get", "resources/read", "resources/subscribe",
		"resources/unsubscribe", "completion/complete", "tools/list", "ping", "initialize", "server/discover", "acme/x")
	switch method {
	case "tools/call", "prompts/get":
		params.add("name", text(g.word()))
		params.add("arguments", g.object(3))
	case "resources/read", "resources/subscribe", "resources/unsubscribe":
		params.add("uri", text("memo:"+g.among("a", "b/c", "%20", "x?y#z", "ä")))
	case "completion/complete":
		params.add("ref", object("type", text("ref/prompt"), "name", text(g.word())))
		if g.one(2) {
			params.values[0] = object("type", text("ref/resource"), "uri", text("memo:{"+g.among("a", "b")+"}"))
		}
		params.add("argument", object("name", text(g.word()), "value", text(g.word())))
	default:
		if g.one(3) {
			return method, nil
		}
		params = g.object(2)
	}
	if g.one(3) {
		params.add("_meta", g.object(2))
	}
	g.shuffle(params)
	return method, params
}

func (g *Generator) shuffle(n *node) {
	g.random.Shuffle(len(n.names), func(i, j int) {
		n.names[i], n.names[j] = n.names[j], n.names[i]
		n.values[i], n.values[j] = n.values[j], n.values[i]
	})
}

func (g *Generator) id() *node {
	return &node{token: g.among("0", "1", "-7", "9007199254740991", `"a"`, `""`, `"\u0061"`)}
}

func (g *Generator) word() string {
	return g.among("echo", "delete_repo", "a", "b c", "ä", "😀", "name", "uri", "method", "NAME", "=?base64?YQ==?=",
		"x.y", "__proto__", "constructor", `q"\`, "a\tb", "a\x00b", "\u2028") +
		g.among("", "", "", fmt.Sprint(g.random.IntN(100)))
}

func (g *Generator) object(depth int) *node {
	n := object()
	seen := map[string]bool{}
	for range g.random.IntN(4) {
		// Often a name that some reader could take for one of the message.
		name := g.among("name", "uri", "method", "params", "ref", "id", "Name", "", g.word())
		if folded := strings.ToLower(name); !seen[folded] {
			seen[folded] = true
			n.add(name, g.value(depth-1))
		}
	}
	return n
}

func (g *Generator) value(depth int) *node {
	switch kind := g.random.IntN(6); {
	case kind == 0 && depth > 0:
		return g.object(depth)
	case kind == 1 && depth > 0:
		array := &node{}
		for range g.random.IntN(3) {
			array.values = append(array.values, g.value(depth-1))
		}
		return array
	case kind == 2:
		return &node{token: g.among("0", "-1.5e3", "1e400", "123456789012345678901234567890", "0.1", "-0")}
	case kind == 3:
		return &node{token: g.among("true", "false", "null")}
	}
	return text(g.word())
}

// write writes a value with white space and escapes now and then.
func (g *Generator) write(n *node) string {
	var b strings.Builder
	g.writeTo(&b, n, g.one(4))
	return b.String()
}

func (g *Generator) writeTo(b *strings.Builder, n *node, loose bool) {
	space := func() {
		if loose {
			b.WriteString(g.among("", "", " ", "\n", "\t", "\r\n"))
		}
	}
	space()
	defer space()
	if n.token != "" {
		b.WriteString(g.escape(n.token, loose))
		return
	}
	brackets := "[]"
	if n.isObject {
		brackets = "{}"
	}
	b.WriteByte(brackets[0])
	for i, value := range n.values {
		if i > 0 {
			b.WriteByte(',')
		}
		if n.isObject {
			space()
			b.WriteString(g.escape(quote(n.names[i]), loose))
			space()
			b.WriteByte(':')
		}
		g.writeTo(b, value, loose)
	}
	space()
	b.WriteByte(brackets[1])
}

// escape writes one letter of a text as an escape, now and then.
func (g *Generator) escape(token string, loose bool) string {
	if !loose || token[0] != '"' || strings.Contains(token, `\`) || len(token) < 3 || !g.one(3) {
		return token
	}
	at := 1 + g.random.IntN(len(token)-2)
	if c := token[at]; c < 0x80 {
		return token[:at] + fmt.Sprintf(`\u00`+g.among("%02x", "%02X"), c) + token[at+1:]
	}
	return token
}
