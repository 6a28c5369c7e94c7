package checkwire

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/doorward/doorward/internal/mcp"
)

// The numbers of fields on the way down.
const (
	inAttributes = 1
	inSource     = 1
	inDest       = 2
	inRequest    = 4
	inExtensions = 10
	inMetadata   = 11
	inHTTP       = 2
	inHeaders    = 3
	inHeaderMap  = 13
	inBody       = 11
	inRawBody    = 12

	inRouteMetadata = 13
)

// put is value in a field of bytes, inside the messages that path names from
// the outside in.
func put(value []byte, path ...protowire.Number) []byte {
	for _, number := range slices.Backward(path) {
		value = protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
	}
	return value
}

func text(value string, number protowire.Number) []byte { return put([]byte(value), number) }

func varint(number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), value)
}

func group(number protowire.Number, inside []byte) []byte {
	begin := append(protowire.AppendTag(nil, number, protowire.StartGroupType), inside...)
	return protowire.AppendTag(begin, number, protowire.EndGroupType)
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func inHTTPOf(parts ...[]byte) []byte { return put(join(parts...), inAttributes, inRequest, inHTTP) }

func fromPeer(parts ...[]byte) []byte { return put(join(parts...), inAttributes, inSource) }

// ofFilter is a request with these metadata, namespace a member of them, and textMember
// a member of a Struct.
func ofFilter(parts ...[]byte) []byte { return put(join(parts...), inAttributes, inMetadata) }

func namespace(name string, members ...[]byte) []byte {
	return put(join(text(name, 1), put(join(members...), 2)), 1)
}

func textMember(name, value string) []byte {
	return put(join(text(name, 1), put(text(value, 3), 2)), 1)
}

// call is the metadata of a call of a tool.
var call = namespace(
	mcpNamespace, textMember("status", "mcp_ok"), textMember("method", "tools/call"),
	put(join(text("is_mcp_request", 1), put(varint(4, 1), 2)), 1),
	put(join(text("params", 1), put(textMember("name", "search"), 2, 5)), 1),
)

// nestedLists is a metadata value that is depth lists deep.
func nestedLists(depth int) []byte {
	value := text("deepest", 3)
	for range depth {
		value = put(value, 6, 1) // list_value, values
	}
	return put(join(text("namespace", 1), put(join(text("key", 1), put(value, 2)), 2, 1)), inAttributes, inMetadata, 1)
}

// ofEnvoy is a request as Envoy sends it, in both header forms.
func ofEnvoy(t testing.TB) []byte {
	t.Helper()
	peer := func(address string, port uint32) *authv3.AttributeContext_Peer {
		return &authv3.AttributeContext_Peer{
			Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
				Address: address, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
			}}},
			Principal: "spiffe://cluster.local/ns/a/sa/b", Certificate: "-----BEGIN%20CERTIFICATE-----", Labels: map[string]string{"a": "b"},
		}
	}
	metadata, err := structpb.NewStruct(map[string]any{"n": nil, "f": 1.5, "s": "x", "b": true, "l": []any{1, "2"}, "m": map[string]any{"k": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	wire, err := proto.Marshal(&authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: peer("10.0.0.7", 40000), Destination: peer("10.0.0.1", 443),
		Request: &authv3.AttributeContext_Request{Time: &timestamppb.Timestamp{Seconds: 1, Nanos: 2}, Http: &authv3.AttributeContext_HttpRequest{
			Id: "1234567890", Method: "POST", Scheme: "https", Host: "mcp.example.com", Path: "/mcp?a=b", Size: -1, Protocol: "HTTP/2", RawBody: []byte("\xff{}"),
			Headers: map[string]string{":path": "/mcp?a=b", "authorization": "Bearer a.b.c", "X-Odd": "1", "x-odd": "2"},
			HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{
				{Key: "accept", RawValue: []byte("application/json")}, {Key: "x", Value: "v"}, {Key: "x", RawValue: []byte("\xfe")},
			}},
		}},
		ContextExtensions: map[string]string{"resource": "weather", "other": "x"},
		MetadataContext:   &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"envoy.filters.http.mcp": metadata}},
		TlsSession:        &authv3.AttributeContext_TLSSession{Sni: "mcp.example.com"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

// mergeRules are bytes in which a rule of protobuf decides what is read or
// refused, by that rule.
func mergeRules(t testing.TB) map[string][]byte {
	socket := func(port uint64) []byte {
		return put(join(text("10.0.0.7", 2), varint(3, port)), 1, 1)
	}
	many := make([][]byte, 0, 2*maxComparedNames)
	for i := range 2 * maxComparedNames {
		many = append(many, put(join(text(strings.Repeat("n", i+1), 1), text("v", 2)), inHeaders))
	}
	return map[string][]byte{
		"nothing":                              {},
		"what Envoy sends":                     ofEnvoy(t),
		"a repeated scalar: the last one":      inHTTPOf(text("GET", 2), text("POST", 2)),
		"a repeated scalar: an empty last one": inHTTPOf(text("GET", 2), text("", 2)),
		"a message in two parts is merged":     join(inHTTPOf(text("GET", 2)), inHTTPOf(text("/mcp", 4))),
		"a source in two parts":                join(fromPeer(socket(1)), fromPeer(text("spiffe://a", 4))),
		"an address in two parts":              fromPeer(put(put(text("10.0.0.7", 2), 1), 1), put(put(varint(3, 7), 1), 1)),
		"of a oneof the last: pipe":            fromPeer(socket(1), put(put(text("/run/envoy", 1), 2), 1)),
		"of a oneof the last: socket":          fromPeer(put(put(text("/run/envoy", 1), 2), 1), put(put(text("10.0.0.7", 2), 1), 1)),
		"of a oneof the last: internal":        fromPeer(socket(1), put(put(text("listener", 1), 3), 1)),
		"a oneof that comes back begins anew":  fromPeer(socket(9), put(put(nil, 2), 1), put(put(text("10.0.0.8", 2), 1), 1)),
		"an empty pipe":                        fromPeer(put(put(nil, 2), 1)),
		"a named port overrides a number":      fromPeer(put(put(join(text("a", 2), varint(3, 80), text("http", 4)), 1), 1)),
		"a number overrides a named port":      fromPeer(put(put(join(text("a", 2), text("http", 4), varint(3, 80)), 1), 1)),
		"a port over 32 bits is cut":           fromPeer(put(put(join(text("a", 2), varint(3, 1<<40+5)), 1), 1)),
		"of a map the last of a name":          inHTTPOf(put(join(text("a", 1), text("1", 2)), inHeaders), put(join(text("a", 1), text("2", 2)), inHeaders)),
		"a map entry without a value":          inHTTPOf(put(text("a", 1), inHeaders)),
		"a map entry without a key":            inHTTPOf(put(text("v", 2), inHeaders)),
		"a map entry with two keys":            inHTTPOf(put(join(text("a", 1), text("v", 2), text("b", 1)), inHeaders)),
		"an empty map entry":                   inHTTPOf(put(nil, inHeaders)),
		"more headers than are compared":       inHTTPOf(many...),
		"more, each of them twice":             inHTTPOf(append(many, put(join(text("n", 1), text("w", 2)), inHeaders), put(join(text("N", 1), text("w", 2)), inHeaders))...),
		"a header without a name":              inHTTPOf(put(text("v", 3), inHeaderMap, 1)),
		"names that differ in case":            inHTTPOf(put(join(text("A", 1), text("1", 2)), inHeaders), put(join(text("a", 1), text("2", 2)), inHeaders)),
		"a header in two parts is two":         inHTTPOf(put(text("a", 1), inHeaderMap, 1), put(text("b", 3), inHeaderMap, 1)),
		"a header_map in two parts":            inHTTPOf(put(join(text("a", 1), text("1", 2)), inHeaderMap, 1), put(join(text("a", 1), text("2", 3)), inHeaderMap, 1)),
		"an extension twice":                   put(join(put(join(text("resource", 1), text("a", 2)), inExtensions), put(join(text("resource", 1), text("b", 2)), inExtensions)), inAttributes),
		"a destination":                        put(join(put(join(text("destination", 1), text("a", 2)), inExtensions), put(join(text("resource", 1), text("b", 2)), inExtensions)), inAttributes),
		"an unknown field":                     join(varint(99, 7), inHTTPOf(text("GET", 2), text("x", 1000))),
		"an unknown group":                     inHTTPOf(group(77, varint(1, 2)), text("GET", 2)),
		"a group where a string is known":      inHTTPOf(group(2, text("x", 1)), text("/", 4)),
		"a number where a string is known":     inHTTPOf(varint(2, 5), text("/", 4)),
		"a string where a number is known":     inHTTPOf(text("12", 9)),
		"64 bits where a message is known":     protowire.AppendFixed64(protowire.AppendTag(nil, inAttributes, protowire.Fixed64Type), 7),
		"a number where a map is known":        inHTTPOf(varint(inHeaders, 1)),
		"the end of a group that never began":  inHTTPOf(protowire.AppendTag(nil, 2, protowire.EndGroupType)),
		"a group that never ends":              inHTTPOf(protowire.AppendTag(nil, 77, protowire.StartGroupType)),
		"a group that ends as another":         inHTTPOf(protowire.AppendTag(nil, 77, protowire.StartGroupType), protowire.AppendTag(nil, 78, protowire.EndGroupType)),
		"a reserved wire type":                 inHTTPOf([]byte{77<<3&0x7f | 6}),
		"field number 0":                       inHTTPOf([]byte{2}),
		"the largest field number":             inHTTPOf(varint(protowire.MaxValidNumber, 1)),
		"a field number too large":             inHTTPOf(protowire.AppendVarint(nil, uint64(protowire.MaxValidNumber+1)<<3), []byte{1}),
		"a tag in more bytes than it needs":    inHTTPOf([]byte{0x92, 0x00, 1, 'G'}),
		"a tag of eleven bytes":                bytes.Repeat([]byte{0x80}, 11),
		"a length in more bytes than it needs": inHTTPOf([]byte{0x12, 0x81, 0x00, 'G'}),
		"a length over the end":                {0x0a, 0x7f, 1},
		"a length of 64 bits":                  protowire.AppendVarint([]byte{0x0a}, 1<<63),
		"cut off in a tag":                     inHTTPOf([]byte{0x80}),
		"no UTF-8 in a string that is read":    inHTTPOf(text("\xff", 2)),
		"no UTF-8 in a string that is not":     inHTTPOf(text("\xff", 10)),
		"no UTF-8 in a key":                    inHTTPOf(put(text("\xff", 1), inHeaders)),
		"no UTF-8 in the destination":          put(text("\xff", 4), inAttributes, inDest),
		"no UTF-8 in metadata":                 put(put(join(text("k", 1), put(text("\xff", 3), 2)), 1, 2, 1), inAttributes, inMetadata),
		"no UTF-8 in bytes is fine":            inHTTPOf(text("\xff", 12), put(text("\xff", 3), inHeaderMap, 1)),
		"half a surrogate":                     inHTTPOf(text("\xed\xa0\x80", 4)),
		"a principal of the destination":       put(join(put(text("a", 4), inDest), put(text("b", 4), inSource)), inAttributes),
		"what Envoy's filter writes":           ofFilter(call),
		"metadata in two parts is merged":      join(ofFilter(call), ofFilter(put(join(text("other", 1), put(nil, 2)), 1))),
		"of a namespace the last":              join(ofFilter(call), ofFilter(namespace(mcpNamespace, textMember("method", "ping")))),
		"a Struct in two parts is merged":      ofFilter(put(join(text(mcpNamespace, 1), put(textMember("method", "a"), 2), put(textMember("method", "b"), 2)), 1)),
		"of a member the last":                 ofFilter(namespace(mcpNamespace, textMember("method", "a"), textMember("method", "b"))),
		"a Struct before its namespace":        ofFilter(put(join(put(textMember("method", "a"), 2), text(mcpNamespace, 1)), 1)),
		"a namespace without a Struct":         ofFilter(put(text(mcpNamespace, 1), 1)),
		"a namespace with two names":           ofFilter(put(join(text("other", 1), put(textMember("method", "a"), 2), text(mcpNamespace, 1)), 1)),
		"typed metadata of the namespace":      ofFilter(put(join(text(mcpNamespace, 1), put(nil, 2)), 2)),
		"metadata of the route":                put(namespace(mcpNamespace, textMember("method", "a")), inAttributes, inRouteMetadata),
		"metadata of the former namespace":     ofFilter(namespace("mcp_proxy", textMember("method", "a"))),
		"a body":                               inHTTPOf(text("{}", inBody)),
		"bytes of a body":                      inHTTPOf(text("\xff", inRawBody)),
		"bytes before text":                    inHTTPOf(text("{}", inRawBody), text("[]", inBody)),
		"text beside empty bytes":              inHTTPOf(text("{}", inBody), text("", inRawBody)),
		"of two bodies the last":               inHTTPOf(text("{}", inRawBody), text("[]", inRawBody)),
		"an empty last body":                   inHTTPOf(text("{}", inRawBody), text("", inRawBody), text("[]", inBody)),
		"no UTF-8 in a body":                   inHTTPOf(text("\xff", inBody)),
		"as deep as it may be":                 nestedLists(4996),
		"one deeper":                           nestedLists(4997),
	}
}

// TestScanReadsWhatTheGeneratedDecoderReads, rule by rule.
func TestScanReadsWhatTheGeneratedDecoderReads(t *testing.T) {
	accepted := 0
	for rule, wire := range mergeRules(t) {
		t.Run(rule, func(t *testing.T) {
			if agree(t, wire) {
				accepted++
			}
		})
	}
	if accepted < 45 || accepted > 62 {
		t.Errorf("%d rules are about bytes that are accepted", accepted)
	}
	if _, deepest := Scan(nestedLists(4996)); !deepest {
		t.Error("the row of the deepest message is not at the border")
	}
	if _, deeper := Scan(nestedLists(4997)); deeper {
		t.Error("the row beyond the deepest message is not beyond the border")
	}
}

// agree compares both decoders on the same bytes, and reports whether they
// accepted them.
func agree(t *testing.T, wire []byte) bool {
	t.Helper()
	want, wantOK := generated(wire)
	got, ok := Scan(wire)
	if ok != wantOK {
		t.Fatalf("scan: %v, generated: %v", ok, wantOK)
	}
	if !ok {
		return false
	}
	sameMetadata(t, want.MCP, got.MCP)
	want.MCP, got.MCP = nil, nil
	for _, a := range []*Attributes{want, got} {
		a.settle()
		slices.SortStableFunc(a.mapped, func(a, b Header) int { return strings.Compare(a.Name, b.Name) })
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Attributes{}, Header{}, Peer{})); diff != "" {
		t.Fatalf("generated (-), scan (+):\n%s", diff)
	}
	return true
}

// sameMetadata compares two encodings of a Struct: as Structs, and as what is read of
// them. Of one in which something occurs twice, as Envoy writes none, nothing is read.
func sameMetadata(t *testing.T, want, got []byte) {
	t.Helper()
	var structs [2]structpb.Struct
	var readings [2]mcp.Reading
	for i, wire := range [][]byte{want, got} {
		if err := proto.Unmarshal(wire, &structs[i]); err != nil {
			t.Fatal(err)
		}
		readings[i] = mcp.Read(mcp.Request{
			Method: "POST", Headers: func(string) []string { return nil }, Metadata: wire,
		}, mcp.Trust{FilterMetadata: true})
	}
	if !proto.Equal(&structs[0], &structs[1]) {
		t.Fatalf("metadata: generated %v, scan %v", &structs[0], &structs[1])
	}
	if diff := cmp.Diff(readings[0], readings[1]); diff != "" && readings[1].Fault == mcp.NoFault {
		t.Fatalf("what is read of the metadata: generated (-), scan (+):\n%s\nof %v: %x", diff, &structs[1], got)
	}
}

// FuzzScan: there are no bytes on which the two decoders differ, those that the
// generated one refuses included.
func FuzzScan(f *testing.F) {
	for _, wire := range mergeRules(f) {
		if len(wire) < 4096 {
			f.Add(wire)
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte) { agree(t, wire) })
}

// mutations is how many changed messages are tried: `go test ./internal/checkwire -run
// Mutations -mutations 10000000` takes minutes.
var mutations = flag.Int("mutations", 100_000, "changed messages to try both decoders on")

// TestScanAgreesOnMutations changes what decides something into what may decide
// something else.
func TestScanAgreesOnMutations(t *testing.T) {
	random := rand.New(rand.NewPCG(7515, 7515))
	var seeds [][]byte
	for _, wire := range mergeRules(t) {
		if len(wire) > 0 && len(wire) < 4096 {
			seeds = append(seeds, wire)
		}
	}
	slices.SortFunc(seeds, bytes.Compare) // a map has no order
	accepted := 0
	for range *mutations {
		wire := slices.Clone(seeds[random.IntN(len(seeds))])
		for range 1 + random.IntN(3) {
			wire = inside(random, wire, seeds)
		}
		if agree(t, wire) {
			accepted++
		}
	}
	if accepted < *mutations/10 || accepted > *mutations*9/10 {
		t.Errorf("%d of %d were accepted: that tries one side alone", accepted, *mutations)
	}
	t.Logf("%d of %d were accepted", accepted, *mutations)
}

// inside changes one thing in wire or in a message of it, whose lengths it
// corrects: most changes would end in a length that is wrong.
func inside(random *rand.Rand, wire []byte, seeds [][]byte) []byte {
	var ends []int // of the fields
	for at := 0; at < len(wire); {
		_, _, n := protowire.ConsumeField(wire[at:])
		if n < 0 {
			return mutate(random, wire, seeds)
		}
		at += n
		ends = append(ends, at)
	}
	if len(ends) == 0 || random.IntN(4) == 0 {
		return mutate(random, wire, seeds)
	}
	i := random.IntN(len(ends))
	begin := 0
	if i > 0 {
		begin = ends[i-1]
	}
	number, wireType, n := protowire.ConsumeTag(wire[begin:])
	content, _ := protowire.ConsumeBytes(wire[begin+n:])
	if wireType != protowire.BytesType {
		return mutate(random, wire, seeds)
	}
	changed := put(inside(random, slices.Clone(content), seeds), number)
	return join(wire[:begin], changed, wire[ends[i]:])
}

// mutate changes one thing in wire.
func mutate(random *rand.Rand, wire []byte, seeds [][]byte) []byte {
	if len(wire) == 0 {
		return []byte{byte(random.Uint32())}
	}
	at := random.IntN(len(wire))
	switch random.IntN(6) {
	case 0: // one bit
		wire[at] ^= 1 << random.IntN(8)
	case 1: // one byte
		wire[at] = byte(random.Uint32())
	case 2: // a byte more
		wire = slices.Insert(wire, at, byte(random.Uint32()))
	case 3: // some bytes less
		wire = slices.Delete(wire, at, min(len(wire), at+1+random.IntN(4)))
	case 4: // two messages that become one
		wire = append(wire, seeds[random.IntN(len(seeds))]...)
	case 5: // a part of it twice
		end := min(len(wire), at+1+random.IntN(40))
		wire = slices.Insert(wire, at, slices.Clone(wire[at:end])...)
	}
	return wire
}

// TestEveryTakenFieldExists: a name that no message has would be read by the
// generated decoder alone.
func TestEveryTakenFieldExists(t *testing.T) {
	seen := map[protoreflect.FullName]bool{}
	var visit func(protoreflect.MessageDescriptor)
	visit = func(message protoreflect.MessageDescriptor) {
		if seen[message.FullName()] {
			return
		}
		seen[message.FullName()] = true
		for i := range message.Fields().Len() {
			f := message.Fields().Get(i)
			seen[f.FullName()] = true
			if f.IsList() && f.Kind() != protoreflect.MessageKind && f.Kind() != protoreflect.StringKind && f.Kind() != protoreflect.BytesKind {
				t.Errorf("%s is a list of numbers, which may be packed: scan does not know that", f.FullName())
			}
			if f.Kind() == protoreflect.GroupKind {
				t.Errorf("%s is a group: scan does not know that", f.FullName())
			}
			if f.Message() != nil {
				visit(f.Message())
			}
		}
	}
	visit((*authv3.CheckRequest)(nil).ProtoReflect().Descriptor())
	for name := range takes() {
		if !seen[name] {
			t.Errorf("no field %s", name)
		}
	}
}

// generated is the reference: it decodes with the generated protobuf code, and is
// false where the bytes are no CheckRequest.
func generated(wire []byte) (*Attributes, bool) {
	check := new(authv3.CheckRequest)
	if proto.Unmarshal(wire, check) != nil {
		return nil, false
	}
	return Describe(check), true
}
