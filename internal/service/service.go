package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/doorward/doorward/extauthz"
	"github.com/doorward/doorward/extauthz/jwks"
	"github.com/doorward/doorward/extauthz/token"
	"github.com/doorward/doorward/internal/config"
	"github.com/doorward/doorward/internal/egress"
	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/internal/tracing"
)

// exitWithin is how long a stop may take from the signal on.
const exitWithin = 15 * time.Second

// Options are what a service is made of.
type Options struct {
	Log    *slog.Logger
	Level  *slog.LevelVar // of Log, which a reload sets
	Stdout io.Writer      // for decision_log: {to: stdout}
	Source Source         // what is read at the start and at every reload

	Version, Commit string // of doorward, for the metrics, the log and the events of decisions
}

// Service is one running doorward: the listeners, the sources of keys, bundles
// and revocations, and the revision in force.
type Service struct {
	log     *slog.Logger
	options Options
	source  Source
	cache   *policy.DecisionCache // of every revision

	registry  *prometheus.Registry
	metrics   *metrics
	checks    *extauthz.Server
	tracer    *tracing.Tracer // nil: no traces are exported
	health    *health.Server
	readiness *readiness
	issuers   *issuers
	binder    *token.PossessionVerifier
	first     *Revision      // until it is in force
	started   *config.Config // the settings that take effect only at a start

	bundles     *bundleSources
	revocations *revocations
	decisions   *decisions
	egress      *egress.Server
	exchanges   *exchanges
	egressTLS   map[string]*tlsConfig // of the egress listeners over TCP, by address
	tls         tlsConfig
	current     atomic.Pointer[Revision]    // in force
	reloaded    atomic.Pointer[reloadState] // of the last reload
	refused     string                      // text of the last refusal; used by watch alone
	waiting     bool                        // the configuration in the files waits for a bundle; used by watch alone
	settled     bool                        // a reload of the same files would end as the last one; used by watch alone
}

// New makes a service of what [Load] returned. It does nothing until
// [Service.Run].
func New(o Options, first *Revision) (*Service, error) {
	registry := newRegistry()
	tracer := tracing.New(tracing.Options{Log: o.Log, Registry: registry, Version: o.Version})
	checks, err := extauthz.New(extauthz.Options{Log: o.Log, Registry: registry, Tracer: tracer})
	if err != nil {
		return nil, err
	}
	leaving, err := egress.New(egress.Options{Inbound: checks, Log: o.Log, Registry: registry, Tracer: tracer})
	if err != nil {
		return nil, err
	}
	s := &Service{
		settled: true, log: o.Log, options: o, source: o.Source, first: first, cache: first.parts.Cache,
		registry: registry,
		metrics:  newMetrics(o, registry),
		checks:   checks,
		tracer:   tracer,
		health:   health.NewServer(),

		bundles:     newBundleSources(o.Log),
		revocations: newRevocations(o.Log, registry),
		decisions:   newDecisions(o, registry),
		egress:      leaving,
		exchanges:   newExchanges(leaving),
		egressTLS:   map[string]*tlsConfig{},
	}
	s.readiness = newReadiness(s.health)
	s.issuers = newIssuers(o.Log, s.metrics, s.readiness)
	s.readiness.missing = s.missing
	s.reloaded.Store(&reloadState{LastReload: reloadDone})
	registry.MustRegister(newIssuerCollector(s.issuers.statuses))
	registry.MustRegister(newBundleCollector(s.bundleStates))
	registry.MustRegister(newHashCollector(s.hash))
	registerInFlight(registry, s.checks)
	registerMemory(registry, s.cache)
	return s, nil
}

// Run serves until ctx ends, then drains. It reloads when a signal arrives on
// hangup. An error means that a port could not be opened, or failed.
func (s *Service) Run(ctx context.Context, hangup <-chan os.Signal) error {
	first := s.first
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer s.bundles.ended.Wait() // what they keep on disk goes with them
	defer s.flush()
	var watching sync.WaitGroup
	defer watching.Wait()
	defer stop()
	if err := s.begin(background); err != nil {
		return err
	}
	listeners, err := listen(ctx, first.Config.Listen)
	if err != nil {
		return err
	}
	defer listeners.close()
	leaving, err := s.listenEgress(ctx, first.Config)
	if err != nil {
		return err
	}
	defer closeEgress(leaving)
	grpcServer := s.grpcServer(first.Config)
	failed := make(chan error, 3+len(leaving))
	s.serveHTTP(listeners, failed)
	go func() { failed <- grpcServer.Serve(listeners.grpc) }()
	servers := []*grpc.Server{grpcServer}
	for _, l := range leaving {
		servers = append(servers, l.server)
		go func() { failed <- l.server.Serve(l) }()
		s.log.Info("checking what leaves", slog.String("listen", address(l)))
	}
	watching.Go(func() { s.watch(background, hangup) })
	s.readiness.start()
	s.announce(first, listeners)
	if inContainer(os.DirFS("/"), os.Getenv) {
		warnUnreachable(s.log, listeners)
	}

	select {
	case err := <-failed:
		return fmt.Errorf("a listener failed: %w", err)
	case <-ctx.Done():
	}
	s.drain(servers)
	return nil
}

