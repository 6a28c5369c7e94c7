package mcp

import (
	"bytes"
	"hash/maphash"

	"github.com/go-json-experiment/json/jsontext"
)

// names are the names of the objects that have not ended, outermost first.
type names struct {
	spans    []span
	unquoted []byte   // of the names that have escapes
	table    []uint32 // indexes of names, plus one, by their hash
}

// span is a name in the body, or in unquoted where begin is the bitwise
// complement of a place. Bodies are smaller than 2 GiB; see MaxBody.
type span struct{ begin, end int32 }

var seed = maphash.MakeSeed()

func (n *names) count() int { return len(n.spans) }

// add takes a name with its quotes, which ends at this offset of the body, and
// returns it decoded.
func (n *names) add(quoted []byte, end int) ([]byte, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		n.spans = append(n.spans, span{int32(end - len(quoted) + 1), int32(end - 1)}) //nolint:gosec // MaxBody
		return quoted[1 : len(quoted)-1], nil
	}
	begin := len(n.unquoted)
	var err error
	if n.unquoted, err = jsontext.AppendUnquote(n.unquoted, quoted); err != nil {
		return nil, err
	}
	n.spans = append(n.spans, span{^int32(begin), int32(len(n.unquoted))}) //nolint:gosec // MaxBody
	return n.unquoted[begin:], nil
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
		for j := range i {
			if bytes.Equal(n.text(doc, spans[i]), n.text(doc, spans[j])) {
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
	if cap(n.table) < size {
		n.table = make([]uint32, size)
	}
	table := n.table[:size]
	clear(table)
	for i, name := range spans {
		text := n.text(doc, name)
		at := int(maphash.Bytes(seed, text) & uint64(size-1)) //nolint:gosec // below size
		for ; table[at] > 0; at = (at + 1) & (size - 1) {
			if bytes.Equal(text, n.text(doc, spans[table[at]-1])) {
				return true
			}
		}
		table[at] = uint32(i + 1)
	}
	return false
}

func (n *names) text(doc []byte, name span) []byte {
	if name.begin < 0 {
		return n.unquoted[^name.begin:name.end]
	}
	return doc[name.begin:name.end]
}

// reset forgets all names, and what a rare body needed.
func (n *names) reset() {
	n.spans, n.unquoted = n.spans[:0], n.unquoted[:0]
	if cap(n.spans) > many {
		n.spans = nil
	}
	if cap(n.unquoted) > many {
		n.unquoted = nil
	}
	if cap(n.table) > many {
		n.table = nil
	}
}

const many = 16 << 10
