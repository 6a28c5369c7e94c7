package doorward.scope_test

import data.doorward.scope

# suffices holds if these scopes are enough for what the resource needs.
suffices(granted, needed, alternatives) if scope.suffices with input as {
	"resource": {"scopes": needed, "scopes_any": alternatives, "operation_scopes": []},
	"token": {"scopes": granted},
}

# SC: every scope of the resource.
test_all_scopes if suffices(["a", "b", "c"], ["b", "a"], [])

test_a_scope_is_missing if not suffices(["a"], ["a", "b"], [])

test_no_scope_is_needed if suffices([], [], [])

# scopes_any: all scopes of one alternative.
test_first_alternative if suffices(["a", "b"], [], [["a", "b"], ["c"]])

test_second_alternative if suffices(["c"], [], [["a", "b"], ["c"]])

test_half_an_alternative if not suffices(["a"], [], [["a", "b"], ["c"]])

test_half_of_each_alternative if not suffices(["a", "c"], [], [["a", "b"], ["c", "d"]])

test_no_alternative if not suffices(["d"], [], [["a", "b"], ["c"]])

test_an_empty_alternative_is_no_alternative if not suffices(["d"], [], [["a"], []])

test_scopes_beside_an_alternative if {
	suffices(["a", "c"], ["a"], [["b"], ["c"]])
	not suffices(["c"], ["a"], [["b"], ["c"]])
	not suffices(["a"], ["a"], [["b"], ["c"]])
}

# A scope of the team's rules is needed whatever the alternative.
test_scopes_of_the_team if {
	not suffices(["a"], [], [["a"]]) with data.authz.scopes as {"b"}
	suffices(["a", "b"], [], [["a"]]) with data.authz.scopes as {"b"}
}

# The operation's scopes are needed beside the resource's.
test_scopes_of_the_operation if {
	document := {"resource": {"scopes": ["a"], "scopes_any": [], "operation_scopes": ["b"]}}
	scope.suffices with input as object.union(document, {"token": {"scopes": ["a", "b"]}})
	not scope.suffices with input as object.union(document, {"token": {"scopes": ["a"]}})
	not scope.suffices with input as object.union(document, {"token": {"scopes": ["b"]}})
}

# A member that is missing refuses.
complete := {"resource": {"scopes": ["a"], "scopes_any": [], "operation_scopes": []}, "token": {"scopes": ["a"]}}

without(member) := json.remove(complete, [member])

test_all_members if scope.suffices with input as complete

test_without_scopes if not scope.suffices with input as without("resource/scopes")

test_without_scopes_of_the_operation if not scope.suffices with input as without("resource/operation_scopes")

test_without_alternatives if not scope.suffices with input as without("resource/scopes_any")

test_without_the_scopes_of_the_token if not scope.suffices with input as without("token/scopes")

test_an_alternative_that_is_no_list if not suffices(["a"], [], ["a"])

# Without a token.
test_without_a_token_no_scope_is_needed if {
	scope.is_not_needed with input as {"resource": {"anonymous": true}}
	not scope.is_not_needed with input as {"resource": {"anonymous": false}}
	not scope.is_not_needed with input as {"resource": {"anonymous": true}} with data.authz.scopes as {"b"}
}
