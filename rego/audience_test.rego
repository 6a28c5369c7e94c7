# Every row of the contract's "Audience", by the requirement it holds.
package doorward.audience_test

import data.doorward.audience

resource := "https://mcp.example.com/mcp"

# names holds if a token with this aud is for this resource.
names(aud, uri) if audience.matches with input as {
	"resource": {"uri": uri, "audiences": [], "aliases": []},
	"claims": {"aud": aud},
	"token": by_aud,
}

by_aud := {"profile": "standard", "bound_by": "aud", "marked": false, "self_asserted": false, "no_scopes": false}

# AU-1: equal bytes, in a string or an array of strings (AU-3).
test_au1_byte_equal if names(resource, resource)

test_au1_any_form_of_resource if names("urn:example:mcp", "urn:example:mcp")

test_au3_one_of_several if names(["https://other.example.com", resource], resource)

test_au3_array_of_one if names([resource], resource)

# AU-2: a token with another audience is refused.
test_au2_another if not names("https://other.example.com/mcp", resource)

test_au2_several_others if not names(["https://a.example.com", "https://b.example.com"], resource)

test_au2_empty_array if not names([], resource)

test_au2_empty_string if not names("", resource)

test_au2_missing if not audience.matches with input as {
	"resource": {"uri": resource, "audiences": [resource], "aliases": [resource], "clients": ["abc"]},
	"claims": {"scope": "a", "client_id": "abc"},
	"token": object.union(by_aud, {"profile": "rfc9068", "marked": true, "dedicated": true}),
}

# AU-3: only strings are audiences.
test_au3_null if not names(null, resource)

test_au3_number if not names(7, resource)

test_au3_object if not names({"a": resource}, resource)

test_au3_nested_array if not names([[resource]], resource)

test_au3_members_that_are_no_strings if not names([7, null, {"a": resource}], resource)

# AU-5: scheme and host in any case, the default port, an empty path for "/".
test_au5_case_of_scheme if names("HTTPS://mcp.example.com/mcp", resource)

test_au5_case_of_host if names("https://MCP.Example.com/mcp", resource)

test_au5_case_of_the_resource_too if names(resource, "HTTPS://MCP.example.com/mcp")

test_au5_case_of_path_differs if not names("https://mcp.example.com/MCP", resource)

test_au5_case_folds_ascii_alone if not names("https://bac\u212a.example.com/mcp", "https://back.example.com/mcp")

test_au5_default_port_of_https if names("https://mcp.example.com:443/mcp", resource)

test_au5_default_port_of_http if names("http://localhost:80/mcp", "http://localhost/mcp")

test_au5_default_port_of_the_resource_too if names(resource, "https://mcp.example.com:443/mcp")

test_au5_default_port_of_another_scheme if not names("https://mcp.example.com:80/mcp", resource)

test_au5_another_port if not names("https://mcp.example.com:8443/mcp", resource)

test_au5_another_port_of_the_resource if names("https://MCP.example.com:8443/mcp", "https://mcp.example.com:8443/mcp")

test_au5_empty_port if not names("https://mcp.example.com:/mcp", resource)

test_au5_padded_port if not names("https://mcp.example.com:0443/mcp", resource)

test_au5_another_scheme if not names("http://mcp.example.com/mcp", resource)

test_au5_empty_path_is_root if names("https://mcp.example.com", "https://mcp.example.com/")

test_au5_root_is_empty_path if names("https://mcp.example.com/", "https://mcp.example.com")

test_au5_empty_path_before_a_query if names("https://mcp.example.com?a=b", "https://mcp.example.com/?a=b")

test_au5_trailing_slash_elsewhere_differs if not names("https://mcp.example.com/mcp/", resource)

test_au5_trailing_slash_of_the_resource_differs if not names(resource, "https://mcp.example.com/mcp/")

test_au5_query_differs if not names("https://mcp.example.com/mcp?a=b", resource)

test_au5_fragment_differs if not names("HTTPS://mcp.example.com/mcp#a", resource)

test_au5_escapes_are_not_decoded if not names("https://mcp.example.com/%6dcp", resource)

test_au5_line_break_differs if not names("https://mcp.example.com/mcp\n", resource)

# AU-5: never a prefix, in either direction.
test_au5_longer_path if not names("https://mcp.example.com/mcp/tools", resource)

test_au5_shorter_path if not names("https://mcp.example.com", resource)

test_au5_longer_word if not names("https://mcp.example.com/mcpx", resource)

test_au5_longer_host if not names("https://mcp.example.com.evil.example/mcp", resource)

