package policy

import (
	"bytes"
	"encoding/json"
	"maps"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// document is the contract's `input` for an Input, as plain JSON values; it is
// written down a second time on purpose.
func document(in Input) map[string]any {
	headers, query := maps.Clone(requestOf(&in).Headers), maps.Clone(requestOf(&in).Query)
	for _, name := range []string{"authorization", "dpop", "cookie"} {
		delete(headers, name)
	}
	delete(query, "access_token")
	request := map[string]any{
		"method": requestOf(&in).Method, "scheme": requestOf(&in).Scheme, "host": requestOf(&in).Host, "path": requestOf(&in).Path,
		"query": query, "headers": headers,
	}
	token := map[string]any{
		"issuer": in.Token.Issuer, "scopes": in.Token.Scopes, "profile": in.Token.Profile, "binding": "none",
		"marked": in.Token.Marked, "subject_accepted": in.Token.SubjectAccepted, "no_scopes": in.Token.NoScopes,
		"trusted": in.Token.Trusted, "recent": in.Token.Recent, "dedicated": in.Token.Dedicated, "self_asserted": in.Token.SelfAsserted, "generic_audiences": in.Token.GenericAudiences,
	}
	for name, value := range map[string]string{
		"client": in.Token.Client, "tenant": in.Token.Tenant, "bound_by": in.Token.BoundBy, "client_id_pattern": in.Token.ClientIDPattern,
	} {
		if value != "" {
			token[name] = value
		}
	}
	for name, value := range map[string]string{
		"id": requestOf(&in).ID, "source_address": requestOf(&in).SourceAddress, "source_principal": requestOf(&in).SourcePrincipal, "client_address": requestOf(&in).ClientAddress,
	} {
		if value != "" {
			request[name] = value
		}
	}
	operation := map[string]any{"source": in.MCP.Source, "trusted": in.MCP.Trusted}
	for name, value := range map[string]string{
		"method": in.MCP.Method, "name": in.MCP.Name, "protocol_version": in.MCP.ProtocolVersion,
	} {
		if value != "" {
			operation[name] = value
		}
	}
	all := map[string]any{
		"version": 1, "direction": "inbound", "request": request, "claims": in.Claims, "token": token, "mcp": operation,
		"resource": map[string]any{
			"operation_scopes": in.Resource.OperationScopes, "acr_values": in.Resource.ACRValues,
			"max_age": int(in.Resource.MaxAge / time.Second), "anonymous": in.Resource.Anonymous,
			"name": in.Resource.Name, "uri": in.Resource.URI, "audiences": in.Resource.Audiences,
			"scopes": in.Resource.Scopes, "labels": in.Resource.Labels, "aliases": in.Resource.Aliases,
			"clients": in.Resource.Clients, "parameters": in.Resource.Parameters, "scopes_any": in.Resource.ScopesAny,
		},
	}
	if to := in.Destination; to != nil {
		destination := map[string]any{"host": to.Host, "token": to.Token}
		if to.Path != "" {
			destination["path"] = to.Path
		}
		all["direction"], all["destination"] = "egress", destination
	}
	return all
}

// everything are the dependencies of a policy that reads all of input.
func everything() inputDeps { return newInputDeps([][]string{{}}) }

// roundTrip is what OPA makes of a document that comes as JSON.
func roundTrip(t *testing.T, document any) ast.Value {
	t.Helper()
	encoded, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	v, err := ast.ValueFromReader(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Encoding an Input never panics, and gives what the same document gives by way
// of JSON; or it is an error, and then only for a number out of range.
func FuzzInput(f *testing.F) {
	f.Add("GET", "mcp.example.com", "x-a", "value", "client", `{"aud": ["a", 1, null, true], "a": {"b": [{}, []]}, "exp": 1700000000.5}`)
	f.Add("", "", "authorization", "Bearer a.b.c", "", `{}`)
	f.Add("POST", "[::1]:80", "Cookie", "a=b", "\xff\xfe", `{"n": 1e400, "m": -0, "z": 1E2, "i": 1e-999}`)
	f.Add("\x00", "a\xffb", "access_token", "\xf0\x28", "\u2028", `{"\ud800": "\ud800", "big": 123456789012345678901234567890, "": ""}`)
	f.Fuzz(func(t *testing.T, method, host, name, value, client, claims string) {
		decoder := json.NewDecoder(bytes.NewReader([]byte(claims)))
		decoder.UseNumber()
		var all map[string]any
		if decoder.Decode(&all) != nil || all == nil {
			all = map[string]any{}
		}
		in := Input{
			Request: &RequestValues{
				ID: value, Method: method, Scheme: "https", Host: host, Path: "/" + name,
				Query:   map[string][]string{name: {value, client}, "empty": {""}},
				Headers: map[string][]string{name: {value}, "x-fixed": {client}},
			},
			Resource: Resource{
				Name: name, URI: host, Audiences: []string{value}, Scopes: []string{}, Labels: map[string]string{name: value},
				Aliases: []string{host, value}, Clients: []string{client}, Parameters: map[string]string{name: client},
				ScopesAny: [][]string{{value}, {}, {client, name}}, OperationScopes: []string{name}, ACRValues: []string{value},
				MaxAge: time.Duration(1+len(value)) * time.Second,
			},
			MCP:    MCP{Method: name, Name: value, ProtocolVersion: client, Source: "source " + host, Trusted: len(name)%2 == 0},
			Claims: all,
			Token: Token{
				Issuer: host, Client: client, Scopes: []string{value, client}, Profile: "standard", Tenant: value, BoundBy: name,
				Marked: len(name)%2 == 0, SubjectAccepted: len(host)%2 == 0, NoScopes: len(value)%2 == 0, Dedicated: len(client)%2 == 0,
				SelfAsserted: len(method)%2 == 0, GenericAudiences: []string{name}, ClientIDPattern: host,
				Recent: len(host)%2 == 0, Trusted: len(method)%3 == 0,
			},
		}
		if len(value)%2 == 0 {
			in.Destination = &Destination{Host: host, Path: value, Token: name}
		}
		got, err := everything().term(&in)
		if err != nil {
			if _, err := json.Marshal(all); err == nil && allFloats(all) {
				t.Fatalf("refused, and every number is in range: %v", err)
			}
			return
		}
		if credential(name) { // the document drops lower-case names, the encoder any
			delete(requestOf(&in).Headers, name)
		}
		if want := roundTrip(t, document(in)); want.Compare(got) != 0 && utf8.ValidString(name) {
			t.Fatalf("by JSON:\n%v\ndirectly:\n%v", want, got)
		}
	})
}

// allFloats is true if every number fits a float64.
func allFloats(v any) bool {
	switch v := v.(type) {
	case json.Number:
		_, err := v.Float64()
		return err == nil
	case []any:
		for _, e := range v {
			if !allFloats(e) {
				return false
			}
		}
	case map[string]any:
		for _, e := range v {
			if !allFloats(e) {
				return false
			}
		}
	}
	return true
}

// No policy ever sees a credential, whoever put it there.
func TestInputHoldsNoCredential(t *testing.T) {
	in := Input{Request: &RequestValues{
		Headers: map[string][]string{
			"authorization": {"secret"}, "Authorization": {"secret"}, "dpop": {"secret"}, "cookie": {"secret"}, "x-fine": {"fine"},
		},
		Query: map[string][]string{"access_token": {"secret"}, "page": {"1"}},
	}}
	v, err := everything().term(&in)
	if err != nil {
		t.Fatal(err)
	}
	if text := v.String(); bytes.Contains([]byte(text), []byte("secret")) || !bytes.Contains([]byte(text), []byte("fine")) {
		t.Error(text)
	}
}

// What is not known is absent: a requirement that asks for it is undefined.
func TestUnknownIsAbsent(t *testing.T) {
	v, err := everything().term(&Input{})
	if err != nil {
		t.Fatal(err)
	}
	want := roundTrip(t, map[string]any{
		"version": 1,
		"request": map[string]any{"method": "", "scheme": "", "host": "", "path": "", "query": map[string]any{}, "headers": map[string]any{}},
		"resource": map[string]any{
			"name": "", "uri": "", "audiences": []any{}, "scopes": []any{}, "labels": map[string]any{},
			"aliases": []any{}, "clients": []any{}, "parameters": map[string]any{}, "scopes_any": []any{},
			"operation_scopes": []any{}, "acr_values": []any{}, "anonymous": false,
		},
		"mcp":       map[string]any{"source": "none", "trusted": false},
		"direction": "inbound",
		"claims":    map[string]any{},
		"token": map[string]any{
			"issuer": "", "scopes": []any{}, "profile": "", "binding": "none", "marked": false, "subject_accepted": false,
			"no_scopes": false, "dedicated": false, "self_asserted": false, "recent": false, "generic_audiences": []any{},
			"trusted": false,
		},
	})
	if v.Compare(want) != 0 {
		t.Errorf("got %v\nwant %v", v, want)
	}
}

// requestOf is the request of an Input that a test made, or one without values.
func requestOf(in *Input) *RequestValues { return in.request().(*RequestValues) }

// A request without a token has nothing of one, whatever else the Input holds.
func TestAnonymousHasNoClaimsAndNoToken(t *testing.T) {
	in := full()
	in.Resource.Anonymous = true
	for _, deps := range []inputDeps{everything(), newInputDeps(nil), newInputDeps([][]string{{"claims", "aud"}, {"token", "issuer"}, {"mcp", "name"}})} {
		v, err := deps.term(&in)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"claims", "token"} {
			if there := v.(ast.Object).Get(ast.InternedTerm(name)); there != nil {
				t.Errorf("input.%s is %v", name, there)
			}
		}
	}
}
