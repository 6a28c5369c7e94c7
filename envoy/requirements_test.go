package envoy_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// requirement is one row of the requirements on MCP authorization: the
// specification's revisions, the RFCs they name, and the JWT profile.
type requirement struct {
	id    string
	says  string
	tests []string // folder:Test, folder:Test/subtest, or rego:test_name
	why   string   // what the tests cannot hold, or why there are none
}

// requirements are all of them, in the order of their ids.
func requirements() []requirement {
	const reasons = "envoy:TestEveryReasonThroughEnvoy/"
	const upstream = "envoy:TestUpstreamNeverSeesACredential"
	const metadata = "envoy:TestMetadataThroughEnvoy/"
	const defects = "extauthz/token:TestEachDefectAlone"
	return []requirement{
		{"TK-1", "every token is validated", []string{reasons + "TK-1: a good token", defects}, ""},
		{"TK-2", "every request is judged", []string{"envoy:TestEveryRequestOfAConnectionIsJudged", "extauthz:TestEveryRequestIsJudgedAnew"}, ""},
		{"TK-3", "an invalid token is 401", []string{reasons + "TK-3: expired", defects}, ""},
		{"TK-4", "a token in the query is none", []string{reasons + "TK-4: a token in the query alone", upstream + "/TK-4: tokens in the query", "extauthz:TestQueryTokens"}, ""},
		{"TK-5", "the header, the scheme in any case", []string{reasons + "TK-5: the scheme has no case, and any number of spaces", "extauthz:TestCredential"}, ""},
		{"TK-6", "one credential", []string{reasons + "TK-6: two credentials", upstream + "/TK-6: two Authorization headers", "extauthz:TestCredential"}, ""},
		{"TK-7", "no token in a form", []string{reasons + "TK-7: a token in a form", "envoy:TestHardening/no body is buffered"}, ""},
		{"TK-8", "no foreign token is accepted or passed on", []string{reasons + "AU-1: for somebody else", upstream, "rego:test_pt2_all_credentials_leave"}, ""},
		{"TK-9", "validated before anything else; fails closed", []string{"envoy:TestEveryReasonThroughEnvoy", "envoy:TestHardening/fails closed", "extauthz:TestAPanicIsARefusal"}, ""},
		{"TK-10", "a session id proves nothing", []string{"envoy:TestEveryRequestOfAConnectionIsJudged", "extauthz:TestEveryRequestIsJudgedAnew"}, ""},
		{"TK-11", "no token in a log", []string{"extauthz:TestNothingSecretIsWritten", upstream, "envoy:TestAccessLog", "policy:TestInputHoldsNoCredential"}, ""},

		{"CH-1", "401 names the metadata", []string{metadata + "CH-1, CH-6: each challenge names its own document", "envoy:TestEveryReasonThroughEnvoy"}, ""},
		{"CH-2", "a challenge has parameters, each once", []string{"extauthz:TestChallengesParseForEveryConfiguration"}, ""},
		{"CH-3", "no error without a credential", []string{reasons + "CH-3: no credential, no error code", reasons + "CH-3: another scheme"}, ""},
		{"CH-4", "error where a token failed", []string{"envoy:TestEveryReasonThroughEnvoy", "extauthz:TestEveryReasonOnTheWire"}, ""},
		{"CH-5", "400, 401, 403 by error", []string{"envoy:TestStatusesOfRefusals", "envoy:TestEveryReasonThroughEnvoy"}, ""},
		{"CH-6", "scope in the 401, never empty", []string{metadata + "CH-1, CH-6: each challenge names its own document"}, ""},
		{"CH-7", "403 insufficient_scope", []string{reasons + "CH-7, CH-8: all scopes of the operation at once"}, ""},
		{"CH-8", "all scopes of the operation", []string{reasons + "CH-7, CH-8: all scopes of the operation at once", "rego:test_scope_of_the_team"}, ""},
		{"CH-9", "scope hierarchy", nil, "not yet: doorward knows no hierarchy, so a token has to carry each scope by its own name; that is stricter, never looser"},
		{"CH-10", "no offline_access", []string{"extauthz/resource:TestSpecProblems/offline_access (CH-10)", "extauthz/resource:TestMetadataProblems", "extauthz:TestNoChallengeAsksForOfflineAccess"}, "in scopes_supported a warning alone: there are clients that ask for no refresh token without it"},
		{"CH-11", "the grammar of a challenge", []string{"extauthz:TestChallengesParseForEveryConfiguration", "extauthz/resource:TestURLCharacters"}, ""},
		{"CH-12", "every 401 has a challenge", []string{"extauthz:TestEveryReasonOnTheWire", "envoy:TestEveryReasonThroughEnvoy"}, ""},
		{"CH-13", "resource_metadata with other schemes", []string{reasons + "X-2: a bound token without a proof"}, ""},
		{"CH-14", "a proxy leaves challenges alone", nil, "is about forward proxies: a gateway acts as origin server (RFC 9110, section 3.7)"},

		{"PR-1", "authorization_servers, one at least", []string{"extauthz/resource:TestSpecProblems/no issuer (PR-1)", metadata + "PR-5, PR-12: the SDK accepts them"}, ""},
		{"PR-2", "the URL of a document", []string{metadata + "PR-2, PR-3: which document a request means", "extauthz/resource:TestMetadataURL"}, ""},
		{"PR-3", "the path form, and the bare one", []string{metadata + "PR-2, PR-3: which document a request means", "extauthz/resource:TestDocumentPath"}, ""},
		{"PR-4", "resource is an https URL without fragment", []string{"extauthz/resource:TestURLProblems"}, ""},
		{"PR-5", "resource is identical to what users type", []string{metadata + "PR-5, PR-12: the SDK accepts them", "extauthz/resource:TestDocumentBody"}, ""},
		{"PR-6", "200, JSON, no empty members", []string{metadata + "PR-6, PR-11: methods and headers", "extauthz/resource:TestDocumentBody", "cmd/doorward:TestMetadataOnTheHTTPListener"}, ""},
		{"PR-7", "scopes_supported, resource_name", []string{metadata + "PR-6, PR-11: methods and headers", "extauthz/resource:TestDocumentBody"}, ""},
		{"PR-8", "optional members", []string{"extauthz/resource:TestMetadataProblems", "extauthz:TestNoChallengeAsksForOfflineAccess"}, "in scopes_supported a warning alone: there are clients that ask for no refresh token without it"},
		{"PR-9", "signed_metadata", []string{"extauthz/resource:TestMetadataProblems"}, "not served: configuration refuses the member"},
		{"PR-10", "TLS at the documents' URLs", []string{"envoy:TestCommentedExamples"}, "is for whoever deploys: envoy.yaml shows how"},
		{"PR-11", "documents are public", []string{metadata + "PR-6, PR-11: methods and headers", metadata + "PR-11: any page asks first"}, ""},
		{"PR-12", "issuers are found by the document", []string{metadata + "PR-5, PR-12: the SDK accepts them", "envoy:TestTheSDKClientLogsInThroughTheDoor"}, ""},
		{"PR-13", "metadata of the issuer at the resource (2025-03-26)", []string{metadata + "PR-13: no authorization server lives here"}, "404: optional, and of a revision whose clients know no resource metadata"},

		{"AU-1", "the token was issued for us", []string{reasons + "AU-1: for somebody else", "rego:test_au1_byte_equal"}, ""},
		{"AU-2", "no aud, no entry", []string{reasons + "AU-2: no aud", "rego:test_au2_missing"}, ""},
		{"AU-3", "aud is a string or strings", []string{"rego:test_au3_one_of_several", "rego:test_au3_members_that_are_no_strings", defects}, ""},
		{"AU-4", "no generic audiences", []string{"extauthz/resource:TestSpecProblems/generic words (AU-4)", "rego:test_au4_further_audience_of_an_id_token"}, ""},
		{"AU-5", "spellings of the canonical URI", []string{"rego:test_au5_case_of_host", "rego:test_au5_longer_path", "extauthz/resource:TestURLProblems"}, ""},
		{"AU-6", "keys belong to their issuer", []string{reasons + "AU-6: another issuer", "envoy:TestKeysBelongToTheirIssuer"}, ""},
		{"AU-7", "the audience is that of host and path", []string{"envoy:TestNoWayToAnotherResource"}, ""},

		{"PT-1", "the token is not passed on", []string{upstream, reasons + "PT-1: a library without the passthrough rule", "extauthz:TestUpstreamSeesWhoAndNeverTheToken"}, ""},
		{"PT-2", "no token of somebody else", []string{reasons + "AU-1: for somebody else", "rego:test_pt2_nothing_leaves"}, ""},
		{"PT-3", "stripped unless said otherwise", []string{upstream, "policy:TestStripIsCheckedAgain"}, "the exception (insecure_forward_token) comes later"},
		{"PT-4", "token exchange", nil, "comes later, with the half that guards a server's way out"},
		{"PT-5", "consent of OAuth proxies", nil, "does not apply: doorward is no OAuth proxy, it has no client id and no callback"},

		{"T-1", "Origin is checked", []string{metadata + "null is an origin like any other", "extauthz/resource:TestAllowsOrigin"}, ""},
		{"T-2", "a bad Origin is 403", []string{reasons + "T-2: a page of somebody else"}, ""},
		{"T-3", "local servers on loopback", []string{"cmd/doorward/config:TestDefaults", "envoy:TestHardening/admin is on loopback"}, ""},
		{"T-4", "https", []string{"extauthz/resource:TestInsecureHTTPHosts", "extauthz/jwks:TestCheck"}, ""},
		{"T-5", "MCP-Protocol-Version", []string{upstream + "/T-12: other headers"}, "is judged by the MCP server; it arrives there untouched"},
		{"T-6", "GET and DELETE", []string{"envoy:TestEveryRequestOfAConnectionIsJudged"}, "405 is the MCP server's answer, after ours"},
		{"T-7", "sessions are bound to a user", []string{upstream + "/forged headers", "extauthz:TestUpstreamSeesWhoAndNeverTheToken"}, "binding is the MCP server's; it learns who calls"},
		{"T-8", "handles are bound to a user", []string{upstream + "/forged headers"}, "as T-7"},
		{"T-9", "no 404 or 405, and 400 for two credentials alone", []string{"envoy:TestStatusesOfRefusals"}, ""},
		{"T-10", "errors of header validation", nil, "comes with decisions about MCP methods and tools (T-11)"},
		{"T-11", "trust in Mcp-Method and Mcp-Name", nil, "comes with decisions about MCP methods and tools: until then no built-in rule reads these headers"},
		{"T-12", "Mcp-Param values", []string{upstream + "/T-12: other headers"}, "decoding comes with T-11; until then they arrive untouched"},
		{"T-13", "CORS", []string{metadata + "T-13: CORS", "envoy:TestCORS", "envoy:TestFilterOrder"}, ""},
		{"T-14", "streams and the end of a token", []string{"envoy:TestHardening/and end with their token", "envoy:TestEventsAreNotHeldBack"}, ""},

		{"J-1", "signed; RS256 is understood", []string{reasons + "J-1: none", "extauthz/token:TestEveryAlgorithm"}, ""},
		{"J-2", "typ", []string{reasons + "J-2: an ID token", defects}, ""},
		{"J-3", "required claims", []string{reasons + "AU-2: no aud", defects, "extauthz/token:TestTokenOfRFC9068"}, ""},
		{"J-4", "exp and nbf", []string{reasons + "TK-3: expired", reasons + "J-4: not yet", defects}, ""},
		{"J-5", "one algorithm a key", []string{defects, "extauthz/jwks:TestParseTakes/alg binds a key to that algorithm (J-5)"}, ""},
		{"J-6", "signatures, and one form of JWS", []string{reasons + "J-6: forged", defects}, ""},
		{"J-7", "headers are not trusted", []string{defects, "extauthz/token:TestLimitOfBytes"}, ""},
		{"J-8", "keys by the issuer's own metadata", []string{"extauthz/jwks:TestMetadataIsRefused/another issuer's (J-8)", "envoy:TestTheSDKClientLogsInThroughTheDoor"}, ""},
		{"J-9", "invalid_token", []string{"envoy:TestStatusesOfRefusals", "envoy:TestEveryReasonThroughEnvoy"}, ""},
		{"J-10", "resource becomes aud", []string{"envoy:TestTheSDKClientLogsInThroughTheDoor"}, "is a rule for authorization servers; the test has one that keeps it"},

		{"X-1", "a bound token is no bearer token", []string{reasons + "X-1: bound to a key", defects}, ""},
		{"X-2", "DPoP", []string{reasons + "X-2: a bound token without a proof", "extauthz:TestDPoP", "envoy:TestBoundTokensThroughEnvoy"}, "server nonces come later"},
		{"X-3", "certificate-bound tokens", []string{"extauthz/token:TestEachDefectAlone/binding: mTLS (X-3)", "extauthz:TestCertificateBoundTokens", "envoy:TestBoundTokensThroughEnvoy"}, ""},
		{"X-4", "step-up authentication", nil, "comes later: no MCP client knows insufficient_user_authentication"},
		{"X-5", "introspection", []string{reasons + "an opaque token"}, "comes later; until then an opaque token is refused"},
		{"X-6", "ID-JAG is no access token", []string{defects}, ""},
	}
}

