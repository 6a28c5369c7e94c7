# A request without a token, for an operation that is configured as anonymous. Nothing
# of a token may be in the input: what has one is decided by the rules for tokens.
package doorward.anonymous

default holds := false

holds if {
	input.resource.anonymous == true
	not input.token.profile
	not input.token.bound_by
	not input.claims.aud
}
