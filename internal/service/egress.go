package service

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/destination"
	"github.com/doorward/doorward/internal/egress"
	"github.com/doorward/doorward/internal/exchange"
	"github.com/doorward/doorward/internal/snapshot"
)

// exchanges keeps one source per entry by which a destination gets tokens. A reload that
// leaves an entry as it was leaves its source in place.
type exchanges struct {
	lifetimes[string, entryOptions, *exchange.Source]
}

// entryOptions are an entry and its place in the configuration.
type entryOptions struct {
	place string
	entry *exchange.Entry
}

func newExchanges(checks *egress.Server) *exchanges {
	store, e := exchange.NewStore(0), &exchanges{}
	e.key = func(o entryOptions) string { return o.place }
	e.keep = func(_ *exchange.Source, have, wanted entryOptions) bool { return have.entry.Equal(*wanted.entry) }
	e.start = func(_ context.Context, next, _ *lifetime[entryOptions, *exchange.Source]) error {
		next.value = exchange.NewSource(*next.options.entry, exchange.Environment{
			Store: store, IsOurs: checks.IsOurs, Observe: checks.CountExchange,
		})
		next.end = next.value.Close
		return nil
	}
	return e
}

// entriesOf lists the entries of all destinations.
func entriesOf(cfg *config.Config) []entryOptions {
	if cfg.Egress == nil {
		return nil
	}
	var all []entryOptions
	for _, d := range cfg.Egress.Destinations.All() {
		at := fmt.Sprintf("%q %q %q", d.Host, d.Paths, d.From) // a name can have spaces
		for i := range d.Exchange {
			all = append(all, entryOptions{at + d.Exchange[i].Issuer, &d.Exchange[i]})
		}
		if d.Token == destination.ClientCredentials {
			all = append(all, entryOptions{at, &d.ClientCredentials})
		}
	}
	return all
}

// activateEgress puts the egress of a revision in force, whose inbound State is in force.
func (s *Service) activateEgress(ctx context.Context, next *Revision, inbound *extauthz.State) {
	state := &egress.State{
		Listeners: map[string]egress.Callers{}, Destinations: new(destination.Table),
		Handles: inbound.Handles, HandleBaggage: inbound.HandleBaggage, Assertions: inbound.Assertions,
		Decisions: inbound.Decisions, Sources: map[*exchange.Entry]*exchange.Source{},
	}
	wanted := entriesOf(next.Config)
	running, _ := s.exchanges.prepare(ctx, wanted...) // which cannot fail
	for _, o := range wanted {
		state.Sources[o.entry] = running[o.place].value
	}
	if e := next.Config.Egress; e != nil {
		state.Destinations, state.CheckTimeout = e.Destinations, e.CheckTimeout
		state.Observe, state.AllowUnknown, state.AllowUnreadBody = e.Observe, e.AllowUnknown, e.AllowUnreadBody
		for _, l := range e.Listeners {
			state.Listeners[l.Listen] = callersAt(l)
		}
	}
	for address, offered := range next.fromFiles.egressTLS { // a start alone decides which ports there are
		if at := s.egressTLS[address]; at != nil {
			at.current.Store(offered)
		}
	}
	s.egress.Swap(state)
	s.exchanges.activate(running)
}

// readEgressTLS reads what the egress listeners over TCP offer, by address.
func readEgressTLS(cfg *config.Config, files *snapshot.Snapshot) (map[string]*tls.Config, error) {
	if cfg.Egress == nil {
		return nil, nil
	}
	all := map[string]*tls.Config{}
	for i, l := range cfg.Egress.Listeners {
		key := fmt.Sprintf("egress.listeners[%d]", i)
		offered, err := readTLS(key+".tls", l.TLS, files)
		if err != nil {
			return nil, err
		}
		if offered != nil {
			offered.VerifyConnection = callersAt(l).CheckPeer
			offered.SessionTicketsDisabled = true // each connection shows its certificate
			all[l.Listen] = offered
		}
	}
	return all, nil
}

// callersAt is who may ask at a listener, and whose server then calls.
func callersAt(l config.EgressListener) egress.Callers {
	return egress.Callers{Resource: l.Resource, Principals: l.Callers, Peers: l.Peers}
}

// egressListener is an open port and what serves it.
type egressListener struct {
	net.Listener
	server *grpc.Server
}

// listenEgress opens the egress listeners of a configuration, or fails and leaves none open.
func (s *Service) listenEgress(ctx context.Context, cfg *config.Config) (all []egressListener, err error) {
	if cfg.Egress == nil {
		return nil, nil
	}
	defer func() {
		if err != nil {
			closeEgress(all)
		}
	}()
	for i, l := range cfg.Egress.Listeners {
		opened, err := listenEgress(ctx, fmt.Sprintf("egress.listeners[%d].listen", i), l)
		if err != nil {
			return all, err
		}
		var options []grpc.ServerOption
		if at := s.egressTLS[l.Listen]; at != nil {
			options = append(options, grpc.Creds(credentials.NewTLS(at.server())))
		}
		server := s.egress.At(l.Listen).NewGRPCServer(int(cfg.Limits.ReceiveBytes), options...)
		healthpb.RegisterHealthServer(server, s.health)
		all = append(all, egressListener{opened, server})
	}
	return all, nil
}

func listenEgress(ctx context.Context, key string, l config.EgressListener) (net.Listener, error) {
	const ownerOnly = 0o600
	if network, address := config.Network(l.Listen); network == "unix" {
		return listenUnix(ctx, key, address, ownerOnly)
	}
	if l.TLS.CertFile == "" || l.TLS.ClientCAFile == "" || len(l.Peers) == 0 { // which check refuses
		return nil, fmt.Errorf("%s: TCP needs TLS, client certificates and peers", key)
	}
	return listenTCP(ctx, key, l.Listen)
}

// longestCheck is how long a Check may run that began with a configuration.
func longestCheck(cfg *config.Config) time.Duration {
	if cfg.Egress == nil {
		return cfg.Limits.CheckTimeout
	}
	return max(cfg.Limits.CheckTimeout, cfg.Egress.CheckTimeout)
}

func closeEgress(all []egressListener) {
	for _, l := range all {
		_ = l.Close() // a gRPC server has closed its own already
	}
}
