# Rules for every resource. They can deny what the built-in rules allow, never
# the reverse.
package authz

# A token without a known tenant is denied.
require["known_tenant"] if input.claims.tenant in data.tenants

# Clients see the code; the message is for the log.
deny contains {"code": "admins_only", "message": "only admins may delete"} if {
	input.request.method == "DELETE"
	not is_admin
}

is_admin if "admins" in input.claims.groups

# Requests below /mcp/admin need one more scope.
scopes contains "mcp:admin" if startswith(input.request.path, "/mcp/admin")
