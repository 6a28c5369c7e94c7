package doorward.egress_test

import data.doorward.audience
import data.doorward.egress

uri := "https://mcp.example.com/mcp"

# A token of another server's issuer, for another server.
foreign := {
	"resource": {"uri": uri, "aliases": [], "audiences": ["api://mcp"], "clients": ["abc", "xyz"]},
	"claims": {"aud": "https://api.example.com", "client_id": "abc"},
	"token": {"trusted": true, "dedicated": false, "generic_audiences": ["account"]},
}

is_ours(document) := answer if {
	answer := egress.ours with input as document
}

changed(changes) := is_ours(object.union(foreign, changes))

without(member) := is_ours(json.remove(foreign, [member]))

# The same with these claims and no others, and with these facts about the token.
claims(all) := token_of(all, {})

of_others(all) := token_of(all, {"trusted": false, "dedicated": true})

dedicated(all) := token_of(all, {"dedicated": true, "client_id_pattern": "c-[0-9]+"})

token_of(all, facts) := is_ours(object.union(object.remove(foreign, ["claims"]), {"claims": all, "token": facts}))

# The same with these facts about the token and no others.
facts(all, token) := is_ours({"resource": foreign.resource, "claims": all, "token": token})

test_foreign if changed({}) == false

# By aud: the URI and each alias, in any equal spelling, whatever the issuer.
test_uri if claims({"aud": uri}) == true

test_uri_in_a_list if claims({"aud": ["https://api.example.com", uri]}) == true

test_uri_in_another_spelling if claims({"aud": "HTTPS://MCP.example.com:443/mcp"}) == true

test_uri_of_another_issuer if of_others({"aud": uri}) == true

test_alias if changed({"resource": {"aliases": ["https://a.example.com"]}, "claims": {"aud": "https://A.example.com/"}}) == true

test_uri_that_is_no_url if changed({"resource": {"uri": "urn:mcp"}, "claims": {"aud": "urn:mcp"}}) == true

test_uri_below_and_above if {
	claims({"aud": [concat("", [uri, "/tools"]), "https://mcp.example.com", "https://mcp.example.com/MCP"]}) == false
}

# A fact that audience.matches needs and that is about an access token, not about the
# resource, does not count: the same claims with all of them and with none are ours.
test_no_mark_no_way_no_subject if {
	every token in [{}, {"marked": false, "bound_by": "", "self_asserted": true, "subject_accepted": false, "profile": "x"}] {
		changed({"claims": {"aud": uri}, "token": token}) == true
		changed({"claims": {"aud": "api://mcp"}, "token": token}) == true
		changed({"claims": {"aud": "abc"}, "token": token}) == true
		changed({"claims": {"aud": "account"}, "token": object.union(token, {"dedicated": true})}) == true
	}
}

# By a further name: of the resource's issuers alone.
test_further_name if claims({"aud": ["api://mcp", "https://api.example.com"]}) == true

test_further_name_of_another_issuer if of_others({"aud": "api://mcp"}) == false

test_further_name_in_another_spelling if claims({"aud": "API://mcp"}) == false

# By its client.
test_client if claims({"client_id": "abc"}) == true

test_client_in_aud if claims({"aud": "xyz"}) == true

test_client_beside_a_generic_audience if claims({"aud": ["account", "abc"], "azp": "abc"}) == true

test_client_of_another_issuer if of_others({"client_id": "abc", "aud": "abc"}) == false

test_another_client if claims({"client_id": "other"}) == false

test_client_of_a_token_for_others if claims({"client_id": "abc", "aud": ["account", "https://api.example.com"]}) == false

test_two_clients if claims({"client_id": "abc", "azp": "xyz"}) == false

# By its issuer.
test_dedicated_without_aud if dedicated({"sub": "alice"}) == true

test_dedicated_to_a_client if dedicated({"client_id": "one", "azp": "two", "aud": ["one", "two", "account", "c-7"]}) == true

