package main

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
)

// exitWithin is how long a stop may take from the signal on.
const exitWithin = 15 * time.Second

// service is the running program: the parts, and the plan in force.
type service struct {
	log     *slog.Logger
	level   *slog.LevelVar
	watched watcher

	referenceDecoder bool

	registry  *prometheus.Registry
	metrics   *metrics
	checks    *extauthz.Server
	health    *health.Server
	readiness *readiness
	issuers   *issuers
	binder    *token.PossessionVerifier
	started   *config.Config // what the first plan said, for what only a start reads

	bundles     *bundleSources
	revocations *revocations
	decisions   *decisions
	tls         tlsConfig
	current     atomic.Pointer[revision]    // in force
	reloaded    atomic.Pointer[reloadState] // of the last reload
	refused     string                      // what was said of the last refused reload; the watcher's alone
	waiting     bool                        // the configuration in the files waits for a bundle; the watcher's alone
}

func newService(log *slog.Logger, level *slog.LevelVar, stdout io.Writer, watched watcher, reference bool) *service {
	registry := newRegistry()
	s := &service{
		log: log, level: level, watched: watched, referenceDecoder: reference,
		registry: registry,
		metrics:  newMetrics(registry),
		checks:   extauthz.New(log, extauthz.NewMetrics(registry)),
		health:   health.NewServer(),

		bundles:     newBundleSources(log),
		revocations: newRevocations(log, registry),
		decisions:   newDecisions(log, stdout, registry),
	}
	s.readiness = newReadiness(s.health)
	s.issuers = newIssuers(log, s.metrics, s.readiness)
	s.readiness.missing = s.missing
	s.reloaded.Store(&reloadState{LastReload: reloadDone})
	registry.MustRegister(newIssuerCollector(s.issuers.statuses))
	registry.MustRegister(newBundleCollector(s.bundleStates))
	registry.MustRegister(newHashCollector(s.hash))
	registerInFlight(registry, s.checks)
	registerMemory(registry, watched.memory)
	return s
}

// run serves until ctx ends, then drains. Fetches of keys and the watcher live
// as long as it does.
func (s *service) run(ctx context.Context, first *revision, seen digest, hangup <-chan os.Signal) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer s.bundles.ended.Wait() // what they keep on disk goes with them
	var watching sync.WaitGroup
	defer watching.Wait()
	defer stop()
	defer s.decisions.close()
	s.started = first.config
	s.binder = token.NewPossessionVerifier(token.PossessionOptions{
		InFlight: first.config.Limits.SignaturesInFlight,
		Waiting:  first.config.Limits.SignaturesWaiting,
	})
	if err := s.activate(background, first); err != nil {
		return err
	}
	s.metrics.reloaded(time.Now())
	s.bundles.start(background, first.config.Bundles)

	listeners, err := listen(ctx, first.config.Listen)
	if err != nil {
		return err
	}
	defer listeners.close()
	grpcServer := s.grpcServer(first.config)
	failed := make(chan error, 3)
	s.serveHTTP(listeners, failed)
	go func() { failed <- grpcServer.Serve(listeners.grpc) }()
	watching.Go(func() { s.watch(background, hangup, seen) })
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
	s.drain(grpcServer)
	return nil
}

func (s *service) grpcServer(cfg *config.Config) *grpc.Server {
	options := extauthz.ServerOptions(int(cfg.Limits.ReceiveBytes))
	if cfg.Listen.TLS.CertFile != "" {
		options = append(options, grpc.Creds(credentials.NewTLS(s.tls.server())))
	}
	server := grpc.NewServer(options...)
	s.checks.Register(server)
	healthpb.RegisterHealthServer(server, s.health)
	return server
}

// serveHTTP starts the listeners for people and machines that are not Envoy.
func (s *service) serveHTTP(listeners *listeners, failed chan<- error) {
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

// drain tells the world that this replica goes, waits until it has heard, and
// finishes what is in flight. A Check cannot last longer than its timeout; what
// is still open after it is a health Watch, which ends with its client.
func (s *service) drain(server *grpc.Server) {
	cfg := s.current.Load().config
	s.readiness.drain()
	s.log.Info("draining: not ready from now on", slog.String("drain", cfg.Drain.String()))
	<-time.After(cfg.Drain)
	patience := min(cfg.Limits.CheckTimeout+time.Second, exitWithin-cfg.Drain-flushWithin)
	end := time.AfterFunc(patience, server.Stop)
	defer end.Stop()
	server.GracefulStop()
	s.log.Info("stopped")
}

// describe says what is protected and what is trusted, one line each.
func (s *service) describe(p *revision) {
	for _, res := range p.config.Resources.All() {
		s.log.Info("protecting", slog.String("resource", res.URI), slog.String("name", res.Name), list("also_at", res.AlsoAt),
			list("audiences", res.Audiences), list("issuers", res.Issuers), list("scopes", res.Scopes),
			slog.String("policy", decisionsOf(p.policy, res.Name)))
	}
	for _, issuer := range p.config.Issuers {
		s.log.Info("trusting", slog.String("issuer", issuer.Keys.Issuer), slog.String("profile", issuer.Profile.String()),
			list("algorithms", issuer.Algorithms), slog.String("keys", keyOrigin(issuer.Keys)))
	}
	for _, b := range p.config.Bundles {
		s.log.Info("following a bundle", slog.String("bundle", b.Name), slog.String("from", b.Location()), slog.Bool("signed", !b.InsecureUnsigned))
	}
}

// announce says what is in force, and where it is served.
func (s *service) announce(p *revision, listeners *listeners) {
	s.describe(p)
	s.log.Info("serving", slog.String("version", thisBuild().version), slog.String("grpc", address(listeners.grpc)),
		slog.String("http", address(listeners.http)), slog.Int("policy_files", len(p.policyFiles)), slog.String("configuration", p.hash))
}

func list(name string, values []string) slog.Attr {
	if len(values) == 0 {
		return slog.Attr{} // slog leaves an empty attribute out
	}
	return slog.String(name, strings.Join(values, " "))
}

// bundleStates are those of the bundles in force.
func (s *service) bundleStates() []bundleState { return s.bundles.states(s.current.Load()) }

// hash is that of the configuration in force; "" before the first.
func (s *service) hash() string {
	if now := s.current.Load(); now != nil {
		return now.hash
	}
	return ""
}

// missing names the bundles without which no policy is in force.
func (s *service) missing() []string {
	now := s.current.Load()
	if now == nil {
		return nil
	}
	return now.policy.Missing()
}

// keyOrigin is where an issuer's keys come from, in a word.
func keyOrigin(o jwks.Options) string {
	switch {
	case o.Static != nil:
		return "given"
	case o.JWKSURI != "":
		return o.JWKSURI
	default:
		return "discovered"
	}
}