test_au5_host_below if not names("https://a.mcp.example.com/mcp", resource)

test_au5_trailing_dot_of_host if not names("https://mcp.example.com./mcp", resource)

# AU-5: user information and IPv6.
test_au5_user_information if not names("https://mcp.example.com@evil.example/mcp", resource)

test_au5_user_information_before_the_host if not names("HTTPS://user@mcp.example.com/mcp", resource)

test_au5_ipv6_case_and_port if names("HTTPS://[2001:DB8::1]:443/mcp", "https://[2001:db8::1]/mcp")

test_au5_another_ipv6 if not names("https://[2001:db8::2]/mcp", "https://[2001:db8::1]/mcp")

# AU-4: further audiences, exactly as configured.
application := "api://0f1e2d3c"

# further is the same for a resource with further audiences, and an access token.
further(claims, profile) if further_of(claims, {"profile": profile})

further_of(claims, token) if audience.matches with input as {
	"resource": {"uri": resource, "audiences": [application, "https://app.example.com"], "aliases": []},
	"claims": claims,
	"token": object.union(object.union(by_aud, {"marked": true, "scopes": []}), token),
}

test_au4_further_audience_with_scope if further({"aud": application, "scope": "a"}, "standard")

test_au4_further_audience_with_scp if further({"aud": application, "scp": ["a"]}, "standard")

test_au4_further_audience_of_rfc9068 if further({"aud": application}, "rfc9068")

test_au4_further_audience_of_rfc9068_needs_the_mark if {
	not further_of({"aud": application}, {"profile": "rfc9068", "marked": false})
}

# Entra ID: a token of an application alone has roles, and no scope. So has an ID
# token: it is admitted where something else marks it.
test_au4_further_audience_with_roles if further({"aud": [application], "roles": ["a"]}, "standard")

test_au4_roles_are_no_mark if {
	not further_of({"aud": [application], "roles": ["a"]}, {"marked": false})
	not further_of({"aud": [application], "roles": ["a"]}, {"marked": false, "no_scopes": true})
}

# The issuer's scope_claims name where scopes are.
test_au4_further_audience_with_scopes_elsewhere if {
	further_of({"aud": application, "permissions": ["a"]}, {"scopes": ["a"]})
	not further_of({"aud": application, "permissions": ["a"]}, {"scopes": ["a"], "marked": false})
}

# An issuer whose access tokens carry no scopes (Clerk, WorkOS).
test_au4_issuer_without_scopes if further_of({"aud": application}, {"no_scopes": true})

test_au4_issuer_without_scopes_needs_the_mark if {
	not further_of({"aud": application}, {"no_scopes": true, "marked": false})
}

test_au4_issuer_without_scopes_of_an_unknown_profile if {
	not further_of({"aud": application}, {"no_scopes": true, "profile": "other"})
}

# An ID token of the same application has no permission.
test_au4_further_audience_of_an_id_token if not further({"aud": application}, "standard")

test_au4_further_audience_with_nothing_granted if {
	empty_values := [null, false, "", [], {}]
	every empty in empty_values {
		every name in ["scope", "scp", "roles"] {
			not further({"aud": application, name: empty}, "standard")
		}
	}
	count(empty_values) == 5
}

test_au4_further_audience_of_an_unknown_profile if not further({"aud": application, "scope": "a"}, "other")

test_au4_case_of_a_further_audience_counts if {
	not further({"aud": "API://0f1e2d3c", "scope": "a"}, "standard")
	not further({"aud": "https://APP.example.com", "scope": "a"}, "standard")
}

test_au4_slash_after_a_further_audience_counts if not further({"aud": "https://app.example.com/", "scope": "a"}, "standard")

test_au4_prefix_of_a_further_audience if not further({"aud": "api://0f1e2d3c/x", "scope": "a"}, "standard")

test_au1_the_resource_itself_needs_no_scope if further({"aud": resource}, "standard")

# Aliases: further URIs of the resource, in any equal spelling.
alias := "https://mcp.internal.example/mcp"

under_alias(aud) if audience.matches with input as {
	"resource": {"uri": resource, "audiences": [], "aliases": ["https://a.example.com", alias]},
	"claims": {"aud": aud},
	"token": by_aud,
}

test_alias if under_alias(alias)

test_alias_in_another_spelling if under_alias("HTTPS://MCP.internal.example:443/mcp")

test_alias_beside_the_uri if under_alias(resource)

test_below_an_alias if not under_alias("https://mcp.internal.example/mcp/tools")