test_dedicated_and_for_others if dedicated({"client_id": "one", "aud": ["one", "https://api.example.com"]}) == false

test_dedicated_issuer_of_others if of_others({"sub": "alice"}) == false

test_no_dedicated_issuer if claims({"sub": "alice"}) == false

# What is missing or of another type shows nothing, and so the token is ours.
test_a_missing_fact_is_ours if {
	every member in ["resource/uri", "resource/aliases", "resource/audiences", "resource/clients", "token/generic_audiences"] {
		without(member) == true
	}
	is_ours({}) == true
	changed({"resource": {"clients": 7}}) == true
}

# Where it is not known whether the issuer is one of the resource's, it is.
test_trust_that_is_missing if {
	facts({"aud": "api://mcp"}, {"dedicated": false, "generic_audiences": []}) == true
	facts({"client_id": "abc"}, {"dedicated": false, "generic_audiences": []}) == true
	facts({}, {"generic_audiences": []}) == true
}

test_generic_audiences_that_are_missing if {
	facts({"aud": ["account", "abc"]}, {"dedicated": false, "trusted": true}) == true
	facts({"aud": "account"}, {"dedicated": true, "trusted": true}) == true
}

test_aud_of_another_type if {
	every aud in [7, null, {}, [], [7], {"a": uri}] {
		dedicated({"aud": aud}) == true
		claims({"aud": aud, "client_id": "abc"}) == true
	}
}

# What audience.matches accepts is ours.
test_what_comes_in_is_ours if {
	every document in [
		{"claims": {"aud": "https://mcp.example.com:443/mcp"}, "token": {"bound_by": "aud"}},
		{"claims": {"aud": "api://mcp", "scope": "a"}, "token": {"bound_by": "aud"}},
		{"claims": {"aud": "account", "client_id": "abc"}, "token": {"bound_by": "client"}},
		{"claims": {"aud": "c-7"}, "token": {"bound_by": "dedicated", "dedicated": true, "client_id_pattern": "c-7"}},
	] {
		whole := object.union(object.union(object.remove(foreign, ["claims"]), good), document)
		audience.matches with input as whole
		egress.ours == true with input as whole
	}
}

good := {"token": {"marked": true, "self_asserted": false, "profile": "standard", "no_scopes": false}}

# The decision is that on a request which comes in, for no other direction.
decided(changes) := answer if {
	document := object.union({"direction": "egress", "destination": {"host": "api.example.com", "token": "exchange"}}, changes)
	answer := egress.decision.outcome with input as document with data.doorward.requirements as []
}

caller := {
	"uri": uri, "aliases": [], "audiences": [], "scopes": ["a"], "scopes_any": [],
	"operation_scopes": [], "acr_values": [], "anonymous": false,
}

with_token := {
	"resource": caller,
	"claims": {"aud": uri},
	"token": {"bound_by": "aud", "self_asserted": false, "profile": "standard", "scopes": ["a"], "recent": true},
}

test_with_a_token if {
	decided(with_token) == "allowed"
	decided(object.union(with_token, {"claims": {"aud": "https://api.example.com"}})) == "audience_mismatch"
	decided(object.union(with_token, {"token": {"scopes": []}})) == "insufficient_scope"
	decided(object.union(with_token, {"token": {"recent": false}})) == "insufficient_user_authentication"
}

test_without_a_token if {
	decided({"resource": object.union(caller, {"anonymous": true})}) == "allowed_anonymous"
	decided({"resource": caller}) == "audience_mismatch"
}

test_the_team_denies if {
	denial := {{"code": "closed", "message": ""}}
	decided(with_token) == "policy_denied" with data.authz.deny as denial
	decided({"resource": object.union(caller, {"anonymous": true})}) == "policy_denied" with data.authz.deny as denial
}

test_no_decision_on_what_comes_in if {
	not decided(object.union(with_token, {"direction": "inbound"}))
	not egress.decision with input as with_token with data.doorward.requirements as []
}
