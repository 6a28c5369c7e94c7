# doorward.request makes a complete input with these members changed: members of
# the request are at the top, beside claims, token and resource.
package authz_test

import data.authz
import data.doorward

test_known_tenant if authz.require.known_tenant with input as doorward.request({"claims": {"tenant": "acme"}})

test_another_tenant if not authz.require.known_tenant with input as doorward.request({"claims": {"tenant": "other"}})

test_no_tenant if not authz.require.known_tenant with input as doorward.request({})

test_staff_cannot_delete if count(authz.deny) == 1 with input as doorward.request({"method": "DELETE", "claims": {"groups": ["staff"]}})

test_without_groups_cannot_delete if count(authz.deny) == 1 with input as doorward.request({"method": "DELETE"})

test_admins_can_delete if count(authz.deny) == 0 with input as doorward.request({"method": "DELETE", "claims": {"groups": ["admins"]}})

test_without_groups_can_read if count(authz.deny) == 0 with input as doorward.request({"method": "GET"})
