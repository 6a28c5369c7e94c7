package interop

import (
	"context"
	"fmt"
	"time"
)

// steps are what is tried with oidc-provider, in this order.
func (s *oidcServer) steps() []step {
	return []step{
		{name: "starts, with keys of ours", wanted: "up", vital: true, do: s.starts},
		{name: "doorward discovers it (RFC 8414)", wanted: "1 key, 0 skipped", vital: true, do: s.service.discovers},
		{feature: audResource, name: "token for this resource", wanted: "200 allowed", vital: true, do: s.goodToken},
		{feature: audResource, name: "token of a user for this resource", wanted: "200 allowed", do: s.login},
		{feature: idTokenRefused, name: "ID token of that user", wanted: "401 type_not_allowed", do: s.identityToken},
		{feature: otherRefused, name: "token for another resource", wanted: "401 audience_mismatch", do: s.with("svc", "http://127.0.0.1:9/mcp", "mcp:read")},
		{feature: opaqueRefused, name: "no resource asked for: an opaque token", wanted: "401 token_malformed", do: s.with("svc", "", "")},
		{feature: scopeDemanded, name: "token without the scope", wanted: "403 insufficient_scope", do: s.wrongScope},
		{name: "client credentials with a certificate (RFC 8705)", wanted: "aud https://api.example.com, no act, sub cert; with another certificate 403 exchange_refused", do: s.machineOut},
		{name: "token of two seconds, before and after", wanted: "200 allowed, then 401 token_expired", do: s.expires},
		{feature: rotation, name: "rotation under load: a new key joins", wanted: "0 failed; new key 200 allowed", do: s.rotates},
		{feature: rotation, name: "removal under load: the old key leaves", wanted: "0 failed; old key 401 key_unknown", do: s.removes},
		{feature: outage, name: "taken down: a key id that nobody knows", wanted: "503 keys_unavailable", do: s.strangerWhileDown},
		{feature: outage, name: "down: known keys go on, under load", wanted: "0 failed; ready, well, problem told", do: s.goesOn},
		{feature: outage, name: "down: doorward restarts, with jwks_cache_dir", wanted: "ready; 200 allowed", do: s.startsWarm},
		{feature: outage, name: "down: doorward restarts, without", wanted: "not ready, missing; 503", do: s.startsCold},
		{feature: outage, name: "up again: it recovers by itself", wanted: "ready; 200 allowed", do: s.recovers},
		{name: "what reached the MCP server", wanted: "0 with a token, 0 without a name", do: s.service.leaks},
	}
}

func (s *oidcServer) starts(ctx context.Context) (outcome, error) {
	return outcome{got: "up", note: s.service.issuer}, s.up(ctx, s.first)
}

// discovers starts the door and says what keys it found.
func (d *service) discovers(ctx context.Context) (outcome, error) {
	if err := d.open(ctx, true); err != nil {
		return outcome{}, err
	}
	if err := d.ready(ctx); err != nil {
		return outcome{}, err
	}
	keys, err := d.metric(ctx, "doorward_jwks_keys")
	if err != nil {
		return outcome{}, err
	}
	skipped, err := d.metric(ctx, "doorward_jwks_keys_skipped")
	return outcome{got: fmt.Sprintf("%v key, %v skipped", keys, skipped), note: "Envoy at " + d.envoy.URL()}, err
}

func (s *oidcServer) goodToken(ctx context.Context) (o outcome, err error) {
	if s.current, err = s.good(ctx); err != nil {
		return o, err
	}
	s.removed = s.current
	return s.service.sendDescribed(ctx, s.current)
}

// login sends the access token of a user.
func (s *oidcServer) login(ctx context.Context) (o outcome, err error) {
	s.user, err = login{
		authorize: s.service.issuer + "/auth", token: s.service.issuer + "/token",
		client: "app", scope: "openid mcp:read", resource: s.service.resource,
	}.run(ctx)
	if err != nil {
		return o, err
	}
	return s.service.sendDescribed(ctx, s.user.Access)
}

func (s *oidcServer) identityToken(ctx context.Context) (outcome, error) {
	return s.service.sendDescribed(ctx, s.user.ID)
}

// sendDescribed sends a token and notes what it looks like.
func (d *service) sendDescribed(ctx context.Context, token string) (outcome, error) {
	looks, err := describe(token)
	if err != nil {
		return outcome{}, err
	}
	o, err := d.send(ctx, token)
	o.note = looks
	return o, err
}

// with sends the token that such a request brings.
func (s *oidcServer) with(client, resource, scope string) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) {
		token, err := s.token(ctx, client, resource, scope)
		if err != nil {
			return outcome{}, err
		}
		o, err := s.service.send(ctx, token)
		o.note = fmt.Sprintf("%d characters", len(token))
		return o, err
	}
}

