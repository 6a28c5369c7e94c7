# The decision, read downwards: the first answer that applies is the answer.
#
# Each refusal asks for what must hold and is not there, so that a missing rule
# refuses; the last answer asks for all of it once more, so that a missing
# refusal cannot allow. The team's rules are not looked at before the two rules
# of the door hold: nothing that is wrong in them hides a wrong audience.
package doorward

import data.doorward.audience
import data.doorward.passthrough
import data.doorward.scope
import data.doorward.team

decision := {"outcome": "audience_mismatch"} if {
	not audience.matches
} else := {"outcome": "passthrough"} if {
	not passthrough.holds
} else := {"outcome": "policy_denied", "team": team.says} if {
	not team.agrees
} else := {"outcome": "insufficient_scope", "team": team.says} if {
	not scope.suffices
} else := {"outcome": "allowed", "strip": passthrough.strip, "team": team.says} if {
	audience.matches
	passthrough.holds
	team.agrees
	scope.suffices
}
