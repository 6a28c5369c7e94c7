package checkwire

import (
	"slices"
	"unicode/utf8"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxComparedNames is how many entries of `headers` Scan compares with those before
// it. Envoy lets 100 through. The names of more are compared once the resource
// is known, in [Attributes.settle].
const maxComparedNames = 256

// initialHeaders is the capacity before the headers are counted.
const initialHeaders = 24

// Scan decodes a CheckRequest without building the hundred objects that the
// generated decoder does, of which a Check reads a few. It refuses what that one
// refuses. The strings in the result are parts of wire, which must never change.
func Scan(wire []byte) (*Attributes, bool) {
	s := new(scanner)
	ok := s.message(checkRequestShape, wire, protowire.DefaultRecursionLimit)
	if s.rawBody != "" {
		s.Body = s.rawBody
	}
	return &s.Attributes, ok
}

// scanner holds what was found so far. As protobuf requires, the last of two
// equal fields counts, and a message that comes in two parts is one.
type scanner struct {
	Attributes
	name, text, raw string // of the map entry or header being read
	holder          string // the bytes of the message that holds it
	metadata        []byte // the Struct of the namespace being read
	rawBody         string
}

func (s *scanner) message(m *shape, wire []byte, depth int) bool {
	if depth--; depth < 0 {
		return false
	}
	for len(wire) > 0 {
		tag, n := consumeVarint(wire)
		number := tag >> 3
		if n < 0 || number < uint64(protowire.MinValidNumber) || number > uint64(protowire.MaxValidNumber) {
			return false
		}
		wire = wire[n:]
		f := &unknownField
		if number < uint64(len(m.fields)) {
			f = &m.fields[number]
		}
		if f.wire == protowire.Type(tag&7) && f.wire == protowire.BytesType {
			n = s.bytes(f, wire, depth)
		} else {
			n = s.other(f, protowire.Number(number), protowire.Type(tag&7), wire, depth)
		}
		if n < 0 {
			return false
		}
		wire = wire[n:]
	}
	return true
}

// consumeVarint spares a call for what nearly all tags and lengths are: one
// byte, or two.
func consumeVarint(wire []byte) (uint64, int) {
	if len(wire) > 0 && wire[0] < 0x80 {
		return uint64(wire[0]), 1
	}
	if len(wire) > 1 && wire[1] < 0x80 {
		return uint64(wire[0]&0x7f) | uint64(wire[1])<<7, 2
	}
	return protowire.ConsumeVarint(wire)
}

// bytes reads a string, bytes or a message. It returns the length, which is
// negative where the bytes are refused.
func (s *scanner) bytes(f *field, wire []byte, depth int) int {
	length, n := consumeVarint(wire)
	if n < 0 || length > uint64(len(wire[n:])) {
		return -1
	}
	end := n + int(length) //nolint:gosec // no more than the length of wire
	value := wire[n:end]
	switch {
	case f.message == nil:
		if f.text && !utf8.Valid(value) {
			return -1
		}
		if f.take != nothing {
			s.value(f.take, unsafe.String(unsafe.SliceData(value), len(value))) //nolint:gosec // wire never changes
		}
	case f.take == nothing:
		if !s.message(f.message, value, depth) {
			return -1
		}
	default:
		s.begin(f.take, value)
		if !s.message(f.message, value, depth) {
			return -1
		}
		s.end(f.take)
	}
	return end
}

// other reads a number, or whatever is not known here: a known field of another
// wire type too. The generated decoder counts the depth of a map before it
// looks at the wire type.
func (s *scanner) other(f *field, number protowire.Number, wireType protowire.Type, wire []byte, depth int) int {
	if f.isMap && depth == 0 {
		return -1
	}
	if f.take == takePort && wireType == protowire.VarintType {
		port, n := protowire.ConsumeVarint(wire)
		s.Peer.Port = uint32(port) //nolint:gosec // cut off as the generated decoder does
		return n
	}
	return protowire.ConsumeFieldValue(number, wireType, wire)
}

func (s *scanner) begin(t take, message []byte) {
	switch t {
	case takeHTTP:
		//nolint:gosec // wire never changes
		s.HasHTTP, s.holder = true, unsafe.String(unsafe.SliceData(message), len(message))
	case takeHeaderMap:
		s.holder = unsafe.String(unsafe.SliceData(message), len(message)) //nolint:gosec // the same
	case takeMapped, takeListed, takeExtension:
		s.name, s.text, s.raw = "", "", ""
	case takeMetadata:
		s.name, s.metadata = "", nil
	case takeStruct: // in two parts it is one, as their bytes in a row are
		if s.metadata == nil {
			s.metadata = slices.Clip(message)
		} else {
			s.metadata = append(s.metadata, message...)
		}
	case takeSocket: // of a oneof the last member counts, and begins anew
		if !s.Peer.Socket {
			s.Peer = Peer{Socket: true}
		}
	case takePipe:
		if !s.Peer.Pipe {
			s.Peer = Peer{Pipe: true}
		}
	case takeInternal:
		s.Peer = Peer{}
	default: // nothing to begin
	}
}

func (s *scanner) end(t take) {
	switch t {
	case takeMapped:
		if s.name != "" {
			s.put(Header{s.name, s.text})
		}
	case takeListed:
		if s.name != "" { // every header has a name
			s.listed = room(s.listed, s.holder, listedField)
			s.list(s.name, s.text, s.raw)
		}
	case takeExtension:
		switch s.name {
		case "resource":
			s.Resource, s.HasResource = s.text, true
		case "destination":
			s.Destination, s.HasDestination = s.text, true
		}
	case takeMetadata: // the last of a name counts
		if s.name == mcpNamespace {
			s.MCP = s.metadata
		}
	default: // nothing to end
	}
}

// put keeps the last value of each name, as far as it compares them.
func (s *scanner) put(h Header) {
	if len(s.mapped) <= maxComparedNames {
		for i := range s.mapped {
			if s.mapped[i].Name == h.Name {
				s.mapped[i].Value = h.Value
				return
			}
		}
	}
	s.mapped = append(room(s.mapped, s.holder, mappedField), h)
}

// room returns all with space for one more header. Where the space for few is
// used up, the headers of the message are counted: growth in steps would take
// several times the memory.
func room(all []Header, holder string, number protowire.Number) []Header {
	switch {
	case len(all) < cap(all):
		return all
	case all == nil:
		return make([]Header, 0, initialHeaders)
	}
	message := unsafe.Slice(unsafe.StringData(holder), len(holder)) //nolint:gosec // read alone
	return slices.Grow(all, max(count(message, number)-len(all), 1))
}

// count is how often a field that holds the name of a header is in a message: it
// is longer than the tags and lengths. What is not sound ends it, and is refused
// a little later.
func count(message []byte, number protowire.Number) (n int) {
	const shortest = 5
	for len(message) > 0 {
		found, _, length := protowire.ConsumeField(message)
		if length < 0 {
			return n
		}
		if found == number && length >= shortest {
			n++
		}
		message = message[length:]
	}
	return n
}

func (s *scanner) value(t take, text string) {
	switch t {
	case takeKey:
		s.name = text
	case takeRaw:
		s.raw = text
	case takeValue:
		s.text = text
	case takeID:
		s.ID = text
	case takeMethod:
		s.Method = text
	case takeScheme:
		s.Scheme = text
	case takeHost:
		s.Host = text
	case takePath:
		s.Path = text
	case takeAddress:
		s.Peer.Address = text
	case takePipePath:
		s.Peer.Path = text
	case takeNamedPort:
		s.Peer.Port = 0
	case takePrincipal:
		s.Principal = text
	case takeCertificate:
		s.Certificate = text
	case takeBody:
		s.Body = text
	case takeRawBody:
		s.rawBody = text
	default: // a message
	}
}
