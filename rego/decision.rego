# The decision, from top to bottom: the first branch that applies is the decision.
#
# Each refusal tests that a condition does not hold, so that a missing rule
# refuses; the last branch tests all conditions again, so that a missing refusal
# cannot allow. The team's rules are evaluated only after the first two conditions
# hold: an error in them cannot hide a wrong audience.
package doorward

import data.doorward.anonymous
import data.doorward.audience
import data.doorward.authentication
import data.doorward.passthrough
import data.doorward.scope
import data.doorward.team

decision := {"outcome": "audience_mismatch"} if {
	not audience.matches
	not anonymous.holds
} else := {"outcome": "passthrough"} if {
	not passthrough.holds
} else := {"outcome": "policy_denied", "team": team.says} if {
	not team.agrees
} else := {"outcome": "insufficient_user_authentication", "team": team.says} if {
	not authentication.suffices
	not anonymous.holds
} else := {"outcome": "insufficient_scope", "team": team.says} if {
	not scope.suffices
	not scope.is_not_needed
} else := {"outcome": "allowed", "strip": passthrough.strip, "team": team.says} if {
	anonymous.holds == false
	audience.matches
	passthrough.holds
	team.agrees
	authentication.suffices
	scope.suffices
} else := {"outcome": "allowed_anonymous", "strip": passthrough.strip, "team": team.says} if {
	anonymous.holds
	passthrough.holds
	team.agrees
	scope.is_not_needed
}
