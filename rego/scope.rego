# The token has every scope that this request needs (RFC 6750, section 3.1).
package doorward.scope

needed := {scope | some scope in input.resource.scopes} | data.doorward.team.scopes

granted := {scope | some scope in input.token.scopes}

suffices if {
	input.resource.scopes
	count(needed - granted) == 0
	has_an_alternative
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
