# Inputs for tests. `doorward test` and `doorward library` bring this package,
# serve never loads it.
package doorward

import data.doorward.builders

# A complete input that the built-in rules allow, changed by what is given:
#
#   authz.deny with input as doorward.request({"method": "DELETE", "claims": {"groups": ["staff"]}})
#
# The members of input.request stand at the top, beside claims, token, resource
# and request. What is left out has a sensible value, also one that follows
# from what is given: the audience is the resource, the scopes are those of the
# claim. null leaves a member out. Undefined where a member is misspelt.
request(given) := builders.input_of(given)
