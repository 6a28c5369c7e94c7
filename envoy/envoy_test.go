package envoy_test

import (
	"strings"
	"testing"
	"time"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	authzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	healthv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
	connectionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	upstreamsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/doorward/doorward/envoy"
	"github.com/doorward/doorward/internal/testenv"
)

func parse(t *testing.T, text []byte) *testenv.Bootstrap {
	t.Helper()
	b, err := testenv.ParseBootstrap(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unpack[M proto.Message](t *testing.T, packed *anypb.Any, into M) M {
	t.Helper()
	if err := packed.UnmarshalTo(into); err != nil {
		t.Fatal(err)
	}
	return into
}

// Envoy itself applies these rules at start; here they need no Envoy. Every
// message is asked, those inside typed_config too.
func TestTheShippedFileIsValid(t *testing.T) {
	b := parse(t, envoy.Bootstrap())
	asked := 0
	err := protorange.Range(b.Whole.ProtoReflect(), func(path protopath.Values) error {
		message, ok := path.Index(-1).Value.Interface().(protoreflect.Message)
		if !ok {
			return nil
		}
		if rules, ok := message.Interface().(interface{ ValidateAll() error }); ok {
			asked++
			return rules.ValidateAll()
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if asked < 50 {
		t.Errorf("only %d messages were asked", asked)
	}
}

func TestEnvoyAcceptsTheShippedFile(t *testing.T) {
	testenv.RequireEnvoy(t)
	if err := testenv.Validate(t.Context(), "envoy.yaml"); err != nil {
		t.Error(err)
	}
}

// Each row is one promise of the file; what it is for stands there.
func TestHardening(t *testing.T) {
	b := parse(t, envoy.Bootstrap())
	manager, authz, doorward := b.Manager, b.Authz, b.Cluster("doorward")
	http, check := manager.GetCommonHttpProtocolOptions(), doorward.GetHealthChecks()[0]
	monitor := unpack(t, b.Whole.GetOverloadManager().GetResourceMonitors()[0].GetTypedConfig(), &connectionsv3.DownstreamConnectionsConfig{})
	protocol := unpack(t, doorward.GetTypedExtensionProtocolOptions()["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"], &upstreamsv3.HttpProtocolOptions{})
	retry, outlier, window := authz.GetGrpcService().GetRetryPolicy(), doorward.GetOutlierDetection(), doorward.GetCommonLbConfig().GetUpdateMergeWindow()
	http2 := manager.GetHttp2ProtocolOptions()
	ping := protocol.GetExplicitHttpConfig().GetHttp2ProtocolOptions().GetConnectionKeepalive()
	route := b.Host.GetRoutes()[len(b.Host.GetRoutes())-1].GetRoute()
	for _, row := range []struct {
		promise   string
		got, want any
	}{
		{"fails closed", authz.GetFailureModeAllow(), false},
		{"a doorward that cannot be asked is a 503", authz.GetStatusOnError().GetCode().String(), "ServiceUnavailable"},
		{"a Check gets 1 s", authz.GetGrpcService().GetTimeout().AsDuration(), time.Second},
		{"a Check that is lost is repeated once", retry.GetNumRetries().GetValue(), uint32(1)},
		{"because its connection broke, and not because of an answer or the time", retry.GetRetryOn(), "connect-failure,refused-stream,reset"},
		{"nor because of the time of one try", retry.GetRetryBackOff().GetMaxInterval().AsDuration() > authz.GetGrpcService().GetTimeout().AsDuration(), true},
		{"at once", retry.GetRetryBackOff().GetBaseInterval().AsDuration(), time.Millisecond},
		{"of another replica", retry.GetRetryHostPredicate()[0].GetName(), "envoy.retry_host_predicates.previous_hosts"},
		{"and all that are lost with one replica", doorward.GetCircuitBreakers().GetThresholds()[0].GetMaxRetries().GetValue() >= 10000, true},
		{"a replica whose connection fails is put aside", outlier.GetConsecutiveLocalOriginFailure().GetValue(), uint32(1)},
		{"what it answers does not", outlier.GetSplitExternalLocalOriginErrors() && outlier.GetEnforcingConsecutive_5Xx().GetValue()+
			outlier.GetEnforcingConsecutiveGatewayFailure().GetValue() == 0, true},
		{"which is known at once", window != nil && window.AsDuration() == 0, true},
		{"Checks go to doorward", authz.GetGrpcService().GetEnvoyGrpc().GetClusterName(), "doorward"},
		{"ext_authz v3", authz.GetTransportApiVersion().String(), "V3"},
		{"unsound headers in an answer are refused", authz.GetValidateMutations(), true},
		{"headers arrive byte for byte", authz.GetEncodeRawHeaders(), true},
		{"all headers arrive", authz.GetAllowedHeaders() == nil && authz.GetDisallowedHeaders() == nil, true},
		{"no body is buffered", authz.GetWithRequestBody() == nil, true},
		{"the route is chosen once", authz.GetClearRouteCache(), false},
		{"refusals are not the MCP server's errors", authz.GetChargeClusterResponseStats() != nil && !authz.GetChargeClusterResponseStats().GetValue(), true},
		{"metadata documents are not cut", authz.GetMaxDeniedResponseBodyBytes(), uint32(0)},
		{"answers change few headers", authz.GetDecoderHeaderMutationRules().GetDisallowAll().GetValue(), true},
		{"and never in silence", authz.GetDecoderHeaderMutationRules().GetDisallowIsError().GetValue(), true},
		{"always on", authz.GetFilterEnabled() == nil && authz.GetFilterEnabledMetadata() == nil && !authz.GetShadowMode(), true},

		{"paths are normalised", manager.GetNormalizePath().GetValue(), true},
		{"slashes are merged", manager.GetMergeSlashes(), true},
		{"escaped slashes are refused", manager.GetPathWithEscapedSlashesAction().String(), "REJECT_REQUEST"},
		{"underscores in header names are refused", http.GetHeadersWithUnderscoresAction().String(), "REJECT_REQUEST"},
		{"the peer is the client", manager.GetUseRemoteAddress().GetValue(), true},
		{"slow headers are cut", manager.GetRequestHeadersTimeout().AsDuration(), 10 * time.Second},
		{"slow requests are cut", manager.GetRequestTimeout().AsDuration(), time.Minute},
		{"silent streams are cut", manager.GetStreamIdleTimeout().AsDuration(), time.Minute},
		{"idle connections are closed", http.GetIdleTimeout().AsDuration(), 15 * time.Minute},
		{"streams on a connection are bounded", http2.GetMaxConcurrentStreams().GetValue(), uint32(100)},
		{"and what one holds", http2.GetInitialStreamWindowSize().GetValue(), uint32(64 << 10)},
		{"and what all of them hold", http2.GetInitialConnectionWindowSize().GetValue(), uint32(1 << 20)},
		{"upgrades are off", len(manager.GetUpgradeConfigs()), 0},
		{"buffers are small", b.Listener.GetPerConnectionBufferLimitBytes().GetValue(), uint32(32 << 10)},
		{"connections are bounded", monitor.GetMaxActiveDownstreamConnections(), int64(20000)},

		{"event streams outlive 15 s", route.GetTimeout() != nil && route.GetTimeout().AsDuration() == 0, true},
		{"event streams may be silent", route.GetIdleTimeout() != nil && route.GetIdleTimeout().AsDuration() == 0, true},
		{"and end with their token", route.GetMaxStreamDuration().GetMaxStreamDuration().AsDuration(), time.Hour},
		{"tool calls are not repeated", route.GetRetryPolicy() == nil && b.Host.GetRetryPolicy() == nil, true},

		{"doorward's health is asked", check.GetGrpcHealthCheck().GetServiceName(), "envoy.service.auth.v3.Authorization"},
		{"also before the first request", check.GetNoTrafficInterval().AsDuration(), time.Second},
		{"grpc-go accepts the pings (5 s or slower)", ping.GetInterval().AsDuration() >= 5*time.Second, true},
		{"a lost doorward is found again within 1 s", check.GetUnhealthyInterval().AsDuration(), time.Second},
		{"a dead doorward is found", ping.GetTimeout().AsDuration(), 5 * time.Second},
		{"a burst of Checks waits", doorward.GetCircuitBreakers().GetThresholds()[0].GetMaxRequests().GetValue() >= 10000, true},
		{"many event streams fit", b.Cluster("mcp-server").GetCircuitBreakers().GetThresholds()[0].GetMaxRequests().GetValue() >= 10000, true},
		{"admin is on loopback", b.Whole.GetAdmin().GetAddress().GetSocketAddress().GetAddress(), "127.0.0.1"},
	} {
		if diff := cmp.Diff(row.want, row.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.promise, diff)
		}
	}
}

// CORS stands before ext_authz, and nothing after ext_authz can change the route.
func TestFilterOrder(t *testing.T) {
	b := parse(t, envoy.Bootstrap())
	var order []string
	for _, filter := range b.Manager.GetHttpFilters() {
		order = append(order, strings.TrimPrefix(filter.GetName(), "envoy.filters.http."))
		if filter.GetDisabled() || filter.GetIsOptional() {
			t.Errorf("%s may be missing", filter.GetName())
		}
	}
	if diff := cmp.Diff([]string{"health_check", "cors", "ext_authz", "router"}, order); diff != "" {
		t.Errorf("filters (-want +got):\n%s", diff)
	}
	health := unpack(t, b.Manager.GetHttpFilters()[0].GetTypedConfig(), &healthv3.HealthCheck{})
	if health.GetPassThroughMode().GetValue() || health.GetClusterMinHealthyPercentages()["doorward"].GetValue() != 1 {
		t.Errorf("health: %v", health)
	}
}

// A browser client reads the challenge and its session.
func TestCORS(t *testing.T) {
	b := parse(t, envoy.Bootstrap())
	policy := unpack(t, b.Host.GetTypedPerFilterConfig()["envoy.filters.http.cors"], &corsv3.CorsPolicy{})
	for list, names := range map[string][]string{
		policy.GetExposeHeaders(): {"www-authenticate", "mcp-session-id", "dpop-nonce"},
		policy.GetAllowMethods():  {"GET", "POST", "DELETE", "OPTIONS"},
		policy.GetAllowHeaders(): {
			"authorization", "content-type", "accept", "last-event-id",
			"mcp-protocol-version", "mcp-session-id", "mcp-method", "mcp-name", "dpop",
		},
	} {
		if diff := cmp.Diff(names, strings.Split(list, ", ")); diff != "" {
			t.Errorf("CORS (-want +got):\n%s", diff)
		}
	}
	if policy.GetAllowCredentials().GetValue() {
		t.Error("cookies are allowed across origins")
	}
	if forwarded := policy.GetForwardNotMatchingPreflights(); forwarded == nil || forwarded.GetValue() {
		t.Error("preflights of other origins are forwarded")
	}
	for _, origin := range policy.GetAllowOriginStringMatch() {
		if !strings.HasPrefix(origin.GetExact(), "https://") {
			t.Errorf("origin %v is no exact https origin", origin)
		}
	}
}

// No host and no route goes round the door, or names a resource for all.
func TestNoWayRoundTheDoor(t *testing.T) {
	b := parse(t, envoy.Bootstrap())
	if hosts := b.Manager.GetRouteConfig().GetVirtualHosts(); len(hosts) != 1 {
		t.Fatalf("%d virtual hosts instead of 1", len(hosts))
	}
	const authz = "envoy.filters.http.ext_authz"
	if b.Host.GetTypedPerFilterConfig()[authz] != nil || b.Manager.GetRouteConfig().GetTypedPerFilterConfig()[authz] != nil {
		t.Error("ext_authz has settings for all routes")
	}
	var routes []string
	for _, route := range b.Host.GetRoutes() {
		if route.GetTypedPerFilterConfig()[authz] != nil {
			t.Errorf("ext_authz has settings for %v", route.GetMatch())
		}
		routes = append(routes, describe(route))
	}
	want := []string{"/.well-known/oauth-protected-resource: 404", "/: mcp-server"}
	if diff := cmp.Diff(want, routes); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

func describe(route *routev3.Route) string {
	match := route.GetMatch().GetPathSeparatedPrefix() + route.GetMatch().GetPrefix()
	if route.GetDirectResponse().GetStatus() == 404 {
		return match + ": 404"
	}
	return match + ": " + route.GetRoute().GetCluster()
}

// The access log names what an operator asks for, and nothing with a query in it.
func TestAccessLog(t *testing.T) {
	text := string(envoy.Bootstrap())
	for _, want := range []string{"reason", "resource", "issuer", "client_id", "token_id"} {
		line := want + `: "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:` + want + `)%"`
		if !strings.Contains(text, line) {
			t.Errorf("not logged: %s", line)
		}
	}
	for _, want := range []string{"method", "name"} {
		line := "mcp_" + want + `: "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:mcp:` + want + `)%"`
		if !strings.Contains(text, line) {
			t.Errorf("not logged: %s", line)
		}
	}
	for _, leak := range []string{"REQ(:PATH", "REQ(AUTHORIZATION", "REQ(REFERER", "ORIGINAL-PATH"} {
		if strings.Contains(strings.ToUpper(text), leak) {
			t.Errorf("the log format holds %s, which may hold a token", leak)
		}
	}
}

// Readers uncomment the examples: they must be right too.
func TestCommentedExamples(t *testing.T) {
	b := parse(t, uncomment(t, "# transport_socket:", "# - match: ", "# host_rewrite_literal: ", "# - endpoint: "))
	named := b.Host.GetRoutes()[1]
	settings := unpack(t, named.GetTypedPerFilterConfig()["envoy.filters.http.ext_authz"], &authzv3.ExtAuthzPerRoute{})
	if got := settings.GetCheckSettings().GetContextExtensions()["resource"]; got != "weather" {
		t.Errorf("the example names resource %q", got)
	}
	if timeout := named.GetRoute().GetTimeout(); timeout == nil || timeout.AsDuration() != 0 {
		t.Error("the example cuts event streams")
	}
	if got := len(b.Cluster("doorward").GetLoadAssignment().GetEndpoints()[0].GetLbEndpoints()); got != 2 {
		t.Errorf("the example of replicas has %d", got)
	}
	if got := b.Host.GetRoutes()[2].GetRoute().GetHostRewriteLiteral(); got == "" {
		t.Error("the example of another host does nothing")
	}
	if !hasTLS(b.Listener) {
		t.Error("the example of TLS does nothing")
	}
	if err := b.Whole.ValidateAll(); err != nil {
		t.Error(err)
	}
}

func hasTLS(listener *listenerv3.Listener) bool {
	socket := listener.GetFilterChains()[0].GetTransportSocket()
	return strings.HasSuffix(socket.GetTypedConfig().GetTypeUrl(), ".DownstreamTlsContext")
}

// uncomment is [testenv.Uncomment] of comments that must be there.
func uncomment(t *testing.T, starts ...string) []byte {
	t.Helper()
	text, err := testenv.Uncomment(starts...)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
