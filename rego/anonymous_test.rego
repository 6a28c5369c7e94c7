package doorward.anonymous_test

import data.doorward.anonymous

plain := {"request": {}, "resource": {"anonymous": true}}

test_without_a_token if anonymous.holds with input as plain

test_not_configured if not anonymous.holds with input as object.union(plain, {"resource": {"anonymous": false}})

test_another_value if not anonymous.holds with input as object.union(plain, {"resource": {"anonymous": "true"}})

test_without_the_member if not anonymous.holds with input as {"request": {}, "resource": {}}

# Each fact of a token alone.
test_with_a_profile if not anonymous.holds with input as object.union(plain, {"token": {"profile": "standard"}})

test_with_a_way if not anonymous.holds with input as object.union(plain, {"token": {"bound_by": "aud"}})

test_with_an_audience if not anonymous.holds with input as object.union(plain, {"claims": {"aud": "a"}})
