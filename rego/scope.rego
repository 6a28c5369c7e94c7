# The token has every scope that this request needs (RFC 6750, section 3.1).
package doorward.scope

needed := {scope | some scope in input.resource.scopes} | data.doorward.team.scopes

granted := {scope | some scope in input.token.scopes}

suffices if count(needed - granted) == 0