// TestRequirements fails where an id is missing, or a test that a row names.
// With -v it prints the table.
func TestRequirements(t *testing.T) {
	known := testsOfModule(t)
	var want []string
	for _, group := range []struct {
		prefix string
		last   int
	}{{"TK", 11}, {"CH", 14}, {"PR", 13}, {"AU", 7}, {"PT", 5}, {"T", 14}, {"J", 10}, {"X", 6}} {
		for i := range group.last {
			want = append(want, fmt.Sprintf("%s-%d", group.prefix, i+1))
		}
	}
	rows := requirements()
	if len(rows) != len(want) {
		t.Fatalf("%d rows instead of %d", len(rows), len(want))
	}
	for i, row := range rows {
		if row.id != want[i] {
			t.Fatalf("row %d is %s instead of %s", i, row.id, want[i])
		}
		if len(row.tests) == 0 && row.why == "" {
			t.Errorf("%s has neither a test nor a reason", row.id)
		}
		for _, name := range row.tests {
			if !known.has(name) {
				t.Errorf("%s names %q, which is no test", row.id, name)
			}
		}
		t.Logf("%-6s%-52s %s", row.id, row.says, strings.Join(append(row.tests, row.why), "\n"+strings.Repeat(" ", 77)))
	}
}

// testIndex holds what the sources of the module's tests name.
type testIndex struct {
	functions map[string]bool // folder:Test
	words     map[string]bool // folder:a string of a test, which may name a subtest
}