# A member that is missing refuses, whatever way the token is bound by.
without(document, member) := json.remove(document, [member])

test_each_fact_is_needed if {
	every document, members in needed_facts {
		audience.matches with input as examples[document]
		every member in members {
			not audience.matches with input as without(examples[document], member)
		}
	}
	count(needed_facts) == 5
}

examples := {
	"aud": {
		"resource": {"uri": resource, "audiences": [], "aliases": []},
		"claims": {"aud": resource},
		"token": {"bound_by": "aud", "self_asserted": false},
	},
	"self_asserted": {
		"resource": {"uri": resource, "audiences": [], "aliases": []},
		"claims": {"aud": resource},
		"token": {"bound_by": "aud", "self_asserted": true, "subject_accepted": true},
	},
	"further": {
		"resource": {"uri": resource, "audiences": [application], "aliases": []},
		"claims": {"aud": application, "scope": "a"},
		"token": {"bound_by": "aud", "self_asserted": false, "profile": "standard", "marked": true},
	},
	"client": {
		"resource": {"uri": resource, "audiences": [], "aliases": [], "clients": ["abc"]},
		"claims": {"client_id": "abc"},
		"token": {"bound_by": "client", "self_asserted": false, "marked": true, "generic_audiences": []},
	},
	"dedicated": {
		"resource": {"uri": resource, "audiences": [], "aliases": [], "clients": []},
		"claims": {"aud": "c-7"},
		"token": {
			"bound_by": "dedicated", "self_asserted": false, "marked": true, "dedicated": true,
			"generic_audiences": [], "client_id_pattern": `c-\d+`,
		},
	},
}

needed_facts := {
	"aud": {"resource", "resource/uri", "claims", "claims/aud", "token", "token/bound_by", "token/self_asserted"},
	"self_asserted": {"token/bound_by", "token/self_asserted", "token/subject_accepted"},
	"further": {"resource/audiences", "claims/scope", "token/profile", "token/marked", "token/self_asserted"},
	"client": {"resource/uri", "resource/clients", "claims/client_id", "token/marked", "token/self_asserted"},
	"dedicated": {
		"resource/uri", "token/marked", "token/self_asserted", "token/dedicated", "token/client_id_pattern",
	},
}

# No way is known, or one that does not hold.
test_the_way_has_to_be_the_one_that_holds if {
	every document, _ in examples {
		every way in {"", "aud", "client", "dedicated", "other"} - {examples[document].token.bound_by} {
			not audience.matches with input as changed_way(document, way)
		}
	}
}

changed_way(document, way) := object.union(examples[document], {"token": {"bound_by": way}})

# An issuer whose callers choose aud (GitHub Actions, Kubernetes, SPIFFE).
chosen(accepted) if audience.matches with input as object.union(
	examples.self_asserted,
	{"token": {"subject_accepted": accepted}},
)

test_chosen_aud_of_an_accepted_subject if chosen(true)

test_chosen_aud_of_another_subject if not chosen(false)

# clients: a token of a client that is registered for this resource alone.
of_client(claims) if of_client_with(claims, {})

of_client_with(claims, token) if audience.matches with input as {
	"resource": {"uri": resource, "audiences": [application], "aliases": [alias], "clients": ["xyz", "abc"]},
	"claims": claims,
	"token": object.union(
		{
			"bound_by": "client", "marked": true, "self_asserted": false, "dedicated": false, "profile": "standard",
			"generic_audiences": ["account", "authenticated"],
		},
		token,
	),
}

test_client_without_aud if {
	every name in ["client_id", "azp", "cid", "appid"] {
		of_client({name: "abc"})
	}
}

test_client_in_aud if {
	of_client({"client_id": "abc", "aud": "abc"})
	of_client({"client_id": "abc", "azp": "abc", "aud": ["abc"]})
}

# Spring Authorization Server names the client in aud alone.
test_client_in_aud_alone if of_client({"aud": ["abc"]})

test_client_with_generic_audiences if {
	of_client({"azp": "abc", "aud": "account"})
	of_client({"azp": "abc", "aud": ["account", "authenticated", "abc"]})
}

test_client_that_is_not_listed if not of_client({"client_id": "other"})

test_client_that_is_not_listed_in_aud if not of_client({"aud": "other"})

test_client_with_another_aud if {
	not of_client({"client_id": "abc", "aud": "https://other.example.com"})
	not of_client({"client_id": "abc", "aud": ["abc", "https://other.example.com"]})
	not of_client({"client_id": "abc", "aud": ["account", "xyz"]})
}

