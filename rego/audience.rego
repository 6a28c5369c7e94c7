# The token was issued for this resource, as an access token (RFC 8707, section 2;
# RFC 9068, section 4). There are three ways in which a token shows that. The one
# that holds is in input.token.bound_by, and is checked here once more, from the
# facts. A fact that is missing refuses.
package doorward.audience

# By aud: one of the audiences is the resource's URI, byte for byte. Where callers
# choose aud themselves, it counts for the subjects and claims that the resource
# accepts, and for no others.
matches if {
	input.token.bound_by == "aud"
	chosen_by_the_server
	some audience in audiences
	audience == input.resource.uri
}

# Or that URI or an alias in any equal spelling. Never a prefix of it.
matches if {
	input.token.bound_by == "aud"
	chosen_by_the_server
	some audience in audiences
	some uri in uris
	canonical(audience) == canonical(uri)
}

# Or, byte for byte, a further name of the resource from the configuration.
matches if {
	input.token.bound_by == "aud"
	chosen_by_the_server
	some audience in audiences
	audience in input.resource.audiences
	further_names_count
}

# By its client, which is registered for this resource alone. aud is absent, or is
# the client: it names no resource.
matches if {
	input.token.bound_by == "client"
	is_marked
	count(left & names) == 0
	some client in input.resource.clients
	named_clients | left == {client}
}

# By its issuer, all of whose tokens are for this resource. aud is absent, or names
# clients.
matches if {
	input.token.bound_by == "dedicated"
	is_marked
	input.token.dedicated == true
	count(left & names) == 0
	count(named_clients) < 2
	every audience in left { is_client(audience) }
}

# Something shows that it is an access token, and aud is not the caller's choice.
is_marked if {
	input.token.marked == true
	input.token.self_asserted == false
}

chosen_by_the_server if input.token.self_asserted == false

chosen_by_the_server if {
	input.token.self_asserted == true
	input.token.subject_accepted == true
}

uris := {input.resource.uri} | {alias | some alias in input.resource.aliases}

names := uris | {name | some name in input.resource.audiences}

# An ID token of the same application can carry such a name too. An access token is
# marked: its typ is at+jwt (RFC 9068), or it has a scope or a claim that ID tokens
# of its issuer lack. roles are in ID tokens too.
further_names_count if {
	input.token.marked == true
	input.token.profile == "rfc9068"
}

further_names_count if {
	input.token.marked == true
	input.token.profile == "standard"
	some permission in permissions
	not permission in [null, false, "", [], {}]
}

# Or its issuer writes no scopes into access tokens.
further_names_count if {
	input.token.marked == true
	input.token.profile == "standard"
	input.token.no_scopes == true
}

# One rule each, so that a decision depends on these claims and on no other.
permissions contains input.claims.scope

permissions contains input.claims.scp

permissions contains input.claims.roles

# From the claims that the issuer's scope_claims name.
permissions contains input.token.scopes

# The claim is a string or an array of strings (RFC 7519, section 4.1.3).
audiences contains input.claims.aud if is_string(input.claims.aud)

audiences contains audience if {
	is_array(input.claims.aud)
	some audience in input.claims.aud
	is_string(audience)
}

# What is left of all that aud holds without the values that name no resource.
left := claimed - {audience | some audience in input.token.generic_audiences}

# Nothing where aud is absent; undefined where it is neither a string nor a list with
# something in it.
claimed := aud if every audience in aud { is_string(audience) }

claimed := {audience | some audience in list} if {
	some list in aud
	is_array(list)
	count(list) > 0
}

aud := {value | value := input.claims.aud}

# What the claims say that name the client: one value, unless they disagree.
named_clients := union({
	{client | client := input.claims.client_id},
	{client | client := input.claims.azp},
	{client | client := input.claims.cid},
	{client | client := input.claims.appid},
})

is_client(audience) if audience in named_clients

# Or one of the clients that register themselves.
is_client(audience) if {
	is_string(audience)
	regex.match(sprintf(`\A(?:%s)\z`, [input.token.client_id_pattern]), audience)
}

# Spellings that are equivalent under RFC 3986, section 6.2: the case of scheme
# and host, the default port, and an empty path for "/". Undefined for any other
# form of URI (with user information, with an escape in the host).
canonical(uri) := sprintf("%s://%s%s%s", [scheme, host, port, path]) if {
	[parts] := regex.find_all_string_submatch_n(pattern, uri, 1)
	[_, given_scheme, given_host, given_port, given_path] := parts
	scheme := lower(given_scheme)
	host := lower(given_host)
	port := trim_default(scheme, given_port)
	path := rooted(given_path)
}

pattern := `(?s)^([A-Za-z][A-Za-z0-9+.-]*)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?([/?].*)?$`

trim_default(scheme, port) := "" if [scheme, port] in [["https", ":443"], ["http", ":80"]]

else := port

rooted(path) := "/" if path == ""

else := concat("", ["/", path]) if startswith(path, "?")

else := path