// has knows a test by its function, and a subtest by the string that names it.
func (x testIndex) has(name string) bool {
	folder, path, _ := strings.Cut(name, ":")
	function, subtest, nested := strings.Cut(path, "/")
	return x.functions[folder+":"+function] && (!nested || x.words[folder+":"+subtest])
}

func testsOfModule(t *testing.T) testIndex {
	t.Helper()
	index := testIndex{map[string]bool{}, map[string]bool{}}
	root := ".."
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata"):
			return filepath.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			return index.readGo(root, path)
		case strings.HasSuffix(path, "_test.rego"):
			return index.readRego(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func (x testIndex) readGo(root, path string) error {
	folder, err := filepath.Rel(root, filepath.Dir(path))
	if err != nil {
		return err
	}
	folder = filepath.ToSlash(folder)
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && strings.HasPrefix(n.Name.Name, "Test") {
				x.functions[folder+":"+n.Name.Name] = true
			}
		case *ast.BasicLit:
			if word, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil && filepath.Base(path) != "requirements_test.go" {
				x.words[folder+":"+word] = true
			}
		}
		return true
	})
	return nil
}

func (x testIndex) readRego(path string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, name := range regexp.MustCompile(`(?m)^test_\w+`).FindAllString(string(source), -1) {
		x.functions["rego:"+name] = true
	}
	return nil
}
