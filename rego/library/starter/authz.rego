# Your own rules. They can only ask for more than the door does.
package authz

# What must hold. Whatever is not exactly true denies: a claim that is missing
# lets nobody in. Prefer this form.
require["known_tenant"] if input.claims.tenant in data.tenants

# What must not be, with a code that the client sees and a message for the log.
deny contains {"code": "admins_only", "message": "deleting is for admins"} if {
	input.request.method == "DELETE"
	not is_admin
}

is_admin if "admins" in input.claims.groups
