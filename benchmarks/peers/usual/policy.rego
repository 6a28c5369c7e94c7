# The rules of the benchmark's resource, as a team would write them for OPA: the
# token must be the issuer's and for us, it needs a scope, nothing is deleted,
# and the server behind learns who asks.
package authz

default decision := {"allowed": false}

decision := {
	"allowed": true,
	"headers": {
		"x-mcp-auth-issuer": claims.iss,
		"x-mcp-auth-subject": claims.sub,
		"x-mcp-auth-client": claims.client_id,
		"x-mcp-auth-scope": claims.scope,
	},
	"headers_to_remove": ["authorization"],
} if {
	"mcp:read" in split(claims.scope, " ")
	count(deny) == 0
}

deny contains "nothing is deleted here" if http.method == "DELETE"

http := input.attributes.request.http

token := substring(http.headers.authorization, count("Bearer "), -1) if startswith(http.headers.authorization, "Bearer ")

# Signature, issuer, audience and time in one call.
claims := payload if {
	[valid, _, payload] := io.jwt.decode_verify(token, {
		"cert": data.jwks,
		"iss": data.issuer,
		"aud": data.audience,
	})
	valid
}
