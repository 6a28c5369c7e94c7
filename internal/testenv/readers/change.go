package readers

import "strings"

// changeTree changes one object of a document.
func (g *Generator) changeTree(root *node) {
	var objects []*node
	var collect func(*node)
	collect = func(n *node) {
		if n.isObject && len(n.names) > 0 {
			objects = append(objects, n)
		}
		for _, value := range n.values {
			collect(value)
		}
	}
	collect(root)
	if len(objects) == 0 {
		return
	}
	n := objects[g.random.IntN(len(objects))]
	if g.one(2) {
		n = objects[0] // a message
	}
	at := g.random.IntN(len(n.names))
	switch g.random.IntN(8) {
	case 0: // a member again, with another value
		n.add(n.names[at], g.value(2))
	case 1: // a member again, with a text
		n.add(n.names[at], text(g.word()))
	case 2: // a member in another case, beside it
		n.add(g.otherCase(n.names[at]), n.values[g.random.IntN(len(n.values))])
	case 3: // a member in another case
		n.names[at] = g.otherCase(n.names[at])
	case 4: // another value
		n.values[at] = g.value(2)
	case 5: // no such member
		n.names = append(n.names[:at:at], n.names[at+1:]...)
		n.values = append(n.values[:at:at], n.values[at+1:]...)
	case 6: // a member of messages
		n.add(g.among("result", "error", "id", "method", "params", "jsonrpc", "name", "uri"), g.value(2))
	case 7: // a value of another member
		n.values[at] = n.values[g.random.IntN(len(n.values))]
	}
	g.shuffle(n)
}

func (g *Generator) otherCase(name string) string {
	switch g.random.IntN(3) {
	case 0:
		return strings.ToUpper(name)
	case 1:
		return strings.NewReplacer("s", "ſ", "k", "\u212a").Replace(name)
	}
	if name == "" {
		return name
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// changeText changes the bytes of a document.
func (g *Generator) changeText(text string) string {
	at := g.random.IntN(len(text) + 1)
	insert := func(what string) string { return text[:at] + what + text[at:] }
	switch g.random.IntN(12) {
	case 0:
		return "\ufeff" + text
	case 1:
		return text + g.among(text, "{}", " ", "\x00", "]", "}", "null", ",")
	case 2:
		return text[:at]
	case 3:
		return "[" + text + g.among("]", "]", ",", ","+text+"]")
	case 4:
		return g.inText(text, g.among(`\ud800`, `\udc00`, `\ud83d\ude00`, `\u0000`, `\/`, `\x41`, `\u00e4`, `\u17f`))
	case 5:
		return g.inText(text, g.among("\xff", "\xc0\xaf", "\xed\xa0\x80", "\x00", "\n", "\u00e4", " ", "\x7f"))
	case 6:
		return insert(g.among("/* */", "//\n", ",", ":", `"`, "{", "}", "[", "]", "\\", "0", "'"))
	case 7:
		return insert(g.among(" ", "\t", "\n", "\r", "\v", "\f", "\u00a0", "\u2028", "\ufeff", "\x00"))
	case 8:
		number := g.among("NaN", "Infinity", "-Infinity", "01", "+1", "1.", ".5", "1e", "0x1", "1e999", "None", "True")
		return strings.Replace(text, g.among("1", "0", "true", "null", `"a"`), number, 1)
	case 9: // a text without its quotes, or a text as something else
		return strings.Replace(text, `"`, g.among("'", "", `\"`), 1+g.random.IntN(2))
	case 10: // one byte less
		if at < len(text) {
			return text[:at] + text[at+1:]
		}
	case 11: // one byte of another kind
		if at < len(text) {
			return text[:at] + string([]byte{byte(g.random.IntN(256))}) + text[at+1:]
		}
	}
	return text
}

// inText inserts into a text of the document, after one of its quotes.
func (g *Generator) inText(text, what string) string {
	quotes := strings.Count(text, `"`)
	if quotes == 0 {
		return text + what
	}
	at := -1
	for range 1 + g.random.IntN(quotes) {
		at += 1 + strings.IndexByte(text[at+1:], '"')
	}
	return text[:at+1] + what + text[at+1:]
}
