# The order of the answers.
package doorward.decision_test

allowed := {
	"request": {},
	"resource": {
		"uri": "https://mcp.example.com/mcp", "audiences": [], "aliases": [],
		"scopes": ["mcp:read"], "scopes_any": [], "operation_scopes": [], "acr_values": [], "anonymous": false,
	},
	"claims": {"aud": "https://mcp.example.com/mcp"},
	"token": {"bound_by": "aud", "self_asserted": false, "profile": "standard", "scopes": ["mcp:read"], "recent": true},
}

stale := object.union(allowed, {"token": {"recent": false}})

anonymous := {"request": {}, "resource": object.union(allowed.resource, {"anonymous": true})}

stranger := object.union(allowed, {"claims": {"aud": "https://other.example.com/mcp"}})

scopeless := object.union(allowed, {"token": {"scopes": []}})

denial := {{"code": "closed", "message": "closed on Sundays"}}

outcome(document) := answer if {
	answer := data.doorward.decision.outcome with input as document with data.doorward.requirements as []
}

denied(document) := answer if {
	answer := data.doorward.decision.outcome with input as document
		with data.doorward.requirements as []
		with data.authz.deny as denial
}

test_allowed if outcome(allowed) == "allowed"

# PT-2: an allow names what is removed from the request.
test_allowed_strips_the_credential if {
	strip := data.doorward.decision.strip with input as allowed with data.doorward.requirements as []
	strip == {"headers": ["authorization", "dpop"], "query": ["access_token"]}
}

test_audience_comes_first if {
	denied(object.union(stranger, {"token": {"scopes": []}})) == "audience_mismatch"
}

test_passthrough_comes_before_the_team if {
	answer := data.doorward.decision with input as allowed
		with data.doorward.requirements as []
		with data.authz.deny as denial
		with data.doorward.passthrough.strip as {}
	answer == {"outcome": "passthrough"}
}

test_the_team_comes_before_scope if denied(scopeless) == "policy_denied"

test_scope_comes_last if outcome(scopeless) == "insufficient_scope"

# RFC 9470: one login mends both.
test_authentication_comes_before_scope if {
	outcome(stale) == "insufficient_user_authentication"
	outcome(object.union(stale, {"token": {"scopes": []}})) == "insufficient_user_authentication"
}

test_the_team_comes_before_authentication if denied(stale) == "policy_denied"

# An operation that needs no token.
test_anonymous if {
	outcome(anonymous) == "allowed_anonymous"
	strip := data.doorward.decision.strip with input as anonymous with data.doorward.requirements as []
	strip == {"headers": ["authorization", "dpop"], "query": ["access_token"]}
}

test_anonymous_is_configured if {
	outcome(object.union(anonymous, {"resource": {"anonymous": false}})) == "audience_mismatch"
}

test_the_team_refuses_the_anonymous if denied(anonymous) == "policy_denied"

test_a_scope_of_the_team_needs_a_token if {
	answer := data.doorward.decision with input as anonymous
		with data.doorward.requirements as []
		with data.authz.scopes as {"mcp:write"}
	answer.outcome == "insufficient_scope"
}

test_the_anonymous_lose_their_credentials_too if {
	answer := data.doorward.decision with input as anonymous
		with data.doorward.requirements as []
		with data.doorward.passthrough.strip as {}
	answer == {"outcome": "passthrough"}
}

# A token is decided on as always, whatever the operation.
test_a_token_of_another_resource_is_no_anonymous_request if {
	outcome(object.union(stranger, {"resource": {"anonymous": true}})) == "audience_mismatch"
	outcome(object.union(scopeless, {"resource": {"anonymous": true}})) == "insufficient_scope"
	outcome(object.union(allowed, {"resource": {"anonymous": true}})) == "allowed"
}

# SC: a scope of the team's rules is needed like one of the resource.
test_scope_of_the_team if {
	answer := data.doorward.decision with input as allowed
		with data.doorward.requirements as []
		with data.authz.scopes as {"mcp:write"}
	answer.outcome == "insufficient_scope"
	answer.team.scopes == {"mcp:write"}
}

test_an_empty_input_has_no_audience if outcome({}) == "audience_mismatch"
