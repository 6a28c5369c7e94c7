# No passthrough: the credential stays at the door. An MCP server must never
# see, and so can never forward, a token it was not meant to spend elsewhere.
package doorward.passthrough

# What is removed from the request on its way to the server. The answer builds
# its removals from this and from nothing else.
strip := {
	"headers": ["authorization", "dpop"],
	"query": ["access_token"],
}

# Every place where a credential can stand is among them.
holds if {
	"authorization" in strip.headers
	"dpop" in strip.headers
	"access_token" in strip.query
}
