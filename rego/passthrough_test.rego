package doorward.passthrough_test

import data.doorward.passthrough

# PT-2, TK-8: every credential is removed from the request.
test_pt2_all_credentials_leave if passthrough.holds

test_pt2_authorization_stays if not passthrough.holds with passthrough.strip as {"headers": ["dpop"], "query": ["access_token"]}

test_pt2_dpop_stays if not passthrough.holds with passthrough.strip as {"headers": ["authorization"], "query": ["access_token"]}

test_pt2_query_token_stays if not passthrough.holds with passthrough.strip as {"headers": ["authorization", "dpop"], "query": []}

test_pt2_nothing_leaves if not passthrough.holds with passthrough.strip as {}
