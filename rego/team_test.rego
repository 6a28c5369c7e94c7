package doorward.team_test

import data.doorward.team

test_a_team_without_rules_agrees if team.agrees with data.doorward.requirements as []

test_a_denial_is_no_agreement if not team.agrees with data.authz.deny as {{"code": "a", "message": "b"}}
	with data.doorward.requirements as []

test_a_true_requirement_is_met if team.agrees with data.authz.require as {"a": true}
	with data.doorward.requirements as ["a"]

test_an_undefined_requirement_is_unmet if {
	team.unmet == {"b"} with data.authz.require as {"a": true} with data.doorward.requirements as ["a", "b"]
}

test_only_true_is_true if every value in [false, null, "true", 1, [], [true], {"a": true}] {
	team.unmet == {"a"} with data.authz.require as {"a": value} with data.doorward.requirements as ["a"]
}

test_without_the_list_of_requirements_it_does_not_agree if not team.agrees
