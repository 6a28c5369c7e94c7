package egress

import (
	"context"
	"strings"

	"github.com/doorward/doorward/extauthz/reason"
	"github.com/doorward/doorward/internal/policy"
)

// findCaller finds whose server calls, by the listener and by the certificate of the peer.
func (c *check) findCaller(ctx context.Context, address string) *verdict {
	callers, isOpen := c.state.Listeners[address]
	name, known := callers.Resource, callers.Resource != ""
	if !known {
		name, known = callers.Principals[c.req.principal]
	}
	switch {
	case !isOpen:
		return refuse(reason.Misconfigured, "the listener is no longer configured")
	case c.steps == nil && !callers.accepts(ctx):
		return refuse(reason.Misconfigured, "the Envoy that asks is no longer one of peers")
	case !known && c.req.principal == "":
		return refuse(reason.Misconfigured, "Envoy names no source.principal: the caller is not known")
	case !known:
		return refuse(reason.Misconfigured, "the source.principal is not one of callers")
	}
	if c.caller = c.inbound.Caller(name); c.caller == nil {
		return refuse(reason.Misconfigured, "the resource of the caller is not configured")
	}
	return nil
}

// findDestination finds where the request goes. What the route names wins over the
// authority, which the server writes. That there is no destination is answered later.
func (c *check) findDestination() *verdict {
	caller := c.caller.Resource.Name
	if !c.req.hasDestination {
		c.host = c.req.authority
		c.to = c.state.Destinations.Find(c.req.authority, c.req.path, caller)
		return nil
	}
	to, known := c.state.Destinations.Named(c.req.destination, c.req.path, caller)
	if !known {
		return c.refuse(reason.Misconfigured, "context_extensions names a destination that is not configured")
	}
	c.host, c.to = c.req.destination, to
	return nil
}

// policyDestination is what rules see of the destination.
func (c *check) policyDestination() policy.Destination {
	to := policy.Destination{Host: c.to.Host, Token: c.to.Token}
	for _, path := range c.to.Paths {
		rest, begins := strings.CutPrefix(c.req.path, path)
		if begins && (rest == "" || rest[0] == '/' || strings.HasSuffix(path, "/")) && len(path) > len(to.Path) {
			to.Path = path
		}
	}
	return to
}
