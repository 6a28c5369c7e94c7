# Your own rules. They can only deny more than the built-in rules do.
package authz

# What must hold. Any other value than true denies, and so does a missing claim.
# Prefer this form.
require["known_tenant"] if input.claims.tenant in data.tenants

# What must not hold, with a code for the client and a message for the log.
deny contains {"code": "admins_only", "message": "deleting is for admins"} if {
	input.request.method == "DELETE"
	not is_admin
}

is_admin if "admins" in input.claims.groups
