package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config/mesh"
)

const istioVersion = "1.32.0" // of the proxies, which decides what Istio writes for them

// istioCase is a proxy and what is applied to its mesh.
type istioCase struct {
	golden string   // file in envoy/istio/golden
	files  []string // of envoy/istio
	proxy  model.Proxy
	pick   selection
}

var (
	gatewayProxy = model.Proxy{
		Type: model.Router, ID: "istio-ingressgateway-1.istio-system", ConfigNamespace: "istio-system",
		Labels: map[string]string{"istio": "ingressgateway"}, IPAddresses: []string{"10.0.0.1"},
	}
	sidecarProxy = model.Proxy{
		Type: model.SidecarProxy, ID: "mcp-server-1.mcp", ConfigNamespace: "mcp",
		Labels: map[string]string{"app": "mcp-server"}, IPAddresses: []string{"10.0.0.2"},
	}
	waypointProxy = model.Proxy{
		Type: model.Waypoint, ID: "waypoint-1.mcp", ConfigNamespace: "mcp", IPAddresses: []string{"10.0.0.3"},
		Labels: map[string]string{
			"gateway.networking.k8s.io/gateway-name": "waypoint",
			"gateway.istio.io/managed":               "istio.io-mesh-controller",
		},
	}
)

const (
	istioDoorward = "outbound|9191||doorward.doorward.svc.cluster.local"
	istioServer   = "mcp-server.mcp.svc.cluster.local"
)

// ofGateway is what both gateways have.
var ofGateway = selection{listener: "0.0.0.0_443", clusters: []string{istioDoorward, "outbound|8080||" + istioServer}}

var istioCases = []istioCase{
	{golden: "gateway.yaml", files: []string{"gateway.yaml"}, proxy: gatewayProxy, pick: ofGateway},
	{
		golden: "gateway-filters.yaml", files: []string{"gateway.yaml", "filters.yaml"},
		proxy: gatewayProxy, pick: ofGateway,
	},
	{
		golden: "sidecar.yaml", files: []string{"sidecar.yaml"}, proxy: sidecarProxy,
		pick: selection{
			listener: "virtualInbound", chain: "0.0.0.0_8080", clusters: []string{istioDoorward, "inbound|8080||"},
		},
	},
	{
		golden: "waypoint.yaml", files: []string{"waypoint.yaml"}, proxy: waypointProxy,
		pick: selection{
			listener: "main_internal", chain: "inbound-vip|8080|http|" + istioServer,
			clusters: []string{istioDoorward, "inbound-vip|8080|http|" + istioServer},
		},
	},
}

// generateIstio has Istio's own generator make the configuration of one proxy.
func generateIstio(_ context.Context, root string, c istioCase) (golden, error) {
	// A stock Envoy has none of Istio's own extensions, and no agent that serves secrets.
	features.MetadataExchange, features.DisableMxALPN, features.ALPNFilter = false, true, false
	meshFile, err := os.ReadFile(root + "/istio/mesh.yaml")
	if err != nil {
		return golden{}, err
	}
	meshConfig, err := mesh.ApplyMeshConfigDefaults(string(meshFile))
	if err != nil {
		return golden{}, err
	}
	meshConfig.EnableAutoMtls.Value = false
	applied, err := resources(root, c.files)
	if err != nil {
		return golden{}, err
	}
	f := &failer{}
	defer f.cleanUp()
	var made golden
	err = f.run(func() {
		server := xds.NewFakeDiscoveryServer(f, xds.FakeOptions{
			ConfigString: applied, KubernetesObjectString: applied, MeshConfig: meshConfig,
		})
		proxy := c.proxy
		proxy.Metadata = &model.NodeMetadata{IstioVersion: istioVersion, ClusterID: "Kubernetes", Labels: proxy.Labels}
		full := server.SetupProxy(&proxy)
		made.listeners, made.clusters = server.Listeners(full), server.Clusters(full)
		made.routes = map[string]*routev3.RouteConfiguration{}
		for _, route := range server.Routes(full) {
			made.routes[route.GetName()] = route
		}
	})
	return made, err
}

// resources joins the cluster and the files; what a file defines replaces what the cluster has of that name.
func resources(root string, files []string) (string, error) {
	var all []string
	seen := map[string]bool{}
	for _, name := range files {
		text, err := os.ReadFile(root + "/istio/" + name)
		if err != nil {
			return "", err
		}
		for _, document := range strings.Split(string(text), "\n---\n") {
			seen[identity(document)] = true
			if strings.Contains(document, "gatewayClassName: istio-waypoint") {
				// In a cluster Istio itself writes the address of a waypoint.
				document = strings.TrimRight(document, "\n") +
					"\nstatus: {addresses: [{type: Hostname, value: waypoint.mcp.svc.cluster.local}]}\n"
			}
			all = append(all, document)
		}
	}
	for _, document := range strings.Split(cluster, "\n---\n") {
		if !seen[identity(document)] {
			all = append(all, document)
		}
	}
	return strings.Join(all, "\n---\n"), nil
}

// failer ends generation where Istio's test server would end a test.
type failer struct{ cleanups []func() }

type failed struct{ reason string }

func (f *failer) run(work func()) (err error) {
	defer func() {
		switch reason := recover().(type) {
		case nil:
		case failed:
			err = errors.New(reason.reason)
		default:
			panic(reason)
		}
	}()
	work()
	return nil
}

func (f *failer) cleanUp() {
	for i := len(f.cleanups) - 1; i >= 0; i-- {
		f.cleanups[i]()
	}
}

func (f *failer) Fail()                             { panic(failed{"failed"}) }
func (f *failer) FailNow()                          { panic(failed{"failed"}) }
func (f *failer) Fatal(args ...any)                 { panic(failed{fmt.Sprint(args...)}) }
func (f *failer) Fatalf(format string, args ...any) { panic(failed{fmt.Sprintf(format, args...)}) }
func (f *failer) Log(args ...any)                   { fmt.Fprintln(os.Stderr, args...) }
func (f *failer) Logf(format string, args ...any)   { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (f *failer) TempDir() string                   { return os.TempDir() }
func (f *failer) Helper()                           {}
func (f *failer) Cleanup(work func())               { f.cleanups = append(f.cleanups, work) }
func (f *failer) Skip(args ...any)                  { panic(failed{fmt.Sprint(args...)}) }
