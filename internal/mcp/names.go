package mcp

import (
	"bytes"
	"hash/maphash"

	"github.com/go-json-experiment/json/jsontext"
)

// names are the names of the objects that have not ended, outermost first.
type names struct {
	spans    []span
	table    []uint32 // indexes of names, plus one, by their hash
	unquoted [2][]byte
}

// span is where a name is in the body, without its quotes. Of a name with escapes
// begin is the bitwise complement. Bodies are smaller than 2 GiB; see MaxBody.
type span struct{ begin, end int32 }

var seed = maphash.MakeSeed()

func (n *names) count() int { return len(n.spans) }

// add takes a name with its quotes, which ends at this offset of the body, and
// returns it decoded, until the next call.
func (n *names) add(quoted []byte, end int) []byte {
	if len(n.spans) == cap(n.spans) {
		larger := make([]span, len(n.spans), max(32, 2*len(n.spans))) // append would take more and smaller steps
		copy(larger, n.spans)
		n.spans = larger
	}
	name := span{int32(end - len(quoted) + 1), int32(end - 1)} //nolint:gosec // MaxBody
	if bytes.IndexByte(quoted, '\\') < 0 {
		n.spans = append(n.spans, name)
		return quoted[1 : len(quoted)-1]
	}
	n.spans = append(n.spans, span{^name.begin, name.end})
	return n.decode(quoted, 0)
}

// decode decodes a name that the decoder has accepted.
func (n *names) decode(quoted []byte, buffer int) []byte {
	n.unquoted[buffer], _ = jsontext.AppendUnquote(n.unquoted[buffer][:0], quoted)
	return n.unquoted[buffer]
}

// text is a name, decoded into one of the buffers where it has escapes.
func (n *names) text(doc []byte, name span, buffer int) []byte {
	if name.begin < 0 {
		return n.decode(doc[^name.begin-1:name.end+1], buffer)
	}
	return doc[name.begin:name.end]
}

// duplicate reports whether two names since this index are equal, and forgets
// them. Its time is linear in their number, whatever they are.
func (n *names) duplicate(doc []byte, since int) bool {
	spans := n.spans[since:]
	n.spans = n.spans[:since]
	if len(spans) > few {
		return n.duplicateOfMany(doc, spans)
	}
	for i := range spans {
		text := n.text(doc, spans[i], 0)
		for _, before := range spans[:i] {
			if bytes.Equal(n.text(doc, before, 1), text) {
				return true
			}
		}
	}
	return false
}

// few names are compared one with each other.
const few = 8

func (n *names) duplicateOfMany(doc []byte, spans []span) bool {
	size := 4 * few
	for 4*len(spans) > 3*size {
		size *= 2
	}
	if len(n.table) < size {
		n.table = make([]uint32, size)
	}
	table := n.table[:size]
	clear(table)
	for i, name := range spans {
		text := n.text(doc, name, 0)
		at := int(maphash.Bytes(seed, text) & uint64(size-1)) //nolint:gosec // below size
		for ; table[at] > 0; at = (at + 1) & (size - 1) {
			if bytes.Equal(text, n.text(doc, spans[table[at]-1], 1)) {
				return true
			}
		}
		table[at] = uint32(i + 1)
	}
	return false
}

// reset forgets all names, and what a rare body needed.
func (n *names) reset() {
	n.spans = n.spans[:0]
	if cap(n.spans) > many {
		n.spans = nil
	}
	if len(n.table) > many {
		n.table = nil
	}
	if max(cap(n.unquoted[0]), cap(n.unquoted[1])) > many {
		n.unquoted = [2][]byte{}
	}
}

const many = 16 << 10
