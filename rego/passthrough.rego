# No token passthrough: the credential is removed from the request, so that the
# MCP server cannot forward a token that was issued for itself alone.
package doorward.passthrough

# What Envoy removes from the request before the server gets it. The answer makes
# its removals of credentials from this.
strip := {
	"headers": ["authorization", "dpop"],
	"query": ["access_token"],
}

# It names every place that can hold a credential.
holds if {
	"authorization" in strip.headers
	"dpop" in strip.headers
	"access_token" in strip.query
}
