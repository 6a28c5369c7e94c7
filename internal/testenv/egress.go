package testenv

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// APIHost is the destination of the shipped sidecar.yaml.
const APIHost = "api.example.com"

// EgressOptions are the addresses of the way out of an MCP server, in an Envoy that runs
// the shipped sidecar.yaml.
type EgressOptions struct {
	Listen      string // host:port for the MCP server
	Socket      string // path of doorward's Unix socket
	API         string // host:port of what is behind [APIHost], with TLS
	AuthorityIn string // file with the certificates that Envoy trusts there, in PEM
}

// point makes the listener and the clusters for egress lead to these addresses.
func (o *EgressOptions) point(b *Bootstrap) error {
	if err := mustBeFree(o.Listen); err != nil {
		return err
	}
	listener := b.egress()
	if err := point(listener.GetAddress().GetSocketAddress(), o.Listen); err != nil {
		return err
	}
	listener.EnableReusePort = wrapperspb.Bool(false)
	socket := b.address("doorward-egress").GetPipe()
	if socket == nil {
		return fmt.Errorf("no Unix socket of doorward in the configuration")
	}
	socket.Path = o.Socket
	if err := point(b.Endpoint(APIHost), o.API); err != nil {
		return err
	}
	packed := b.Cluster(APIHost).GetTransportSocket().GetTypedConfig()
	settings := &tlsv3.UpstreamTlsContext{}
	if err := packed.UnmarshalTo(settings); err != nil {
		return fmt.Errorf("TLS of cluster %s: %w", APIHost, err)
	}
	settings.GetCommonTlsContext().GetValidationContext().GetTrustedCa().Specifier = &corev3.DataSource_Filename{
		Filename: o.AuthorityIn,
	}
	return packed.MarshalFrom(settings)
}

// egress is the listener for what leaves the MCP server, inside Whole; nil if there is
// none.
func (b *Bootstrap) egress() *listenerv3.Listener {
	for _, listener := range b.Whole.GetStaticResources().GetListeners() {
		if listener.GetName() == egressListener {
			return listener
		}
	}
	return nil
}