// wrongScope: the resource is known only once the door has its address.
func (s *oidcServer) wrongScope(ctx context.Context) (outcome, error) {
	return s.with("svc", s.service.resource, "mcp:write")(ctx)
}

func (s *oidcServer) expires(ctx context.Context) (outcome, error) {
	token, err := s.token(ctx, "brief", s.service.resource, "mcp:read")
	if err != nil {
		return outcome{}, err
	}
	before, err := s.service.send(ctx, token)
	if err != nil {
		return outcome{}, err
	}
	after, err := s.service.refused(ctx, token)
	return outcome{got: before.got + ", then " + after.got, note: after.note}, err
}

// rotates restarts the server with a new signing key beside the old one. The
// old key's tokens stay good, and the first one by the new key is what tells
// doorward of it.
func (s *oidcServer) rotates(ctx context.Context) (outcome, error) {
	return s.service.loadSettled(ctx, s.current, func(ctx context.Context) (outcome, error) {
		began := time.Now()
		if err := s.restart(ctx, s.second, s.first); err != nil {
			return outcome{}, err
		}
		took := time.Since(began)
		var err error
		if s.current, err = s.good(ctx); err != nil {
			return outcome{}, err
		}
		o, err := s.service.send(ctx, s.current)
		o.got = "new key " + o.got
		o.note = fmt.Sprintf("restart %v, first token by the new key %s", millis(took), o.note)
		return o, err
	})
}

// loadSettled begins a stream so that what happens in it finds keys of which
// doorward asks for more only when a token tells it to.
func (d *service) loadSettled(ctx context.Context, token string, happens func(context.Context) (outcome, error)) (outcome, error) {
	if err := d.settle(ctx); err != nil {
		return outcome{}, err
	}
	return d.load(ctx, token, happens)
}

// removes restarts the server without the old key, and waits for the refresh.
func (s *oidcServer) removes(ctx context.Context) (outcome, error) {
	return s.service.load(ctx, s.current, func(ctx context.Context) (outcome, error) {
		if err := s.restart(ctx, s.second); err != nil {
			return outcome{}, err
		}
		return s.service.withdrawn(ctx, s.removed)
	})
}

func (s *oidcServer) strangerWhileDown(ctx context.Context) (outcome, error) {
	if err := s.service.settle(ctx); err != nil {
		return outcome{}, err
	}
	if err := s.down(); err != nil {
		return outcome{}, err
	}
	return s.service.sendStranger(ctx, s.current)
}

func (d *service) sendStranger(ctx context.Context, like string) (outcome, error) {
	token, err := stranger(like)
	if err != nil {
		return outcome{}, err
	}
	return d.send(ctx, token)
}

func (s *oidcServer) goesOn(ctx context.Context) (outcome, error) {
	return s.service.load(ctx, s.current, s.service.tellsOfOutage)
}

// tellsOfOutage is what readyz says while the server is down.
func (d *service) tellsOfOutage(ctx context.Context) (outcome, error) {
	state, err := d.state(ctx)
	if err != nil {
		return outcome{}, err
	}
	got := readiness(state.ready) + ", " + state.state
	if state.problem != "" {
		got += ", problem told"
	}
	return outcome{got: got, note: state.problem}, nil
}

func readiness(ready bool) string {
	if ready {
		return "ready"
	}
	return "not ready"
}

func (s *oidcServer) startsWarm(ctx context.Context) (outcome, error) {
	if err := s.service.reopen(ctx, true); err != nil {
		return outcome{}, err
	}
	return s.service.readyAndGood(ctx, s.current)
}

// readyAndGood waits until doorward is ready and sends a good token.
func (d *service) readyAndGood(ctx context.Context, token string) (outcome, error) {
	began := time.Now()
	if err := d.ready(ctx); err != nil {
		return outcome{}, err
	}
	took := time.Since(began)
	o, err := d.send(ctx, token)
	return outcome{got: "ready; " + o.got, note: fmt.Sprintf("ready in %.1f s, Envoy's health check included", took.Seconds())}, err
}

// startsCold gives doorward three seconds, which it must not use to become
// ready, and asks it all the same.
func (s *oidcServer) startsCold(ctx context.Context) (outcome, error) {
	if err := s.service.reopen(ctx, false); err != nil {
		return outcome{}, err
	}
	wait := time.NewTimer(3 * time.Second)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	}
	state, err := s.service.state(ctx)
	if err != nil {
		return outcome{}, err
	}
	status, err := s.service.call(ctx, "/mcp/cold", s.current)
	return outcome{got: fmt.Sprintf("%s, %s; %d", readiness(state.ready), state.state, status), note: state.problem}, err
}

func (s *oidcServer) recovers(ctx context.Context) (outcome, error) {
	if err := s.up(ctx, s.second); err != nil {
		return outcome{}, err
	}
	return s.service.readyAndGood(ctx, s.current)
}
