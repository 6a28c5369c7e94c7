package testenv

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// setup is one Envoy between a stand-in for doorward and an MCP server.
type setup struct {
	*testing.T
	door     *standIn
	upstream *MCPServer
	envoy    *Envoy
}

func start(t *testing.T, edit func(*Bootstrap) error) *setup {
	t.Helper()
	return startBeside(t, nil, edit)
}

// startBeside has more replicas beside the stand-in.
func startBeside(t *testing.T, replicas []string, edit func(*Bootstrap) error) *setup {
	t.Helper()
	RequireEnvoy(t)
	s := &setup{T: t, door: startStandIn(t, "")}
	var err error
	if s.upstream, err = StartMCPServer(MCPServerOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.upstream.Close() })
	s.envoy, err = StartEnvoy(t.Context(), EnvoyOptions{
		Doorward: s.door.address,
		Replicas: replicas,
		Upstream: s.upstream.Address(),
		Edit: func(b *Bootstrap) error {
			if err := WithLongTimeouts(b); err != nil || edit == nil {
				return err
			}
			return edit(b)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.envoy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// send makes a request through the door; path may be any bytes a request line
// can hold.
func (s *setup) send(method, path string, headers ...string) (*http.Response, string) {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), method, s.envoy.URL(), nil)
	if err != nil {
		s.Fatal(err)
	}
	request.URL.Opaque = path
	request.Host = "mcp.example.com"
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		request.Header[name] = append(request.Header[name], value) // as written, not canonical
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	return response, string(body)
}

// soon is a context for what should happen within moments.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// A load balancer learns from /healthz whether doorward can be asked.
func TestHealthFollowsDoorward(t *testing.T) {
	s := start(t, func(b *Bootstrap) error {
		check := b.Cluster("doorward").HealthChecks[0]
		check.Interval = durationpb.New(50 * time.Millisecond)
		check.NoTrafficInterval = check.Interval
		check.UnhealthyInterval = check.Interval
		return nil
	})
	until(s, http.StatusOK)
	s.door.health.Shutdown()
	until(s, http.StatusServiceUnavailable)
	s.door.health.Resume()
	s.door.health.SetServingStatus("envoy.service.auth.v3.Authorization", grpc_health_v1.HealthCheckResponse_SERVING)
	until(s, http.StatusOK)
	if n := len(s.door.requests()); n != 0 {
		t.Errorf("%d Checks for health", n)
	}
}

// until polls Envoy's own health.
func until(s *setup, status int) {
	s.Helper()
	ctx := soon(s.T)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		response, _ := s.send("GET", "/healthz")
		if response.StatusCode == status {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.Fatalf("/healthz stayed %s", response.Status)
		}
	}
}

// Tests of doorward change single lines of the shipped file in this way.
func TestEditsReachEnvoy(t *testing.T) {
	s := start(t, func(b *Bootstrap) error {
		b.Authz.FailureModeAllow = true
		b.Authz.EncodeRawHeaders = false
		b.Manager.CommonHttpProtocolOptions.HeadersWithUnderscoresAction = corev3.HttpProtocolOptions_ALLOW
		named := &routev3.Route{
			Match:                &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/named"}},
			Action:               b.Host.Routes[len(b.Host.Routes)-1].Action,
			TypedPerFilterConfig: ContextExtensions(map[string]string{"resource": "weather"}),
		}
		b.Host.Routes = append([]*routev3.Route{named}, b.Host.Routes...)
		return nil
	})
	s.send("GET", "/named", "x_seen: yes")
	attributes := s.door.requests()[0]
	if got := attributes.GetContextExtensions()["resource"]; got != "weather" {
		t.Errorf("context_extensions name %q", got)
	}
	if got := attributes.GetRequest().GetHttp().GetHeaders()["x_seen"]; got != "yes" {
		t.Errorf("without encode_raw_headers, x_seen is %q", got)
	}
	s.door.answering(nil)
	s.upstream.Forget()
	s.send("GET", "/mcp")
	if n := len(s.upstream.Requests()); n != 1 {
		t.Errorf("under failure_mode_allow %d requests arrived instead of 1", n)
	}
	s.send("GET", "/mcp")
	if failures, err := s.envoy.Stat(soon(t), "http.mcp.ext_authz.failure_mode_allowed"); err != nil || failures != 2 {
		t.Errorf("failure_mode_allowed counts %d, %v", failures, err)
	}
}

func TestEnvoyDoesNotStart(t *testing.T) {
	RequireEnvoy(t)
	addresses, err := FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	busy, err := Listen("")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	good := EnvoyOptions{Doorward: addresses[0], Upstream: addresses[0]}
	refused := errors.New("the test said no")
	for _, row := range []struct {
		intent  string
		options func(*EnvoyOptions)
		want    string
	}{
		{"a busy port", func(o *EnvoyOptions) { o.Listen = busy.Addr().String() }, "is busy"},
		{"a busy admin port", func(o *EnvoyOptions) { o.Admin = busy.Addr().String() }, "is busy"},
		{"no address of doorward", func(o *EnvoyOptions) { o.Doorward = "" }, "missing port"},
		{"an edit that fails", func(o *EnvoyOptions) { o.Edit = func(*Bootstrap) error { return refused } }, refused.Error()},
		{"a configuration that Envoy refuses", func(o *EnvoyOptions) {
			o.Edit = func(b *Bootstrap) error { b.Cluster("mcp-server").Name = "elsewhere"; return nil }
		}, "unknown cluster 'mcp-server'"},
	} {
		t.Run(row.intent, func(t *testing.T) {
			options := good
			row.options(&options)
			e, err := StartEnvoy(t.Context(), options)
			if err == nil {
				e.Stop()
			}
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want %q", err, row.want)
			}
		})
	}
}

// Nobody has to start the parts in order: until doorward is there the door is
// shut, and then it opens by itself.
func TestEnvoyMayStartBeforeDoorward(t *testing.T) {
	RequireEnvoy(t)
	addresses, err := FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	upstream, err := StartMCPServer(MCPServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.Close()
	e, err := StartEnvoy(t.Context(), EnvoyOptions{Doorward: addresses[0], Upstream: upstream.Address(), Edit: WithLongTimeouts})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	s := &setup{T: t, upstream: upstream, envoy: e}
	if response, _ := s.send("GET", "/mcp"); response.StatusCode != http.StatusServiceUnavailable || len(upstream.Requests()) != 0 {
		t.Errorf("without doorward: %s, and %d requests arrived", response.Status, len(upstream.Requests()))
	}
	until(s, http.StatusServiceUnavailable)
	s.door = startStandIn(t, addresses[0])
	until(s, http.StatusOK)
	s.send("GET", "/mcp")
	if n := len(upstream.Requests()); n != 1 {
		t.Errorf("with doorward %d requests arrived instead of 1", n)
	}
}

func TestStopEndsTheProcess(t *testing.T) {
	s := start(t, nil)
	if err := s.envoy.Stop(); err != nil {
		t.Error(err)
	}
	if connection, err := net.Dial("tcp", s.envoy.Address()); err == nil {
		connection.Close()
		t.Error("somebody still listens")
	}
	if err := s.envoy.Stop(); err != nil {
		t.Errorf("the second Stop: %v", err)
	}
}
