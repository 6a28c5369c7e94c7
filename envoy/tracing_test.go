package envoy_test

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tracev3 "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doorward/doorward/internal/testenv"
	"github.com/doorward/doorward/internal/testenv/collector"
	"github.com/doorward/doorward/internal/testenv/jwttest"
	"github.com/doorward/doorward/internal/tracing"
)

// tracingTo has Envoy export each request's spans to a collector, within moments.
func tracingTo(t *testing.T, address string) edit {
	t.Helper()
	return func(b *testenv.Bootstrap) {
		cluster := proto.CloneOf(b.Cluster("doorward"))
		cluster.Name, cluster.HealthChecks, cluster.LoadAssignment.ClusterName = "collector", nil, "collector"
		b.Whole.StaticResources.Clusters = append(b.Whole.StaticResources.Clusters, cluster)
		host, port, _ := net.SplitHostPort(address)
		number, err := net.LookupPort("tcp", port)
		if err != nil {
			t.Error(err)
		}
		socket := b.Endpoint("collector")
		socket.Address, socket.PortSpecifier = host, &corev3.SocketAddress_PortValue{PortValue: uint32(number)}
		provider, err := anypb.New(&tracev3.OpenTelemetryConfig{
			ServiceName: "envoy",
			GrpcService: &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
				EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: "collector"},
			}},
		})
		if err != nil {
			t.Error(err)
		}
		b.Manager.Tracing = &managerv3.HttpConnectionManager_Tracing{
			SpawnUpstreamSpan: wrapperspb.Bool(true),
			Provider: &tracev3.Tracing_Http{
				Name: "envoy.tracers.opentelemetry", ConfigType: &tracev3.Tracing_Http_TypedConfig{TypedConfig: provider},
			},
		}
		b.Whole.LayeredRuntime = &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{{
			Name: "tests", LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: &structpb.Struct{
				Fields: map[string]*structpb.Value{
					"tracing.opentelemetry.flush_interval_ms": structpb.NewNumberValue(50),
				},
			}},
		}}}
	}
}

// exportingTo configures doorward, which reads the environment.
func exportingTo(t *testing.T, address string) {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+address)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
}

func startCollector(t *testing.T) *collector.Collector {
	t.Helper()
	c, err := collector.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

const (
	clientsTrace  = "0af7651916cd43dd8448eb211c80319c"
	clientsParent = "00-" + clientsTrace + "-b7ad6b7169203331-"
)

// TestATraceThroughEnvoy: the span of a Check continues the trace of the client, under the
// span that Envoy has of its call.
func TestATraceThroughEnvoy(t *testing.T) {
	key := jwttest.NewKey("ES256", "key-1")
	for _, row := range []struct {
		intent      string
		traceparent string // of the client
		edit        edit
		envoys      int  // spans that Envoy exports: the request, the call of doorward, the one of the server
		sampled     bool // doorward exports its own: the Check, and the evaluation
	}{
		{"the client's trace", clientsParent + "01", nil, 3, true},
		{"a trace of Envoy's own", "", nil, 3, true},
		{"the client does not sample", clientsParent + "00", nil, 0, false},
		{"Envoy does not sample", "", func(b *testenv.Bootstrap) {
			b.Manager.Tracing.RandomSampling = &typev3.Percent{Value: 0}
		}, 0, false},
		{"Envoy does not trace", clientsParent + "01", func(b *testenv.Bootstrap) { b.Manager.Tracing = nil }, 0, true},
	} {
		t.Run(row.intent, func(t *testing.T) {
			c := startCollector(t)
			exportingTo(t, c.Address)
			edits := []edit{tracingTo(t, c.Address)}
			if row.edit != nil {
				edits = append(edits, row.edit)
			}
			h := startEnvironment(t, startUpstream(t).address, edits...)
			h.activate(t, standard(key).state(t))
			request := bearer(key.Sign(claims()))
			if row.traceparent != "" {
				request = request.with("traceparent", row.traceparent)
			}
			if got := h.send(t, request); got.status != http.StatusOK {
				t.Fatal(got)
			}
			h.tracer.Close(withPatience(t)) // exports what waits
			ours := 0
			if row.sampled {
				ours = 2
			}
			spans, err := c.Await(withPatience(t), ours+row.envoys)
			if err != nil {
				t.Fatal(err)
			}
			if len(spans) != ours+row.envoys {
				t.Fatalf("%d spans", len(spans))
			}
			t.Logf("%s:\n%s", row.intent, tree(spans))
			if row.sampled {
				continues(t, spans, row.envoys > 0, row.envoys > 0 && row.traceparent != "")
			}
		})
	}
}

// tree draws spans, each below its parent: when each begins and how long it is, in ms.
func tree(spans []collector.Span) string {
	slices.SortFunc(spans, func(a, b collector.Span) int { return cmp.Compare(a.GetStartTimeUnixNano(), b.GetStartTimeUnixNano()) })
	below := map[string][]collector.Span{}
	all := map[string]bool{}
	for _, span := range spans {
		all[string(span.GetSpanId())] = true
	}
	for _, span := range spans {
		parent := string(span.GetParentSpanId())
		if !all[parent] {
			parent = ""
		}
		below[parent] = append(below[parent], span)
	}
	var text strings.Builder
	var draw func(parent, indent string)
	draw = func(parent, indent string) {
		for _, span := range below[parent] {
			fmt.Fprintf(&text, "%6.2f %6.2f  %s%s: %s", float64(span.GetStartTimeUnixNano()-spans[0].GetStartTimeUnixNano())/1e6,
				float64(span.GetEndTimeUnixNano()-span.GetStartTimeUnixNano())/1e6, indent, span.Service, span.GetName())
			for _, name := range []string{"reason", "resource", "issuer", "remembered"} {
				if value := span.Attribute("doorward." + name); value != "" {
					fmt.Fprintf(&text, " %s=%s", name, value)
				}
			}
			text.WriteString("\n")
			draw(string(span.GetSpanId()), indent+"  ")
		}
	}
	draw("", "")
	return text.String()
}

// continues fails where doorward's span is not the child of Envoy's of the call, or begins
// a trace where it should not.
func continues(t *testing.T, spans []collector.Span, underEnvoys, inClients bool) {
	t.Helper()
	byID := map[string]collector.Span{}
	for _, span := range spans {
		byID[string(span.GetSpanId())] = span
		if is := hex.EncodeToString(span.GetTraceId()) == clientsTrace; is != inClients {
			t.Errorf("%s is in the client's trace: %v", span.GetName(), is)
		}
	}
	for _, span := range spans {
		parent := byID[string(span.GetParentSpanId())]
		switch span.GetName() {
		case tracing.CheckName:
			if underEnvoys != strings.Contains(parent.GetName(), "Authorization.Check") || underEnvoys != (parent.Span != nil) {
				t.Errorf("the Check is under %q", parent.GetName())
			}
			if span.Attribute("doorward.reason") != "allowed" || span.Service != "doorward" {
				t.Errorf("of %s: %v", span.Service, span.GetAttributes())
			}
		case tracing.Evaluation:
			if parent.GetName() != tracing.CheckName {
				t.Errorf("the evaluation is under %q", parent.GetName())
			}
		}
	}
}
