# The output of the team's rules: package authz, in the files of policy.paths.
# They can deny more than the built-in rules do, and never allow more.
package doorward.team

# The team agrees: nothing is denied, and every requirement is true.
agrees if {
	count(deny) == 0
	count(unmet) == 0
}

# authz.deny contains {"code": ..., "message": ...}
deny := {element | some element in data.authz.deny}

# authz.require.NAME: the names of those that are not exactly true, undefined ones
# included. The list of names is made from the team's modules when they are
# loaded, because an undefined rule is not a member of data.authz.require.
unmet := required - met

required := names if {
	list := data.doorward.requirements
	names := {name | some name in list}
}

# Not by `not is_true(x)`, which is undefined where x is. A function, so that the
# type checker accepts a value of any type.
met contains name if {
	some name in required
	is_true(data.authz.require[name])
}

is_true(value) if value == true

# authz.scopes contains "..."
scopes := {scope | some scope in data.authz.scopes}

# authz.warn contains {...}
warn := {element | some element in data.authz.warn}

# authz.headers["x-..."] := "..."
headers := {name: value | some name, value in data.authz.headers}

# All outputs, for the decision.
says := {
	"deny": deny,
	"unmet": unmet,
	"scopes": scopes,
	"warn": warn,
	"headers": headers,
}