// begin activates the first revision, and follows its bundles.
func (s *Service) begin(ctx context.Context) error {
	cfg := s.first.Config
	s.binder = token.NewPossessionVerifier(token.PossessionOptions{
		InFlight: cfg.Limits.SignaturesInFlight,
		Waiting:  cfg.Limits.SignaturesWaiting,
	})
	s.started = &config.Config{Listen: cfg.Listen, Log: cfg.Log, Limits: cfg.Limits, Egress: cfg.Egress}
	for address := range s.first.fromFiles.egressTLS {
		s.egressTLS[address] = &tlsConfig{}
	}
	if err := s.activate(ctx, s.first); err != nil {
		return err
	}
	s.first = nil // its table may be large, and a reload replaces it
	s.metrics.reloaded(time.Now())
	s.bundles.follow(ctx, cfg.Bundles)
	return nil
}

func (s *Service) grpcServer(cfg *config.Config) *grpc.Server {
	var options []grpc.ServerOption
	if cfg.Listen.TLS.CertFile != "" {
		options = append(options, grpc.Creds(credentials.NewTLS(s.tls.server())))
	}
	server := extauthz.NewGRPCServer(s.checks, int(cfg.Limits.ReceiveBytes), options...)
	healthpb.RegisterHealthServer(server, s.health)
	return server
}

// serveHTTP starts the listeners for people and machines that are not Envoy.
func (s *Service) serveHTTP(listeners *listeners, failed chan<- error) {
	start := func(listener net.Listener, handler http.Handler, write time.Duration) {
		if listener == nil {
			return
		}
		server := newHTTPServer(handler, write, s.log)
		go func() {
			if err := server.Serve(newCrowd(listener)); !errors.Is(err, net.ErrClosed) {
				failed <- err
			}
		}()
	}
	start(listeners.http, s.httpHandler(), writeWithin)
	start(listeners.debug, debugHandler(), profileWithin)
}

// drain reports this replica as not ready, waits until its clients can have seen
// that, and finishes what is in flight. A Check cannot last longer than its timeout; what
// is still open after it is a health Watch, which ends with its client.
func (s *Service) drain(servers []*grpc.Server) {
	cfg := s.current.Load().Config
	s.readiness.drain()
	s.log.Info("draining: not ready from now on", slog.String("drain", cfg.Drain.String()))
	<-time.After(cfg.Drain)
	patience := min(longestCheck(cfg)+time.Second, exitWithin-cfg.Drain-flushWithin)
	var stopping sync.WaitGroup
	for _, server := range servers {
		end := time.AfterFunc(patience, server.Stop)
		defer end.Stop()
		stopping.Go(server.GracefulStop)
	}
	stopping.Wait()
	s.log.Info("stopped")
}

// flush delivers the decisions and spans that wait, both within flushWithin.
func (s *Service) flush() {
	var spans sync.WaitGroup
	spans.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
		defer cancel()
		s.tracer.Close(ctx)
	})
	s.decisions.close()
	spans.Wait()
}

// describe logs what is protected and what is trusted, one line each.
func (s *Service) describe(p *Revision) {
	for _, res := range p.Config.Resources.All() {
		s.log.Info("protecting", slog.String("resource", res.URI), slog.String("name", res.Name),
			list("also_at", res.AlsoAt), list("audiences", res.Audiences), list("issuers", res.Issuers),
			list("scopes", res.Scopes),
			slog.String("policy", DescribeDecisions(p.Policy, res.Name)))
	}
	for _, issuer := range p.Config.Issuers {
		s.log.Info("trusting", slog.String("issuer", issuer.Keys.Issuer),
			slog.String("profile", issuer.Profile.String()),
			list("algorithms", issuer.Algorithms), slog.String("keys", keyOrigin(issuer.Keys)))
	}
	for _, b := range p.Config.Bundles {
		s.log.Info("following a bundle", slog.String("bundle", b.Name), slog.String("from", b.Location()),
			slog.Bool("signed", !b.InsecureUnsigned))
	}
}

// announce logs what is in force, and where it is served.
func (s *Service) announce(p *Revision, listeners *listeners) {
	s.describe(p)
	s.log.Info("serving", slog.String("version", s.options.Version), slog.String("grpc", address(listeners.grpc)),
		slog.String("http", address(listeners.http)),
		slog.Int("policy_files", len(p.policyFiles)), slog.String("configuration", p.hash))
}

func list(name string, values []string) slog.Attr {
	if len(values) == 0 {
		return slog.Attr{} // slog leaves an empty attribute out
	}
	return slog.String(name, strings.Join(values, " "))
}

// bundleStates are those of the bundles in force.
func (s *Service) bundleStates() []bundleState { return s.bundles.states(s.current.Load()) }

// hash is that of the configuration in force; "" before the first.
func (s *Service) hash() string {
	if now := s.current.Load(); now != nil {
		return now.hash
	}
	return ""
}

// missing names the bundles without which no policy is in force.
func (s *Service) missing() []string {
	now := s.current.Load()
	if now == nil {
		return nil
	}
	return now.Policy.Missing()
}

// keyOrigin is where an issuer's keys come from, for the log.
func keyOrigin(o jwks.Options) string {
	switch {
	case o.Static != nil:
		return "inline"
	case o.JWKSURI != "":
		return o.JWKSURI
	case o.DiscoveryURL != "":
		return o.DiscoveryURL
	default:
		return "discovered"
	}
}
