package checkwire

import (
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// shape is what [Scan] knows of one protobuf message: as much as it takes to
// refuse the bytes that the generated decoder refuses. It is read off the
// generated descriptors, so that a field that a new version of the API adds is
// checked without a change here.
type shape struct {
	fields []field // by number
}

// field is one field of a message.
type field struct {
	wire    protowire.Type
	text    bool   // a string, which must be UTF-8
	isMap   bool   // message is its entry
	message *shape // of a message or a map
	take    take
}

// unknownField has a wire type that no field has.
var unknownField = field{wire: -1}

// take is what Scan does with a field besides checking its bytes.
type take uint8

const (
	nothing take = iota
	takeHTTP
	takeID
	takeMethod
	takeScheme
	takeHost
	takePath
	takeMapped
	takeHeaderMap
	takeListed
	takeRaw
	takeKey
	takeValue
	takeExtension
	takeSocket
	takePipe
	takeInternal
	takeAddress
	takePipePath
	takePort
	takeNamedPort
	takePrincipal
	takeCertificate
	takeBody
	takeRawBody
	takeMetadata
	takeStruct
)

// takes lists the fields that a verdict can depend on. Those of a peer count
// for the source alone, and those of metadata for the request, not for the route.
func takes() map[protoreflect.FullName]take {
	const (
		attributes = "envoy.service.auth.v3.AttributeContext."
		http       = attributes + "HttpRequest."
		core       = "envoy.config.core.v3."
		extensions = attributes + "ContextExtensionsEntry."
		metadata   = core + "Metadata."
	)
	return map[protoreflect.FullName]take{
		attributes + "Request.http":             takeHTTP,
		http + "id":                             takeID,
		http + "method":                         takeMethod,
		http + "scheme":                         takeScheme,
		http + "host":                           takeHost,
		http + "path":                           takePath,
		http + "headers":                        takeMapped,
		http + "HeadersEntry.key":               takeKey,
		http + "HeadersEntry.value":             takeValue,
		http + "header_map":                     takeHeaderMap,
		core + "HeaderMap.headers":              takeListed,
		core + "HeaderValue.key":                takeKey,
		core + "HeaderValue.value":              takeValue,
		core + "HeaderValue.raw_value":          takeRaw,
		attributes + "context_extensions":       takeExtension,
		extensions + "key":                      takeKey,
		extensions + "value":                    takeValue,
		core + "Address.socket_address":         takeSocket,
		core + "Address.pipe":                   takePipe,
		core + "SocketAddress.address":          takeAddress,
		core + "SocketAddress.port_value":       takePort,
		core + "SocketAddress.named_port":       takeNamedPort,
		core + "Pipe.path":                      takePipePath,
		attributes + "Peer.principal":           takePrincipal,
		attributes + "Peer.certificate":         takeCertificate,
		core + "Address.envoy_internal_address": takeInternal,
		http + "body":                           takeBody,
		http + "raw_body":                       takeRawBody,
		metadata + "filter_metadata":            takeMetadata,
		metadata + "FilterMetadataEntry.key":    takeKey,
		metadata + "FilterMetadataEntry.value":  takeStruct,
	}
}

// The numbers of the fields that hold headers: of HttpRequest, and of HeaderMap.
const (
	mappedField = 3
	listedField = 1
)

// shapes makes shapes of descriptors, each once, since messages contain
// themselves (google.protobuf.Struct).
type shapes struct {
	takes map[protoreflect.FullName]take // nil: nothing is taken
	made  map[protoreflect.FullName]*shape
}

// checkRequestShape is what every CheckRequest is checked against. It does not
// change.
var checkRequestShape = newCheckRequestShape()

func newCheckRequestShape() *shape {
	taking := shapes{takes(), map[protoreflect.FullName]*shape{}}
	ignored := shapes{nil, map[protoreflect.FullName]*shape{}}
	root := taking.of((*authv3.CheckRequest)(nil).ProtoReflect().Descriptor())
	context := (*authv3.AttributeContext)(nil).ProtoReflect().Descriptor()
	for _, name := range []protoreflect.Name{"destination", "route_metadata_context"} {
		other := context.Fields().ByName(name)
		taking.of(context).fields[other.Number()].message = ignored.of(other.Message())
	}
	return root
}

func (s shapes) of(message protoreflect.MessageDescriptor) *shape {
	if made := s.made[message.FullName()]; made != nil {
		return made
	}
	made := new(shape)
	s.made[message.FullName()] = made
	fields := message.Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		for int(f.Number()) >= len(made.fields) {
			made.fields = append(made.fields, unknownField)
		}
		made.fields[f.Number()] = s.field(f)
	}
	return made
}

func (s shapes) field(f protoreflect.FieldDescriptor) field {
	read := field{wire: wireType(f.Kind()), isMap: f.IsMap(), take: s.takes[f.FullName()]}
	read.text = f.Kind() == protoreflect.StringKind
	if f.Message() != nil {
		read.message = s.of(f.Message())
	}
	return read
}

func wireType(kind protoreflect.Kind) protowire.Type {
	switch kind {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return protowire.Fixed64Type
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.Fixed32Type
	default:
		return protowire.VarintType
	}
}
