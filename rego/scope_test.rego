package doorward.scope_test

import data.doorward.scope

# suffices holds if these scopes are enough for what the resource needs.
suffices(granted, needed, alternatives) if scope.suffices with input as {
	"resource": {"scopes": needed, "scopes_any": alternatives},
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

# A member that is missing refuses.
test_without_scopes if not scope.suffices with input as {"resource": {"scopes_any": []}, "token": {"scopes": ["a"]}}

test_without_alternatives if not scope.suffices with input as {"resource": {"scopes": ["a"]}, "token": {"scopes": ["a"]}}

test_without_the_scopes_of_the_token if {
	not scope.suffices with input as {"resource": {"scopes": ["a"], "scopes_any": []}, "token": {}}
}

test_an_alternative_that_is_no_list if not suffices(["a"], [], ["a"])