test_clients_that_disagree if {
	not of_client({"client_id": "abc", "azp": "other"})
	not of_client({"client_id": "abc", "azp": "xyz"})
	not of_client({"azp": "abc", "cid": "other"})
	not of_client({"cid": "abc", "appid": "other"})
	not of_client({"client_id": "abc", "appid": ""})
	not of_client({"client_id": "abc", "cid": 7})
}

test_client_in_two_auds if not of_client({"aud": ["abc", "xyz"]})

test_no_client if {
	not of_client({})
	not of_client({"aud": "account"})
	not of_client({"sub": "abc"})
}

test_aud_of_another_type_is_not_absent if {
	every aud in [null, false, 7, {}, {"a": "abc"}, [], [7], ["abc", 7], [null], [["abc"]]] {
		not of_client({"client_id": "abc", "aud": aud})
	}
}

test_client_needs_the_mark if not of_client_with({"client_id": "abc", "roles": ["a"], "permissions": ["a"]}, {"marked": false})

test_client_of_a_chosen_aud if {
	not of_client_with({"client_id": "abc"}, {"self_asserted": true, "subject_accepted": true})
}

# Where aud names the resource, aud alone counts.
test_client_with_a_name_of_the_resource if {
	resource_names := {resource, alias, application}
	every name in resource_names {
		not named_like_client(name)
	}
	named_like_client("abc")
}

named_like_client(name) if audience.matches with input as {
	"resource": {"uri": resource, "audiences": [application], "aliases": [alias], "clients": [name]},
	"claims": {"client_id": name, "aud": name},
	"token": {"bound_by": "client", "marked": true, "self_asserted": false, "generic_audiences": []},
}

# dedicated: all tokens of the issuer are for this resource.
of_dedicated(claims) if of_dedicated_with(claims, {})

of_dedicated_with(claims, token) if audience.matches with input as {
	"resource": {"uri": resource, "audiences": [application], "aliases": [alias], "clients": []},
	"claims": claims,
	"token": object.union(
		{
			"bound_by": "dedicated", "marked": true, "self_asserted": false, "dedicated": true, "profile": "standard",
			"generic_audiences": ["account"], "client_id_pattern": "dcr_[a-z]{4}|x|https://.*",
		},
		token,
	),
}

test_dedicated_without_aud if {
	of_dedicated({})
	of_dedicated({"client_id": "any"})
	of_dedicated({"aud": ["account"]})
}

test_dedicated_with_its_client if {
	of_dedicated({"client_id": "any", "aud": "any"})
	of_dedicated({"azp": "any", "aud": ["account", "any"]})
}

test_dedicated_with_the_pattern if {
	of_dedicated({"aud": "dcr_abcd"})
	of_dedicated({"aud": ["dcr_abcd", "x"], "client_id": "other"})
}

test_dedicated_matches_the_whole_pattern if {
	every aud in ["dcr_abcde", " dcr_abcd", "xx", "dcr_abcd\n", "x\n"] {
		not of_dedicated({"aud": aud})
	}
}

test_dedicated_with_another_aud if {
	not of_dedicated({"aud": "other.example.com"})
	not of_dedicated({"client_id": "any", "aud": ["any", "other.example.com"]})
	not of_dedicated({"client_id": "any", "aud": ["dcr_abcd", "other"]})
}

test_dedicated_without_a_pattern if {
	document := object.remove(examples.dedicated, ["claims"])
	audience.matches with input as object.union(document, {"claims": {}})
	not audience.matches with input as json.remove(examples.dedicated, ["token/client_id_pattern"])
}

test_dedicated_with_clients_that_disagree if not of_dedicated({"client_id": "any", "azp": "other"})

test_dedicated_needs_the_mark if not of_dedicated_with({"client_id": "any", "roles": ["a"]}, {"marked": false})

test_dedicated_of_another_issuer if not of_dedicated_with({"client_id": "any"}, {"dedicated": false})

test_dedicated_of_a_chosen_aud if {
	not of_dedicated_with({"client_id": "any"}, {"self_asserted": true, "subject_accepted": true})
}

test_dedicated_with_a_name_of_the_resource if {
	every name in [resource, alias, application] {
		not of_dedicated({"client_id": name, "aud": name})
		not of_dedicated({"aud": name})
	}
}

test_dedicated_with_an_aud_of_another_type if {
	every aud in [null, false, 7, {}, [], [7], ["x", 7]] {
		not of_dedicated({"client_id": "any", "aud": aud})
	}
}
