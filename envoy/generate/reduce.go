package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"
	"sigs.k8s.io/yaml"
)

// golden is what a control plane made for one Envoy.
type golden struct {
	listeners []*listenerv3.Listener
	routes    map[string]*routev3.RouteConfiguration
	clusters  []*clusterv3.Cluster
}

// selection is the part of a [golden] that concerns the MCP server.
type selection struct {
	listener, chain string   // chain: "" is the first filter chain
	clusters        []string // doorward's, then the MCP server's
}

// left are the extensions that a stock Envoy lacks, which are left out.
var left = []string{
	"waypoint_upstream_peer_metadata", "waypoint_downstream_peer_metadata", "istio.stats", "istio.metadata_exchange",
}

const managerName = "envoy.filters.network.http_connection_manager"

// bootstrap makes a file for a stock Envoy of the selection: routes are inlined, and addresses are on loopback.
func (g golden) bootstrap(pick selection) (*bootstrapv3.Bootstrap, error) {
	listener, err := named(g.listeners, pick.listener)
	if err != nil {
		return nil, err
	}
	chain, err := chainOf(listener, pick.chain)
	if err != nil {
		return nil, err
	}
	manager, err := g.manager(chain)
	if err != nil {
		return nil, err
	}
	only := &listenerv3.Listener{
		Name: listener.GetName(), Address: loopback(10000),
		PerConnectionBufferLimitBytes: listener.GetPerConnectionBufferLimitBytes(),

		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{manager}}},
	}
	static := &bootstrapv3.Bootstrap_StaticResources{Listeners: []*listenerv3.Listener{only}}
	for i, name := range pick.clusters {
		cluster, err := named(g.clusters, name)
		if err != nil {
			return nil, err
		}
		static.Clusters = append(static.Clusters, pinned(cluster, uint32(9191-i)))
	}
	return &bootstrapv3.Bootstrap{StaticResources: static}, nil
}

func named[M interface{ GetName() string }](all []M, name string) (M, error) {
	var names []string
	for _, one := range all {
		if one.GetName() == name {
			return one, nil
		}
		names = append(names, one.GetName())
	}
	var nothing M
	return nothing, fmt.Errorf("no %q among %q", name, names)
}

func chainOf(listener *listenerv3.Listener, name string) (*listenerv3.FilterChain, error) {
	if name == "" && len(listener.GetFilterChains()) == 1 {
		return listener.GetFilterChains()[0], nil
	}
	var found []*listenerv3.FilterChain
	for _, chain := range listener.GetFilterChains() {
		plain := chain.GetFilterChainMatch().GetTransportProtocol() != "tls"
		if chain.GetName() == name && plain {
			found = append(found, chain)
		}
	}
	if len(found) == 0 {
		var names []string
		for _, chain := range listener.GetFilterChains() {
			names = append(names, chain.GetName())
		}
		return nil, fmt.Errorf("no filter chain %q among %q", name, names)
	}
	return found[0], nil
}

// manager is the connection manager of a chain, with its routes, without what a stock Envoy lacks.
func (g golden) manager(chain *listenerv3.FilterChain) (*listenerv3.Filter, error) {
	filter, err := named(chain.GetFilters(), managerName)
	if err != nil {
		return nil, err
	}
	manager := &managerv3.HttpConnectionManager{}
	if err := filter.GetTypedConfig().UnmarshalTo(manager); err != nil {
		return nil, err
	}
	if name := manager.GetRds().GetRouteConfigName(); name != "" {
		route := g.routes[name]
		if route == nil {
			return nil, fmt.Errorf("no route configuration %q", name)
		}
		manager.RouteSpecifier = &managerv3.HttpConnectionManager_RouteConfig{RouteConfig: route}
	}
	manager.HttpFilters = slices.DeleteFunc(manager.HttpFilters, func(f *managerv3.HttpFilter) bool {
		return slices.Contains(left, f.GetName())
	})
	if err := filter.GetTypedConfig().MarshalFrom(manager); err != nil {
		return nil, err
	}
	return filter, nil
}

// pinned is a cluster of one endpoint on loopback, without TLS inside the mesh.
func pinned(c *clusterv3.Cluster, port uint32) *clusterv3.Cluster {
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	c.EdsClusterConfig, c.TransportSocket, c.TransportSocketMatches, c.Metadata, c.LbConfig = nil, nil, nil, nil, nil
	c.CommonLbConfig, c.UpstreamBindConfig, c.Filters, c.CleanupInterval = nil, nil, nil, nil
	if c.GetLbPolicy() == clusterv3.Cluster_CLUSTER_PROVIDED {
		c.LbPolicy = clusterv3.Cluster_ROUND_ROBIN
	}
	c.ConnectTimeout = durationpb.New(max(c.GetConnectTimeout().AsDuration(), time.Second))
	c.LoadAssignment = &endpointv3.ClusterLoadAssignment{
		ClusterName: c.GetName(),
		Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: loopback(port)}},
		}}}},
	}
	return c
}

func loopback(port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: "127.0.0.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

// write replaces a golden file. JSON first, since protojson varies its spaces.
func write(file string, madeBy string, from []string, b *bootstrapv3.Bootstrap) error {
	asJSON, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(b)
	if err != nil {
		return err
	}
	asYAML, err := yaml.JSONToYAML(asJSON)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Written by make golden; do not edit. Made by\n# %s\n# of %s.\n", madeBy,
		strings.Join(from, ", "))
	out.WriteString("# Changed for a stock Envoy on one machine: one listener and its routes in place, on loopback;\n" +
		"# no TLS; one endpoint a cluster; without the mesh's own telemetry filters.\n")
	out.Write(asYAML)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, out.Bytes(), 0o644)
}
