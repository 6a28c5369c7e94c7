# doorward.request completes an input as doorward itself does.
package doorward.builders

input_of(changes) := object.remove(made, of_no_token(resource)) if {
	known(changes)
	resource := merged(example_resource, object.get(changes, "resource", {}))
	way := way_of(changes)
	asked := tidy(merged(merged(request_for(url_of(way, resource)), object.get(changes, "request", {})), at_the_top(changes)))
	claims := merged(claims_for(resource), object.get(changes, "claims", {}))
	token := merged(token_for(claims), object.get(changes, "token", {}))
	operation := merged(operation_for(way), object.get(changes, "mcp", {}))
	made := object.union(way, {
		"version": 1,
		"request": asked,
		"resource": resource,
		"claims": claims,
		"token": token,
		"mcp": operation,
	})
}

# A request that the server makes has a destination, and is no operation of MCP.
way_of(changes) := {"direction": "egress", "destination": merged(example_destination, object.get(changes, "destination", {}))} if {
	goes_out(changes)
} else := {"direction": "inbound"}

goes_out(changes) if is_object(changes.destination)

goes_out(changes) if changes.direction == "egress"

example_destination := {"host": "api.example.com", "token": "none"}

url_of(way, resource) := resource.uri if way.direction == "inbound"

url_of(way, _) := sprintf("https://%s%s", [way.destination.host, object.get(way.destination, "path", "/v1")])

operation_for(way) := example_operation if way.direction == "inbound"

operation_for(way) := {"source": "none", "trusted": false} if way.direction == "egress"

# What a request without a token does not have.
of_no_token(resource) := ["claims", "token"] if resource.anonymous == true

else := []

sections := {"version", "direction", "destination", "request", "resource", "claims", "token", "mcp"}

request_members := {
	"id", "method", "scheme", "host", "path", "query", "headers",
	"source_address", "source_principal", "client_address",
}

resource_members := {
	"name", "uri", "audiences", "scopes", "labels", "aliases", "clients", "parameters", "scopes_any",
	"operation_scopes", "acr_values", "max_age", "anonymous",
}

token_members := {
	"issuer", "client", "scopes", "profile", "binding", "tenant", "bound_by", "marked", "subject_accepted",
	"no_scopes", "dedicated", "generic_audiences", "client_id_pattern", "self_asserted", "recent", "trusted",
}

destination_members := {"host", "path", "token"}

mcp_members := {"method", "name", "protocol_version", "source", "trusted"}

# Every name is a member of input; claims may have any name.
known(changes) if {
	count(object.keys(changes) - (sections | request_members)) == 0
	count(object.keys(object.get(changes, "request", {})) - request_members) == 0
	count(object.keys(object.get(changes, "resource", {})) - resource_members) == 0
	count(object.keys(object.get(changes, "token", {})) - token_members) == 0
	count(object.keys(object.get(changes, "mcp", {})) - mcp_members) == 0
	count(object.keys(object.get(changes, "destination", {})) - destination_members) == 0
}

at_the_top(changes) := object.remove(changes, sections)

# Objects are merged member by member, other values are replaced.
merged(first, second) := {name: value |
	some name, value in object.union(first, second)
	value != null
}

example_resource := {
	"name": "example",
	"uri": "https://mcp.example.com/mcp",
	"audiences": [],
	"scopes": ["mcp:read"],
	"labels": {},
	"aliases": [],
	"clients": [],
	"parameters": {},
	"scopes_any": [],
	"operation_scopes": [],
	"acr_values": [],
	"anonymous": false,
}

example_operation := {
	"method": "tools/call",
	"name": "example-tool",
	"protocol_version": "2026-07-28",
	"source": "body",
	"trusted": true,
}

request_for(uri) := {
	"id": "6f1c2a52-0000-4000-8000-000000000001",
	"method": "POST",
	"scheme": url.scheme,
	"host": url.host,
	"path": url.path,
	"query": {},
	"headers": {"content-type": ["application/json"]},
	"source_address": "192.0.2.1",
	"client_address": "192.0.2.1",
} if {
	url := parts(uri)
}

parts(uri) := {"scheme": scheme, "host": host, "path": rooted(path)} if {
	[[_, scheme, host, path]] := regex.find_all_string_submatch_n(`^([a-z]+)://([^/?#]+)([^?#]*)`, uri, 1)
}

rooted(path) := "/" if path == ""

else := path

# Headers and parameters as in input: names of headers in lower case, each with a
# list of values, and without credentials.
tidy(asked) := object.union(object.remove(asked, ["headers", "query"]), {
	"headers": {lower(name): listed(value) |
		some name, value in asked.headers
		not lower(name) in {"authorization", "proxy-authorization", "dpop", "cookie", "access_token"}
	},
	"query": {name: listed(value) |
		some name, value in asked.query
		name != "access_token"
	},
})

listed(value) := [value] if is_string(value)

else := value

claims_for(resource) := {
	"iss": "https://as.example.com",
	"sub": "alice",
	"aud": resource.uri,
	"client_id": "example-client",
	"scope": concat(" ", resource.scopes),
	"iat": 1767225600,
	"exp": 4102444800,
	"jti": "token-1",
}

token_for(claims) := {
	"issuer": object.get(claims, "iss", null),
	"client": client_of(claims),
	"scopes": scopes_of(claims),
	"profile": "standard",
	"binding": "none",
	"bound_by": "aud",
	"marked": true,
	"subject_accepted": false,
	"no_scopes": false,
	"dedicated": false,
	"generic_audiences": [],
	"self_asserted": false,
	"recent": true,
	"trusted": true,
}

# null where the claims name no client.
client_of(claims) := array.concat(there, [null])[0] if {
	there := [claims[name] | some name in ["client_id", "azp", "cid", "appid"]]
}

scopes_of(claims) := words(claims.scope) if is_string(claims.scope)

else := claims.scope if is_array(claims.scope)

else := words(claims.scp) if is_string(claims.scp)

else := object.get(claims, "scp", [])

words(text) := [word | some word in split(text, " "); word != ""]
