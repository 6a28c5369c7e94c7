package regotest_test

import (
	"encoding/json"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	opa "github.com/open-policy-agent/opa/v1/rego"

	"github.com/doorward/doorward/internal/policy"
	"github.com/doorward/doorward/rego"
	"github.com/doorward/doorward/rego/library"
)

// What doorward.request makes is what a rule sees: it fits the schema of input,
// whatever is given that has the right types.
func TestBuiltInputsFitTheSchema(t *testing.T) {
	suite, problems := policy.LoadSuite(policy.Sources{Library: rego.Files}, library.Files)
	if suite == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	if suite.Compiler.Compile(suite.Modules); suite.Compiler.Failed() {
		t.Fatal(suite.Compiler.Errors)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(policy.InputSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	fits, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]bool{
		`{}`: true,
		`{"method": "GET", "headers": {"X-Team": "a"}, "query": {"q": ["1", "2"]}, "source_principal": "spiffe://a"}`: true,
		`{"resource": {"uri": "https://other.example.com:8443/a/b", "scopes": [], "labels": {"a": "b"}}}`:             true,
		`{"claims": {"client_id": null, "sub": null, "scope": null, "scp": ["a"], "own": {"a": [1]}}}`:                true,
		`{"token": {"profile": "rfc9068", "binding": "dpop"}, "id": null}`:                                            true,
		`{"resource": {"anonymous": true}}`: true,
		`{"token": {"profile": "other"}}`:   false,
		`{"claims": {"aud": null}}`:         true,
		`{"claims": {"exp": null}}`:         false,
		`{"token": {"bound_by": "other"}}`:  false,
		`{"token": {"bound_by": "client", "tenant": "a", "client_id_pattern": "c"}, "resource": {"clients": ["c"], "parameters": {"a": "b"}, "scopes_any": [["a"]]}}`: true,
	} {
		results, err := opa.New(opa.Query("data.doorward.request("+given+")"), opa.Compiler(suite.Compiler), opa.Store(suite.Store)).Eval(t.Context())
		if err != nil || len(results) != 1 {
			t.Fatalf("%s: %v, %v", given, results, err)
		}
		text, err := json.Marshal(results[0].Expressions[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		var document any
		if err := json.Unmarshal(text, &document); err != nil {
			t.Fatal(err)
		}
		if err := fits.Validate(document); (err == nil) != want {
			t.Errorf("%s: %v\n%s", given, err, text)
		}
	}
}
