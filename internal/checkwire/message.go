package checkwire

import (
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Message writes a protobuf message into bytes, from the outside in. Writing an
// answer this way spares building it as objects first: a fifth of the work on
// a token that was never seen.
type Message struct {
	Wire   []byte
	Broken bool // a string is no UTF-8: the bytes are no message
}

// Text writes a string.
func (m *Message) Text(number protowire.Number, value string) {
	m.Broken = m.Broken || !utf8.ValidString(value)
	m.Wire = protowire.AppendString(protowire.AppendTag(m.Wire, number, protowire.BytesType), value)
}

// Texts makes room once: a client may have written very many.
func (m *Message) Texts(number protowire.Number, values []string) {
	const tags, after = 8, 512 // of each, and what is written later
	size := 0
	for _, value := range values {
		size += tags + len(value)
	}
	if size > cap(m.Wire)-len(m.Wire) {
		m.Wire = slices.Grow(m.Wire, size+after)
	}
	for _, value := range values {
		m.Text(number, value)
	}
}

// Integer leaves 0 out, as the generated code does.
func (m *Message) Integer(number protowire.Number, value int) {
	if value != 0 {
		m.Wire = protowire.AppendTag(m.Wire, number, protowire.VarintType)
		m.Wire = protowire.AppendVarint(m.Wire, uint64(value)) //nolint:gosec // statuses and codes
	}
}

// Open begins a message inside this one, which [Message.Close] ends.
func (m *Message) Open(number protowire.Number) (begin int) {
	m.Wire = append(protowire.AppendTag(m.Wire, number, protowire.BytesType), 0) // room for a short length
	return len(m.Wire)
}

// Close ends the message that began at begin.
func (m *Message) Close(begin int) {
	length := uint64(len(m.Wire) - begin) //nolint:gosec // not negative
	if size := protowire.SizeVarint(length); size > 1 {
		m.Wire = slices.Insert(m.Wire, begin, make([]byte, size-1)...)
	}
	protowire.AppendVarint(m.Wire[:begin-1], length)
}
