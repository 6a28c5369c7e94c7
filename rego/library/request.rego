# Inputs for tests. `doorward test` and `doorward library` provide this package;
# serve never loads it.
package doorward

import data.doorward.builders

# A complete input that the built-in rules allow, with these members changed:
#
#   authz.deny with input as doorward.request({"method": "DELETE", "claims": {"groups": ["staff"]}})
#
# The members of input.request are at the top, beside claims, token, resource and
# request. A member that is not named has a default, which may depend on the others:
# the audience is the resource, and the scopes are those of the claim. null leaves a
# member out. The function is undefined where the name of a member is misspelt.
#
# With a destination it is a request that the server of the resource makes, with the
# token of its handle; add {"resource": {"anonymous": true}} for one without a token:
#
#   authz.deny with input as doorward.request({"destination": {"host": "api.example.com"}})
request(changes) := builders.input_of(changes)
