# What the team's own rules say: package authz, in the files of policy.paths.
# A team may ask for more than the built-in rules do, never for less.
package doorward.team

# The team agrees: nothing is denied, and every requirement is true.
agrees if {
	count(deny) == 0
	count(unmet) == 0
}

# authz.deny contains {"code": ..., "message": ...}
deny := {element | some element in data.authz.deny}

# authz.require.NAME: the names of those that are anything but true, undefined
# included. The list of names is made from the team's modules when they are
# loaded, since an undefined rule does not show up in data.authz.require.
unmet := required - met

required := names if {
	list := data.doorward.requirements
	names := {name | some name in list}
}

# Asked this way round, since `not is_true(x)` is undefined where x is. A
# function, so that the compiler takes a value of any type.
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

# All of it, for the decision.
says := {
	"deny": deny,
	"unmet": unmet,
	"scopes": scopes,
	"warn": warn,
	"headers": headers,
}
