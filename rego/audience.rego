# The token's audience is this resource (RFC 8707, section 2; RFC 9068, section 4).
# A token without an audience, or with another one alone, is refused.
package doorward.audience

# One of the audiences is the resource's URI, byte for byte.
matches if {
	some audience in audiences
	audience == input.resource.uri
}

# Or the same URI in another spelling. Never a prefix of it.
matches if {
	some audience in audiences
	canonical(audience) == canonical(input.resource.uri)
}

# Or, byte for byte, a further name of the resource from the configuration.
matches if {
	some audience in audiences
	audience in input.resource.audiences
	further_names_count
}

# The claim is a string or an array of strings (RFC 7519, section 4.1.3).
audiences contains input.claims.aud if is_string(input.claims.aud)

audiences contains audience if {
	is_array(input.claims.aud)
	some audience in input.claims.aud
	is_string(audience)
}

# A token of RFC 9068 declares that it is an access token (its typ is at+jwt).
further_names_count if input.token.profile == "rfc9068"

# Elsewhere an ID token of the same application carries the same audience, but
# no permission.
further_names_count if {
	input.token.profile == "standard"
	some permission in permissions
	not permission in [null, false, "", [], {}]
}

# One rule each, so that a decision depends on these claims and on no other.
permissions contains input.claims.scope

permissions contains input.claims.scp

permissions contains input.claims.roles

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
