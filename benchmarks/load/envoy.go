package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/doorward/doorward/benchmarks/authority"
	"github.com/doorward/doorward/benchmarks/traffic"
	"github.com/doorward/doorward/internal/testenv"
)

// mode is the filter of an Envoy.
type mode struct {
	name    string
	service string // name of the target that it calls; "" is no target
	native  bool   // jwt_authn verifies the token in Envoy itself
	cache   uint32 // tokens that jwt_authn remembers
}

// modes are every Envoy, in the order of a round.
var modes = []mode{
	{name: "no filter"},
	{name: "jwt_authn", native: true},
	{name: "jwt_authn with its cache", native: true, cache: 1000},
	{name: "ext_authz: empty", service: empty},
	{name: "ext_authz: doorward", service: doorward},
}

// gateway is an Envoy in a mode.
type gateway struct {
	mode
	envoy   *testenv.Envoy
	service *service // nil if it calls none
	client  *http.Client
}

// measureEnvoy measures all modes under all loads, in every round.
func (r *results) measureEnvoy(ctx context.Context, s *testbed, progress io.Writer) error {
	if _, err := testenv.EnvoyBinary(); err != nil {
		r.skipped = append(r.skipped, "everything through Envoy: "+err.Error())
		return nil
	}
	var gateways []*gateway
	defer func() {
		for _, g := range gateways {
			g.stop()
		}
	}()
	for _, m := range r.plan.modes {
		g, err := s.openGateway(ctx, m, r.plan.targets)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		gateways = append(gateways, g)
		traffic.Saturate(ctx, g.call(s.pool), r.plan.warm/10, 32)
	}
	r.requests = cells{}
	for round := range r.plan.rounds {
		if err := around(r.plan.envoyLoads, gateways, round, func(l load, g *gateway) error {
			return r.requests.measure(ctx, g.name, l, g.call(s.pool), g.use)
		}); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(progress, "  round %d of %d\n", round+1, r.plan.rounds)
	}
	return nil
}

func (s *testbed) openGateway(ctx context.Context, m mode, targets []target) (*gateway, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: traffic.Patience}
	g := &gateway{mode: m, client: client}
	nowhere := "127.0.0.1:9" // discard: not in use
	edit := func(b *testenv.Bootstrap) error { return s.edit(b, m, g) }
	o := testenv.EnvoyOptions{Doorward: nowhere, Upstream: nowhere, Edit: edit}
	for _, c := range targets {
		if c.name != m.service {
			continue
		}
		opened, err := s.open(ctx, c)
		if err != nil {
			return nil, err
		}
		g.service, o.Doorward = opened, opened.address
	}
	var err error
	if g.envoy, err = testenv.StartEnvoy(ctx, o); err != nil {
		g.stop()
		return nil, err
	}
	if reason := g.call(s.pool)(ctx, 0); reason != traffic.Allowed {
		g.stop()
		return nil, fmt.Errorf("a good token is answered with: %s", reason)
	}
	return g, nil
}

func (g *gateway) stop() {
	g.client.CloseIdleConnections()
	if g.envoy != nil {
		_ = g.envoy.Stop() // what it did is measured
	}
	if g.service != nil {
		g.service.stop()
	}
}

// edit changes the shipped configuration for every mode: without log and health
// checks, and with an answer of Envoy itself instead of the MCP server, which would
// take most of the processor time.
func (s *testbed) edit(b *testenv.Bootstrap, m mode, g *gateway) error {
	b.Manager.AccessLog = nil
	b.Cluster("doorward").HealthChecks = nil
	b.Host.Routes = []*routev3.Route{{
		Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
		Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: http.StatusOK}},
	}}
	b.Authz.EncodeRawHeaders = g.service == nil || g.service.form == traffic.Raw
	var filters []*managerv3.HttpFilter
	for _, filter := range b.Manager.GetHttpFilters() {
		if filter.GetName() != "envoy.filters.http.ext_authz" {
			filters = append(filters, filter)
			continue
		}
		if m.native {
			native, err := s.jwtAuthn(m.cache)
			if err != nil {
				return err
			}
			filters = append(filters, native)
		}
		filter.Disabled = m.service == ""
		filters = append(filters, filter)
	}
	b.Manager.HttpFilters = filters
	return nil
}

// jwtAuthn returns Envoy's own filter, which checks signature, issuer, audience and
// time. It has no scopes, no policy and no challenge of RFC 9728.
func (s *testbed) jwtAuthn(cache uint32) (*managerv3.HttpFilter, error) {
	jwks, err := os.ReadFile(s.jwks)
	if err != nil {
		return nil, err
	}
	provider := &jwtv3.JwtProvider{
		Issuer: s.authority.URL, Audiences: []string{authority.Resource},
		JwksSourceSpecifier: &jwtv3.JwtProvider_LocalJwks{LocalJwks: &corev3.DataSource{
			Specifier: &corev3.DataSource_InlineString{InlineString: string(jwks)},
		}},
	}
	if cache > 0 {
		provider.JwtCacheConfig = &jwtv3.JwtCacheConfig{JwtCacheSize: cache}
	}
	return &managerv3.HttpFilter{
		Name: "envoy.filters.http.jwt_authn",
		ConfigType: &managerv3.HttpFilter_TypedConfig{TypedConfig: testenv.Pack(&jwtv3.JwtAuthentication{
			Providers: map[string]*jwtv3.JwtProvider{"benchmark": provider},
			Rules: []*jwtv3.RequirementRule{{
				Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
				RequirementType: &jwtv3.RequirementRule_Requires{Requires: &jwtv3.JwtRequirement{
					RequiresType: &jwtv3.JwtRequirement_ProviderName{ProviderName: "benchmark"},
				}},
			}},
		})},
	}, nil
}

// call sends the request of an MCP client.
func (g *gateway) call(pool []string) traffic.Call {
	body := strings.Repeat("x", 183)
	return func(ctx context.Context, n int) string {
		url := g.envoy.URL() + traffic.Path
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return traffic.NoAnswer
		}
		request.Host = traffic.Host
		for _, header := range traffic.ClientHeaders(pool[n%len(pool)]) {
			request.Header.Set(header[0], header[1])
		}
		response, err := g.client.Do(request)
		if err != nil {
			return traffic.NoAnswer
		}
		_, err = io.Copy(io.Discard, response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil {
			return traffic.NoAnswer
		}
		if response.StatusCode != http.StatusOK {
			return response.Status
		}
		return traffic.Allowed
	}
}

func (g *gateway) use(ctx context.Context, after bool) (u use, err error) {
	if g.service != nil {
		if u, err = g.service.use(ctx, after); err != nil {
			return u, err
		}
	}
	u.envoy, err = g.envoy.CPU()
	return u, err
}
