# The user authenticated as this operation needs it (RFC 9470, section 3). A fact that
# is missing refuses.
package doorward.authentication

suffices if {
	is_of_a_class
	input.token.recent == true
}

# Any authentication context class will do.
is_of_a_class if count(input.resource.acr_values) == 0

# Or acr is one of those that will.
is_of_a_class if input.claims.acr in input.resource.acr_values
