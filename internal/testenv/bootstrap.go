package testenv

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	authzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_stats/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/mcp/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/least_request/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/request_id/uuid/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// egressListener is the name of the listener for what leaves the MCP server.
const egressListener = "egress"

const (
	managerFilter = "envoy.filters.network.http_connection_manager"
	authzFilter   = "envoy.filters.http.ext_authz"
)

// Bootstrap is an Envoy configuration of the shape of envoy.yaml, or one that a
// mesh made, taken apart:
// the parts that tests look at or change are beside the whole that they came
// from. Manager and Authz are copies until [Bootstrap.JSON] puts them back.
type Bootstrap struct {
	Whole    *bootstrapv3.Bootstrap
	Listener *listenerv3.Listener             // the one for clients, inside Whole
	Manager  *managerv3.HttpConnectionManager // the listener's
	Host     *routev3.VirtualHost             // the first one, inside Manager
	Authz    *authzv3.ExtAuthz                // the manager's
}

// ParseBootstrap reads an Envoy configuration in YAML. An unknown field or
// extension is an error, as it is to Envoy.
func ParseBootstrap(text []byte) (*Bootstrap, error) {
	var generic any
	if err := yaml.Unmarshal(text, &generic); err != nil {
		return nil, fmt.Errorf("no YAML: %w", err)
	}
	asJSON, err := json.Marshal(generic)
	if err != nil {
		return nil, fmt.Errorf("YAML that JSON cannot express: %w", err)
	}
	b := &Bootstrap{
		Whole:   &bootstrapv3.Bootstrap{},
		Manager: &managerv3.HttpConnectionManager{},
		Authz:   &authzv3.ExtAuthz{},
	}
	if err := protojson.Unmarshal(asJSON, b.Whole); err != nil {
		return nil, fmt.Errorf("no Envoy bootstrap: %w", err)
	}
	return b, b.takeApart()
}

func (b *Bootstrap) takeApart() error {
	for _, listener := range b.Whole.GetStaticResources().GetListeners() {
		switch {
		case listener.GetName() == egressListener:
		case b.Listener != nil:
			return fmt.Errorf("a second listener for clients")
		default:
			b.Listener = listener
		}
	}
	if b.Listener == nil {
		return fmt.Errorf("no listener for clients")
	}
	packed, err := b.managerConfig()
	if err != nil {
		return err
	}
	if err := packed.UnmarshalTo(b.Manager); err != nil {
		return fmt.Errorf("%s: %w", managerFilter, err)
	}
	hosts := b.Manager.GetRouteConfig().GetVirtualHosts()
	if len(hosts) == 0 {
		return fmt.Errorf("no virtual host")
	}
	b.Host = hosts[0]
	if packed, err = b.authzConfig(); err != nil {
		return err
	}
	if err := packed.UnmarshalTo(b.Authz); err != nil {
		return fmt.Errorf("%s: %w", authzFilter, err)
	}
	return nil
}

func (b *Bootstrap) managerConfig() (*anypb.Any, error) {
	for _, chain := range b.Listener.GetFilterChains() {
		for _, filter := range chain.GetFilters() {
			if filter.GetName() == managerFilter {
				return filter.GetTypedConfig(), nil
			}
		}
	}
	return nil, fmt.Errorf("no filter %s", managerFilter)
}

func (b *Bootstrap) authzConfig() (*anypb.Any, error) {
	for _, filter := range b.Manager.GetHttpFilters() {
		// By its type: a mesh may name the filter after a policy.
		if filter.GetTypedConfig().MessageIs(&authzv3.ExtAuthz{}) {
			return filter.GetTypedConfig(), nil
		}
	}
	return nil, fmt.Errorf("no filter %s", authzFilter)
}

