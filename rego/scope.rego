# The token has every scope that this request needs (RFC 6750, section 3.1).
package doorward.scope

import data.doorward.anonymous

needed := {scope | some scope in input.resource.scopes} | data.doorward.team.scopes

granted := {scope | some scope in input.token.scopes}

suffices if {
	input.resource.scopes
	count(needed - granted) == 0
	has_those_of_the_operation
	has_an_alternative
}

# An operation without scopes of its own.
has_those_of_the_operation if count(input.resource.operation_scopes) == 0

has_those_of_the_operation if {
	scopes := {scope | some scope in input.resource.operation_scopes}
	count(scopes) > 0
	count(scopes - granted) == 0
}

# No alternatives are needed.
has_an_alternative if count(input.resource.scopes_any) == 0

# Or all scopes of one of them are there.
has_an_alternative if {
	some alternative in input.resource.scopes_any
	scopes := {scope | some scope in alternative}
	count(scopes) > 0
	count(scopes - granted) == 0
}

# A request without a token needs no scope, unless the team's rules need one.
is_not_needed if {
	anonymous.holds
	count(data.doorward.team.scopes) == 0
}
