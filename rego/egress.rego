# No token passthrough, on the way out (MCP specification, security best practices): a
# token that was issued for a resource does not leave its server, and a request that
# leaves it is decided on as one that comes in.
package doorward.egress

import data.doorward.audience

# The decision on a request that a server makes: that on one which comes in. With a
# token all conditions hold again (audience, scopes, authentication, team). Without one
# there is nothing to bind, as for an anonymous operation.
decision := data.doorward.decision if input.direction == "egress"

# A token, whose claims are not verified, is for input.resource: audience.matches could
# hold for it. It shares the rules of audience.rego for what an audience, an equal URI
# and a client are, and leaves out what is about a good access token and not about the
# resource: bound_by, which is chosen for verified claims; the marks of an access token,
# since the ID token of a client is as little for others; who chose aud, and whether the
# resource accepts that subject; one client in all claims of a dedicated issuer.
#
# A token of other issuers can have the same text as an entry of audiences or clients,
# which is no URL: there the issuer must be one of the resource's.
#
# Every token is ours that is not shown to be foreign: a fact that is missing, or of
# another type, is the reason for ours and not for foreign.
default ours := true

ours := false if {
	names_no_uri
	has_no_further_name
	is_of_no_client
	is_of_no_dedicated_issuer
}

# No audience is the resource's URI or an alias, whatever the issuer.
names_no_uri if {
	is_array(input.resource.aliases)
	every uri in audience.uris {
		every value in audience.audiences { not is_equal(value, uri) }
	}
}

is_equal(value, uri) if value == uri

is_equal(value, uri) if audience.canonical(value) == audience.canonical(uri)

# No audience is a further name of the resource.
has_no_further_name if input.token.trusted == false

has_no_further_name if {
	every name in input.resource.audiences { not name in audience.audiences }
}

# Its client is not one of the resource's, or aud names something else too.
is_of_no_client if input.token.trusted == false

is_of_no_client if {
	is_array(input.token.generic_audiences)
	every client in input.resource.clients { audience.named_clients | others != {client} }
}

# Its issuer issues for others too, or aud names something that is no client.
is_of_no_dedicated_issuer if input.token.trusted == false

is_of_no_dedicated_issuer if input.token.dedicated == false

is_of_no_dedicated_issuer if {
	some value in others
	not audience.is_client(value)
}

others := {value | some value in audience.left; is_string(value)}