// JSON puts the parts back together, as a configuration that Envoy reads from
// a file whose name ends in .json.
func (b *Bootstrap) JSON() ([]byte, error) {
	packed, err := b.authzConfig()
	if err != nil {
		return nil, err
	}
	if err := packed.MarshalFrom(b.Authz); err != nil {
		return nil, fmt.Errorf("%s: %w", authzFilter, err)
	}
	if packed, err = b.managerConfig(); err != nil {
		return nil, err
	}
	if err := packed.MarshalFrom(b.Manager); err != nil {
		return nil, fmt.Errorf("%s: %w", managerFilter, err)
	}
	return protojson.Marshal(b.Whole)
}

// Cluster is the cluster of that name, inside Whole; nil if there is none.
func (b *Bootstrap) Cluster(name string) *clusterv3.Cluster {
	for _, cluster := range b.Whole.GetStaticResources().GetClusters() {
		if cluster.GetName() == name {
			return cluster
		}
	}
	return nil
}

// DoorwardCluster is the name of the cluster that ext_authz calls.
func (b *Bootstrap) DoorwardCluster() string {
	return b.Authz.GetGrpcService().GetEnvoyGrpc().GetClusterName()
}

// ServerCluster is the name of the cluster of the last route that leads to one.
func (b *Bootstrap) ServerCluster() string {
	for _, route := range slices.Backward(b.Host.GetRoutes()) {
		if name := route.GetRoute().GetCluster(); name != "" {
			return name
		}
	}
	return ""
}

// Endpoint is where a cluster of one endpoint leads, inside Whole; nil if
// there is no such cluster.
func (b *Bootstrap) Endpoint(cluster string) *corev3.SocketAddress {
	return b.address(cluster).GetSocketAddress()
}

func (b *Bootstrap) address(cluster string) *corev3.Address {
	for _, locality := range b.Cluster(cluster).GetLoadAssignment().GetEndpoints() {
		for _, endpoint := range locality.GetLbEndpoints() {
			return endpoint.GetEndpoint().GetAddress()
		}
	}
	return nil
}

// addReplicas puts further doorwards beside the first, as the comment in
// envoy.yaml shows it.
func (b *Bootstrap) addReplicas(addresses []string) error {
	for _, address := range addresses {
		locality := b.Cluster(b.DoorwardCluster()).GetLoadAssignment().GetEndpoints()[0]
		next := proto.CloneOf(locality.GetLbEndpoints()[0])
		if err := point(next.GetEndpoint().GetAddress().GetSocketAddress(), address); err != nil {
			return err
		}
		locality.LbEndpoints = append(locality.LbEndpoints, next)
	}
	return nil
}

// WithLongTimeouts is an edit for tests on a busy machine: the same configuration, but
// no request times out within a second. The demo runs without it.
func WithLongTimeouts(b *Bootstrap) error {
	b.Authz.GetGrpcService().Timeout = durationpb.New(20 * time.Second)
	for _, cluster := range b.Whole.GetStaticResources().GetClusters() {
		cluster.ConnectTimeout = durationpb.New(20 * time.Second)
		for _, check := range cluster.GetHealthChecks() {
			check.Timeout = durationpb.New(20 * time.Second)
		}
	}
	return nil
}

// Pack wraps a message as Envoy's typed_config and typed_per_filter_config
// want it. It panics on a message that cannot be encoded, which is a fault of
// the test.
func Pack(message proto.Message) *anypb.Any {
	packed, err := anypb.New(message)
	if err != nil {
		panic(err)
	}
	return packed
}

// ContextExtensions is the typed_per_filter_config of a route that hands these
// values to the Check, as {"resource": "weather"} to name the resource.
func ContextExtensions(values map[string]string) map[string]*anypb.Any {
	settings := &authzv3.CheckSettings{ContextExtensions: values}
	return map[string]*anypb.Any{authzFilter: Pack(&authzv3.ExtAuthzPerRoute{
		Override: &authzv3.ExtAuthzPerRoute_CheckSettings{CheckSettings: settings},
	})}
}
