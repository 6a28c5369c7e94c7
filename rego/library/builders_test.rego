package doorward.builders_test

import data.doorward

# The outcome for a request that is changed in these members.
decided(changes) := outcome if {
	outcome := doorward.decision.outcome with input as doorward.request(changes) with data.doorward.requirements as []
}

test_the_plain_request_is_allowed if decided({}) == "allowed"

test_another_resource_is_asked_with_its_own_audience if decided({"resource": {"uri": "https://other.example.com"}}) == "allowed"

test_scopes_follow_the_claim if decided({"claims": {"scope": "a"}}) == "insufficient_scope"

test_without_a_token if {
	open := {"resource": {"anonymous": true}, "mcp": {"method": "tools/list", "name": null}}
	decided(open) == "allowed_anonymous"
	object.keys(doorward.request(open)) == {"version", "direction", "request", "resource", "mcp"}
	object.keys(doorward.request({"resource": {"anonymous": false}})) == object.keys(doorward.request({}))
}

test_audience if decided({"claims": {"aud": "https://other.example.com"}}) == "audience_mismatch"

test_defaults if doorward.request({}).request == {
	"id": "6f1c2a52-0000-4000-8000-000000000001",
	"method": "POST",
	"scheme": "https",
	"host": "mcp.example.com",
	"path": "/mcp",
	"query": {},
	"headers": {"content-type": ["application/json"]},
	"source_address": "192.0.2.1",
	"client_address": "192.0.2.1",
}

test_members_of_the_request_at_the_top if {
	doorward.request({"method": "DELETE"}).request.method == "DELETE"
	doorward.request({"request": {"method": "DELETE"}}).request.method == "DELETE"
}

test_host_and_path_follow_the_resource if {
	made := doorward.request({"resource": {"uri": "https://other.example.com:8443"}}).request
	made.host == "other.example.com:8443"
	made.path == "/"
}

test_what_is_given_is_joined if {
	made := doorward.request({"claims": {"groups": ["staff"], "own": {"a": 1}}, "resource": {"labels": {"team": "weather"}}})
	made.claims.sub == "alice"
	made.claims.own == {"a": 1}
	made.resource.labels == {"team": "weather"}
	made.resource.name == "example"
}

test_null_leaves_out if {
	made := doorward.request({"claims": {"sub": null, "client_id": null}, "source_address": null})
	not made.claims.sub
	not made.token.client
	not made.request.source_address
}

test_headers_as_a_rule_sees_them if {
	made := doorward.request({"headers": {"X-Team": "weather", "Authorization": "Bearer a", "x-list": ["a", "b"]}}).request
	made.headers["x-team"] == ["weather"]
	made.headers["x-list"] == ["a", "b"]
	not made.headers.authorization
}

test_query_as_a_rule_sees_it if doorward.request({"query": {"page": "1", "access_token": "a"}}).request.query == {"page": ["1"]}

test_the_client_is_the_first_claim_that_is_present if {
	doorward.request({"claims": {"client_id": null, "azp": "a", "appid": "b"}}).token.client == "a"
	doorward.request({"token": {"client": "c"}}).token.client == "c"
}

test_scopes_of_scp if {
	doorward.request({"claims": {"scope": null, "scp": ["a", "b"]}}).token.scopes == ["a", "b"]
	doorward.request({"claims": {"scope": null, "scp": "a b"}}).token.scopes == ["a", "b"]
	doorward.request({"claims": {"scope": null}}).token.scopes == []
	doorward.request({"claims": {"scope": " a  b "}}).token.scopes == ["a", "b"]
	doorward.request({"claims": {"scope": ["a", "b"]}}).token.scopes == ["a", "b"]
}

test_other_ways_to_be_bound if {
	decided({"claims": {"aud": null}, "resource": {"clients": ["example-client"]}, "token": {"bound_by": "client"}}) == "allowed"
	decided({"claims": {"aud": null}, "token": {"bound_by": "dedicated", "dedicated": true}}) == "allowed"
	decided({"claims": {"aud": null}, "token": {"bound_by": null, "dedicated": true}}) == "audience_mismatch"
}

test_a_request_that_the_server_makes if {
	made := doorward.request({"destination": {"host": "api.example.net", "path": "/v2", "token": "exchange"}})
	made.direction == "egress"
	made.destination == {"host": "api.example.net", "path": "/v2", "token": "exchange"}
	made.request.host == "api.example.net"
	made.request.path == "/v2"
	made.mcp == {"source": "none", "trusted": false}
	made.claims.aud == made.resource.uri
	doorward.request({"destination": {}}).destination == {"host": "api.example.com", "token": "none"}
	doorward.request({"destination": {}}).request.path == "/v1"
	doorward.request({"direction": "egress"}) == doorward.request({"destination": {}})
	doorward.request({}).direction == "inbound"
	not doorward.request({}).destination
}

test_the_decision_on_a_request_that_the_server_makes if {
	decided({"destination": {}}) == "allowed"
	decided({"destination": {}, "claims": {"scope": "a"}}) == "insufficient_scope"
	decided({"destination": {}, "resource": {"anonymous": true}}) == "allowed_anonymous"
}

test_misspelt_members_are_undefined if {
	not doorward.request({"destination": {"hsot": "a"}})
	not doorward.request({"methd": "GET"})
	not doorward.request({"request": {"methd": "GET"}})
	not doorward.request({"token": {"bound": "dpop"}})
	not doorward.request({"resource": {"id": "a"}})
}
