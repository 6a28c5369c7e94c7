package authz_test

import data.authz
import data.doorward

test_known_tenant_is_allowed if {
	doorward.decision.outcome == "allowed" with input as doorward.request({"claims": {"tenant": "acme"}})
}

test_unknown_tenant_is_denied if {
	doorward.decision.outcome == "policy_denied" with input as doorward.request({"claims": {"tenant": "other"}})
}

test_missing_tenant_is_denied if {
	doorward.decision.outcome == "policy_denied" with input as doorward.request({})
}

test_delete_needs_an_admin if {
	count(authz.deny) == 1 with input as doorward.request({"method": "DELETE", "claims": {"groups": ["staff"]}})
	count(authz.deny) == 0 with input as doorward.request({"method": "DELETE", "claims": {"groups": ["admins"]}})
}

test_admin_path_needs_a_scope if {
	authz.scopes == {"mcp:admin"} with input as doorward.request({"path": "/mcp/admin/users"})
}
