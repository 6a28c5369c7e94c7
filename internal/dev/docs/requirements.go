package main

// requirement is one statement of a standard that applies to doorward. Code and
// tests cite it by its id.
type requirement struct {
	id, level, text, source string

	tests []string // folder:Test, folder:Test/subtest, or rego:test_name
	note  string   // what the tests do not cover, or why there is no test
}

// Tests that many requirements name.
const (
	reasons  = "envoy:TestEveryReasonThroughEnvoy/"
	upstream = "envoy:TestUpstreamNeverSeesACredential"
	metadata = "envoy:TestMetadataThroughEnvoy/"
	defects  = "extauthz/token:TestEachDefectAlone"
)

// requirements are in the order of the page. MCP is the authorization
// and transport chapters of the Model Context Protocol, 2025-03-26 to
// 2026-07-28.
var requirements = []requirement{
	{
		"TK-1", "MUST", "An access token is validated at every request: time, resource, scope, policy.",
		"MCP, token handling; OAuth 2.1, 5.2",
		[]string{reasons + "TK-1: a good token", defects},
		"",
	},
	{
		"TK-2", "MUST",
		"Every HTTP request carries its own authorization, under every method; a connection or session proves nothing.",
		"MCP, token requirements",
		[]string{"envoy:TestEveryRequestOfAConnectionIsJudged", "extauthz:TestEveryRequestIsJudgedAnew"},
		"",
	},
	{
		"TK-3", "MUST", "An invalid or expired token is answered with 401.", "MCP, token handling",
		[]string{reasons + "TK-3: expired", defects},
		"",
	},
	{
		"TK-4", "MUST", "A token in the query is ignored as a credential, and does not go further.", "OAuth 2.1, 5.1",
		[]string{
			reasons + "TK-4: a token in the query alone",
			upstream + "/TK-4: tokens in the query",
			"extauthz:TestQueryTokens",
		},
		"",
	},
	{
		"TK-5", "MUST", "The authorization header is read: the scheme without case, then spaces, then a token68.",
		"OAuth 2.1, 5.1.1; RFC 9110, 11",
		[]string{reasons + "TK-5: the scheme has no case, and any number of spaces", "extauthz:TestCredential"},
		"",
	},
	{
		"TK-6", "MUST", "Two credentials in one request are invalid_request.", "RFC 6750, 2 and 3.1",
		[]string{
			reasons + "TK-6: two credentials",
			upstream + "/TK-6: two Authorization headers",
			"extauthz:TestCredential",
		},
		"",
	},
	{
		"TK-7", "MUST NOT", "A token in a form body is no credential.", "MCP, token requirements",
		[]string{reasons + "TK-7: a token in a form", "envoy:TestHardening/no body is buffered"},
		"",
	},
	{
		"TK-8", "MUST", "Only tokens for the own resource are accepted, and no other is passed on.",
		"MCP, token handling",
		[]string{reasons + "AU-1: for another server", upstream, "rego:test_pt2_all_credentials_leave"},
		"",
	},
	{
		"TK-9", "MUST", "Validation comes before any processing; a failure lets nothing through.",
		"MCP, access token privilege restriction",
		[]string{
			"envoy:TestEveryReasonThroughEnvoy",
			"envoy:TestHardening/fails closed",
			"extauthz:TestAPanicIsARefusal",
		},
		"",
	},
	{
		"TK-10", "MUST", "A session id is no authentication.", "MCP, session hijacking",
		[]string{"envoy:TestEveryRequestOfAConnectionIsJudged", "extauthz:TestEveryRequestIsJudgedAnew"},
		"",
	},
	{
		"TK-11", "SHOULD", "Tokens and authorization headers are never logged; a client gets fixed descriptions.",
		"MCP, security tutorial",
		[]string{
			"extauthz:TestNothingSecretIsWritten",
			upstream,
			"envoy:TestAccessLog",
			"internal/policy:TestInputHoldsNoCredential",
		},
		"",
	},

	{
		"CH-1", "MUST", "A 401 carries WWW-Authenticate with resource_metadata.",
		"MCP, authorization server location; RFC 9728, 5.1",
		[]string{
			metadata + "CH-1, CH-6: each challenge names its own document",
			"envoy:TestEveryReasonThroughEnvoy",
		},
		"",
	},
	{
		"CH-2", "MUST", "A challenge has a scheme and at least one parameter, each at most once.",
		"RFC 6750, 3; RFC 9110, 11.2",
		[]string{"extauthz:TestChallengesParseForEveryConfiguration"},
		"",
	},
	{
		"CH-3", "SHOULD NOT", "No error code where the request showed no credential, or one of another scheme.",
		"RFC 6750, 3.1",
		[]string{reasons + "CH-3: no credential, no error code", reasons + "CH-3: another scheme"},
		"",
	},
	{
		"CH-4", "SHOULD", "A token that was shown and refused is answered with an error code.",
		"RFC 6750, 3.1; RFC 9068, 4",
		[]string{"envoy:TestEveryReasonThroughEnvoy", "extauthz:TestEveryReasonOnTheWire"},
		"",
	},
	{
		"CH-5", "SHOULD", "invalid_request is 400, invalid_token 401, insufficient_scope 403.", "RFC 6750, 3.1",
		[]string{"envoy:TestStatusesOfRefusals", "envoy:TestEveryReasonThroughEnvoy"},
		"",
	},
	{
		"CH-6", "SHOULD", "A 401 names the scopes to ask for.", "MCP, scope selection",
		[]string{metadata + "CH-1, CH-6: each challenge names its own document"},
		"",
	},
	{
		"CH-7", "SHOULD", "A 403 for scope carries error, scope and resource_metadata.",
		"MCP, runtime insufficient scope errors",
		[]string{reasons + "CH-7, CH-8: all scopes of the operation at once"},
		"",
	},
	{
		"CH-8", "SHOULD", "That scope names all that this operation needs, at once.",
		"MCP 2026-07-28, server scope management",
		[]string{reasons + "CH-7, CH-8: all scopes of the operation at once", "rego:test_scope_of_the_team"},
		"",
	},
	{
		"CH-9", "MUST", "A scope hierarchy counts when sufficiency is decided; what is emitted does not change by it.",
		"MCP 2026-07-28, step-up",
		[]string{"extauthz/resource:TestImplied"},
		"the hierarchy is configured: scope_implies",
	},
	{
		"CH-10", "SHOULD NOT", "offline_access is in no challenge and in no scopes_supported.",
		"MCP 2026-07-28, refresh tokens",
		[]string{
			"extauthz/resource:TestSpecProblems/offline_access (CH-10)",
			"extauthz/resource:TestMetadataProblems",
			"extauthz:TestNoChallengeAsksForOfflineAccess",
		},
		"in scopes_supported it is a warning: some clients ask for a refresh token only where it is listed",
	},
	{
		"CH-11", "grammar", "Parameters are quoted strings of the characters that RFC 6750 allows, on one line.",
		"RFC 9110, 5.6.4; RFC 6750, 3",
		[]string{"extauthz:TestChallengesParseForEveryConfiguration", "extauthz/resource:TestURLCharacters"},
		"",
	},
	{
		"CH-12", "MUST", "Every 401 carries a challenge.", "RFC 9110, 15.5.2",
		[]string{"extauthz:TestEveryReasonOnTheWire", "envoy:TestEveryReasonThroughEnvoy"},
		"",
	},
	{
		"CH-13", "MAY", "resource_metadata also goes with other schemes, such as DPoP.", "RFC 9728, 5.1",
		[]string{reasons + "X-2: a bound token without a proof"},
		"",
	},
	{
		"CH-14", "note", "A gateway acts as origin server: it may consume the credential and own the challenge.",
		"RFC 9110, 3.7 and 11.6",
		nil,
		"no test: it permits what doorward does",
	},

	{
		"PR-1", "MUST", "The protected resource metadata document names at least one authorization server.",
		"MCP, authorization server location; RFC 9728",
		[]string{
			"extauthz/resource:TestSpecProblems/no issuer (PR-1)",
			metadata + "PR-5, PR-12: the SDK accepts them",
		},
		"",
	},
	{
		"PR-2", "MUST", "Its URL has the well-known path between host and path of the resource.", "RFC 9728, 3.1",
		[]string{metadata + "PR-2, PR-3: which document a request means", "extauthz/resource:TestMetadataURL"},
		"",
	},
	{
		"PR-3", "MUST", "It is served at the path form; at the bare form too, where one resource is on the host.",
		"MCP, metadata discovery",
		[]string{metadata + "PR-2, PR-3: which document a request means", "extauthz/resource:TestDocumentPath"},
		"",
	},
	{
		"PR-4", "REQUIRED", "resource is an https URL without a fragment.", "RFC 9728, 1.2 and 2",
		[]string{"extauthz/resource:TestURLProblems"},
		"",
	},
	{
		"PR-5", "MUST", "resource is the identifier that users type, code point by code point.", "RFC 9728, 3.3",
		[]string{metadata + "PR-5, PR-12: the SDK accepts them", "extauthz/resource:TestDocumentBody"},
		"",
	},
	{
		"PR-6", "MUST", "A GET is answered with 200 and JSON; empty members are left out.", "RFC 9728, 3.2",
		[]string{
			metadata + "PR-6, PR-11: methods and headers",
			"extauthz/resource:TestDocumentBody",
			"cmd/doorward:TestMetadataOnTheHTTPListener",
		},
		"",
	},
	{
		"PR-7", "RECOMMENDED", "scopes_supported and resource_name are published.", "RFC 9728, 2",
		[]string{metadata + "PR-6, PR-11: methods and headers", "extauthz/resource:TestDocumentBody"},
		"",
	},
	{
		"PR-8", "OPTIONAL", "Further members may be published; jwks_uri would be the resource's own and is not.",
		"RFC 9728, 2",
		[]string{"extauthz/resource:TestMetadataProblems", "extauthz:TestNoChallengeAsksForOfflineAccess"},
		"in scopes_supported it is a warning: some clients ask for a refresh token only where it is listed",
	},
	{
		"PR-9", "MUST", "signed_metadata would have to be a JWS with iss; it is not published.", "RFC 9728, 2.2",
		[]string{"extauthz/resource:TestMetadataProblems"},
		"not served: configuration refuses the member",
	},
	{
		"PR-10", "MUST", "Metadata URLs are served over TLS.", "RFC 9728, 7.1",
		[]string{"envoy:TestCommentedExamples"},
		"a task of the deployment: envoy.yaml shows how",
	},
	{
		"PR-11", "practice", "The document is public: any origin may read it, and a preflight is answered.",
		"practice of the SDKs",
		[]string{metadata + "PR-6, PR-11: methods and headers", metadata + "PR-11: any page asks first"},
		"",
	},
	{
		"PR-12", "MUST", "The authorization servers named are those trusted for the resource.",
		"MCP, authorization server location",
		[]string{metadata + "PR-5, PR-12: the SDK accepts them", "envoy:TestTheSDKClientLogsInThroughTheDoor"},
		"",
	},
	{
		"PR-13", "compatibility", "Clients of 2025-03-26 look for authorization server metadata on the MCP host.",
		"MCP 2025-03-26",
		[]string{metadata + "PR-13: no authorization server on this host"},
		"answered with 404: the document is optional",
	},

	{
		"AU-1", "MUST", "A token must have been issued for this server.", "MCP, token audience binding; RFC 8707, 2",
		[]string{
			reasons + "AU-1: for another server", "rego:test_au1_byte_equal", "extauthz:TestEachWayIsHeld",
		},
		"",
	},
	{
		"AU-2", "MUST", "A token that does not name this server as its audience is refused.",
		"MCP, access token privilege restriction",
		[]string{reasons + "AU-2: no aud", "rego:test_au2_missing"},
		"unless `clients` or `dedicated` show that its client or its issuer is for this server alone",
	},
	{
		"AU-3", "MUST", "aud is a string or an array of strings that contains a value of this resource.", "RFC 9068, 4",
		[]string{"rego:test_au3_one_of_several", "rego:test_au3_members_that_are_no_strings", defects},
		"",
	},
	{
		"AU-4", "advice", "Audiences that name no particular service are not relied on.", "MCP, security tutorial",
		[]string{
			"extauthz/resource:TestSpecProblems/generic words (AU-4)",
			"rego:test_au4_further_audience_of_an_id_token",
		},
		"",
	},
	{
		"AU-5", "SHOULD", "Scheme and host are compared without case, the path exactly, and never by prefix.",
		"MCP, canonical server URI",
		[]string{"rego:test_au5_case_of_host", "rego:test_au5_longer_path", "extauthz/resource:TestURLProblems"},
		"",
	},
	{
		"AU-6", "MUST", "A token verifies with keys of the issuer that it names, and with no others.",
		"RFC 8725, 3.8; RFC 9068, 4",
		[]string{reasons + "AU-6: another issuer", "envoy:TestKeysBelongToTheirIssuer"},
		"",
	},
	{
		"AU-7", "design", "The expected audience follows from the requested resource, not from the token.", "doorward",
		[]string{"envoy:TestNoWayToAnotherResource"},
		"",
	},

	{
		"PT-1", "MUST NOT", "The client's token is not passed on to the MCP server.",
		"MCP, access token privilege restriction",
		[]string{
			upstream,
			reasons + "PT-1: a library without the passthrough rule",
			"extauthz:TestUpstreamSeesWhoAndNeverTheToken",
		},
		"",
	},
	{
		"PT-2", "MUST NOT", "A token that was not issued for this server is not accepted.", "MCP, token passthrough",
		[]string{reasons + "AU-1: for another server", "rego:test_pt2_nothing_leaves"},
		"",
	},
	{
		"PT-3", "note", "Gateway and server may be one resource; the token is removed there too.", "doorward",
		[]string{upstream, "internal/policy:TestStripIsCheckedAgain"},
		"an exception (insecure_forward_token) is planned",
	},
	{
		"PT-4", "note", "Another audience needs another token: token exchange.", "RFC 8693",
		nil,
		"planned, for requests that an MCP server makes itself",
	},
	{
		"PT-5", "MUST", "Proxies with one client id at the authorization server ask each user for consent, by client.",
		"MCP, confused deputy",
		[]string{"rego:TestRecipes"},
		"does not apply: doorward is no OAuth proxy: it has no client id and no callback. A recipe refuses calls " +
			"without consent, by client and tool",
	},

	{
		"T-1", "MUST", "Origin is validated.", "MCP, transports",
		[]string{metadata + "null is an origin like any other", "extauthz/resource:TestAllowsOrigin"},
		"",
	},
	{
		"T-2", "MUST", "An origin that is present and not allowed is answered with 403.", "MCP, transports",
		[]string{reasons + "T-2: a page of another origin"},
		"",
	},
	{
		"T-3", "SHOULD", "Local listeners are bound to loopback.", "MCP, transports",
		[]string{"internal/config:TestDefaults", "envoy:TestHardening/admin is on loopback"},
		"",
	},
	{
		"T-4", "MUST", "URLs of authorization servers and resources are https.", "OAuth 2.1, 1.5",
		[]string{"extauthz/resource:TestInsecureHTTPHosts", "extauthz/jwks:TestCheck"},
		"",
	},
	{
		"T-5", "MUST", "The MCP server validates MCP-Protocol-Version.", "MCP, transports",
		[]string{upstream + "/T-12: other headers"},
		"a task of the MCP server, which gets the header unchanged",
	},
	{
		"T-6", "note", "GET and DELETE are authenticated, whatever the server makes of them.", "MCP, streamable HTTP",
		[]string{"envoy:TestEveryRequestOfAConnectionIsJudged"},
		"405 is an answer of the MCP server, after the Check",
	},
	{
		"T-7", "MUST",
		"The server can bind a session to issuer and subject; the identity headers come from doorward alone.",
		"MCP, session hijacking",
		[]string{upstream + "/forged headers", "extauthz:TestUpstreamSeesWhoAndNeverTheToken"},
		"the MCP server binds the session; it gets issuer and subject",
	},
	{
		"T-8", "SHOULD", "State handles can be bound to the authenticated user by the same headers.",
		"MCP, security best practices",
		[]string{upstream + "/forged headers"},
		"as T-7",
	},
	{
		"T-9", "MUST", "No 404 or 405 on an MCP path, and 400 for a malformed request only: clients fall back on them.",
		"MCP, backward compatibility",
		[]string{"envoy:TestStatusesOfRefusals"},
		"",
	},
	{
		"T-10", "MUST", "A failed header validation is an HTTP error.", "MCP 2026-07-28, server validation",
		[]string{"internal/mcp:TestReadRefusesHeaders", "extauthz:TestEachSourceOfTheOperation"},
		"where the operation decides: 403 operation_unknown",
	},
	{
		"T-11", "SHOULD", "Mcp-Method and Mcp-Name are trusted only where the server checks them against the body.",
		"MCP 2026-07-28, server validation",
		[]string{
			"internal/mcp:TestReadRefusesHeaders", "extauthz:TestEachSourceOfTheOperation",
			"internal/lint:TestHeadersOfTheOperation",
		},
		"headers_checked_by_server, for requests of 2026-07-28 without a session; otherwise another source is needed",
	},
	{
		"T-12", "MUST", "Encoded header values are decoded before they are compared.",
		"MCP 2026-07-28, header encoding",
		[]string{"internal/mcp:TestReadRefusesHeaders", upstream + "/T-12: other headers"},
		"Mcp-Name is decoded once; the headers are passed on unchanged",
	},
	{
		"T-13", "note", "A preflight carries no token: the CORS filter comes before ext_authz.", "Fetch; Envoy",
		[]string{metadata + "T-13: CORS", "envoy:TestCORS", "envoy:TestFilterOrder"},
		"",
	},
	{
		"T-14", "note", "A stream may outlive its token; Envoy bounds its duration.", "MCP",
		[]string{"envoy:TestHardening/and end with their token", "envoy:TestEventsAreNotHeldBack"},
		"",
	},

	{
		"J-1", "MUST", "Tokens are signed; RS256 is understood.", "RFC 9068, 2.1",
		[]string{reasons + "J-1: none", "extauthz/token:TestEveryAlgorithm"},
		"",
	},
	{
		"J-2", "MUST", "typ is at+jwt under the rfc9068 profile; other kinds of token are refused.",
		"RFC 9068, 4; RFC 8725, 3.11",
		[]string{reasons + "J-2: an ID token", defects},
		"",
	},
	{
		"J-3", "MUST", "The required claims are present.", "RFC 9068, 2.2",
		[]string{reasons + "AU-2: no aud", defects, "extauthz/token:TestTokenOfRFC9068"},
		"",
	},
	{
		"J-4", "MUST", "exp and nbf are obeyed.", "RFC 7519, 4.1",
		[]string{reasons + "TK-3: expired", reasons + "J-4: not yet", defects},
		"",
	},
	{
		"J-5", "MUST", "A key is used with one algorithm.", "RFC 8725, 3.1; RFC 7517, 4.4",
		[]string{defects, "extauthz/jwks:TestParseTakes/alg binds a key to that algorithm (J-5)"},
		"",
	},
	{
		"J-6", "MUST", "Signatures are verified, and a JWS has one reading.", "RFC 7515; RFC 8725, 3.3",
		[]string{reasons + "J-6: forged", defects},
		"",
	},
	{
		"J-7", "MUST", "Keys and URLs in a header are not trusted, and sizes are bounded.", "RFC 8725, 3.10",
		[]string{defects, "extauthz/token:TestLimitOfBytes"},
		"",
	},
	{
		"J-8", "MUST", "Keys come from the issuer's own metadata.", "RFC 8414, 3.3; RFC 9068, 4",
		[]string{
			"extauthz/jwks:TestMetadataIsRefused/another issuer's (J-8)",
			"envoy:TestTheSDKClientLogsInThroughTheDoor",
		},
		"",
	},
	{
		"J-9", "MUST", "A token that fails is invalid_token.", "RFC 9068, 4",
		[]string{"envoy:TestStatusesOfRefusals", "envoy:TestEveryReasonThroughEnvoy"},
		"",
	},
	{
		"J-10", "MUST", "The resource parameter becomes aud.", "RFC 9068, 3; RFC 8707, 2",
		[]string{"envoy:TestTheSDKClientLogsInThroughTheDoor"},
		"a rule for authorization servers; the test has one that follows it",
	},

	{
		"X-1", "MUST", "A token that is bound to a key is not accepted as a bearer token.", "RFC 9449, 7.2",
		[]string{reasons + "X-1: bound to a key", defects},
		"",
	},
	{
		"X-2", "MUST", "A DPoP proof is valid for one key, method, URL and token, for a short time and once.",
		"RFC 9449, 4.3",
		[]string{
			reasons + "X-2: a bound token without a proof",
			"extauthz:TestDPoP",
			"extauthz/token:TestWhenNonceIsRequired",
			"envoy:TestBoundTokensThroughEnvoy",
		},
		"",
	},
	{
		"X-3", "MUST", "A certificate-bound token is compared with the client's certificate.", "RFC 8705, 3",
		[]string{
			"extauthz/token:TestEachDefectAlone/binding: mTLS (X-3)",
			"extauthz:TestCertificateBoundTokens",
			"envoy:TestBoundTokensThroughEnvoy",
		},
		"",
	},
	{
		"X-4", "MAY", "Step-up authentication is asked for with insufficient_user_authentication.", "RFC 9470",
		[]string{"rego:test_authentication_comes_before_scope", "cmd/doorward:TestExplain"},
		"operations[].acr_values and max_age; no MCP client is known that acts on it",
	},
	{
		"X-5", "MAY", "Opaque tokens are introspected.", "RFC 7662",
		[]string{reasons + "an opaque token"},
		"planned; until then an opaque token is refused",
	},
	{
		"X-6", "MUST", "An identity assertion grant is no access token.", "ID-JAG",
		[]string{defects},
		"",
	},

	{
		"G-6", "order", "A token that is expired and lacks a scope is 401, not 403.", "public reports",
		[]string{"extauthz:TestTheOrderOfReasons"},
		"",
	},
}
