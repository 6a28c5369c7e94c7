# Every row of the contract's "Audience", by the requirement it holds.
package doorward.audience_test

import data.doorward.audience

resource := "https://mcp.example.com/mcp"

# names holds if a token with this aud is for this resource.
names(aud, uri) if audience.matches with input as {
	"resource": {"uri": uri, "audiences": []},
	"claims": {"aud": aud},
	"token": {"profile": "standard"},
}

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
	"resource": {"uri": resource, "audiences": [resource]},
	"claims": {"scope": "a"},
	"token": {"profile": "rfc9068"},
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

# further is the same for a resource with further audiences.
further(claims, profile) if audience.matches with input as {
	"resource": {"uri": resource, "audiences": [application, "https://app.example.com"]},
	"claims": claims,
	"token": {"profile": profile},
}

test_au4_further_audience_with_scope if further({"aud": application, "scope": "a"}, "standard")

test_au4_further_audience_with_scp if further({"aud": application, "scp": ["a"]}, "standard")

test_au4_further_audience_with_roles if further({"aud": [application], "roles": ["a"]}, "standard")

test_au4_further_audience_of_rfc9068 if further({"aud": application}, "rfc9068")

# An ID token of the same application has none of the three.
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
