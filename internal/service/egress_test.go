package service

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/internal/handle"
)

// sent is the answer to a request that the server sends to a host.
func (r *trial) sent(t *testing.T, listen, host string, headers map[string]string) *authv3.CheckResponse {
	t.Helper()
	wire, err := proto.Marshal(&authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: "GET", Scheme: "https", Host: host, Path: "/v1", Headers: headers,
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	response := new(authv3.CheckResponse)
	if err := proto.Unmarshal(r.egress.At(listen).Answer(t.Context(), wire), response); err != nil {
		t.Fatal(err)
	}
	return response
}

// TestEgress: what leaves is checked under the configuration in force, at its listeners.
func TestEgress(t *testing.T) {
	f := newFolder(t)
	socket := "unix://" + f.path("egress.sock")
	rules := "egress:\n  listeners: [{listen: \"" + socket + "\", resource: example}]\n" +
		"  destinations: [{host: api.example.com, token: keep}, {host: none.example.com, token: none}]\n"
	f.configure(t, rules)
	r := begin(t, f.path("doorward.yaml"))
	ours := map[string]string{"authorization": "Bearer " + goodToken(f.key), "x-mcp-auth-subject": "alice"}
	foreign := map[string]string{"authorization": "Bearer opaque", "cookie": "a=b", "x-mcp-auth-subject": "alice"}
	look := func(intent, listen, host string, headers map[string]string, reason string, status int) *authv3.CheckResponse {
		t.Helper()
		got := r.sent(t, listen, host, headers)
		found := got.GetDynamicMetadata().GetFields()["reason"].GetStringValue()
		if code := int(got.GetDeniedResponse().GetStatus().GetCode()); found != reason || code != status ||
			(got.GetOkResponse() == nil) != (status != 0) {
			t.Errorf("%s: %s, %d; want %s, %d", intent, found, code, reason, status)
		}
		return got
	}
	look("a token of ours", socket, "api.example.com", ours, "passthrough", 403)
	look("a token of ours to nowhere", socket, "evil.example.com", ours, "passthrough", 403)
	look("no destination", socket, "evil.example.com", foreign, "no_destination", 403)
	look("another listener", "unix:///other", "api.example.com", foreign, "misconfigured", 503)
	kept := look("a foreign credential", socket, "api.example.com", foreign, "allowed", 0)
	if removed := strings.Join(kept.GetOkResponse().GetHeadersToRemove(), " "); strings.Contains(removed, "authorization") ||
		!strings.Contains(removed, "x-mcp-auth-subject") {
		t.Errorf("removed: %s", removed)
	}
	none := look("no credential", socket, "none.example.com", foreign, "allowed", 0)
	for _, name := range []string{"authorization", "cookie", "dpop", "proxy-authorization", "x-mcp-auth-handle"} {
		if !strings.Contains(strings.Join(none.GetOkResponse().GetHeadersToRemove(), " "), name) {
			t.Errorf("%s is not removed", name)
		}
	}
	opened, err := r.listenEgress(t.Context(), r.current.Load().Config)
	if err != nil {
		t.Fatal(err)
	}
	defer closeEgress(opened)
	if info, err := os.Stat(f.path("egress.sock")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info.Mode(), err)
	}
	if r.log.count(ours["authorization"][20:]) > 0 || r.log.count(`"direction":"egress"`) != 4 {
		t.Errorf("the log: %s", r.log.written.String())
	}
	f.configure(t, strings.Replace(rules, "egress:\n", "egress:\n  mode: observe\n", 1))
	r.again(t)
	look("observed", socket, "api.example.com", ours, "passthrough", 0)
}

// TestEachEntryHasItsOwnSource, also where the names of two resources read as a list.
func TestEachEntryHasItsOwnSource(t *testing.T) {
	f := newFolder(t)
	key := make([]byte, handle.KeyBytes)
	_, _ = rand.Read(key)
	f.write(t, "handle.key", string(key))
	f.write(t, "secret", "a secret of a client")
	destination := func(from, scope string) string {
		return "  - host: api.example.com\n    from: [" + from + "]\n    token: exchange\n    exchange:\n    - {issuer: \"https://as.example.com\", " +
			"resource: \"https://api.example.com\", scope: [" + scope + "], client_id: doorward, client_secret_file: secret}\n"
	}
	f.configure(t, "- {resource: \"https://mcp.example.com/a\", name: a}\n- {resource: \"https://mcp.example.com/b\", name: b}\n"+
		"- {resource: \"https://mcp.example.com/both\", name: \"a b\"}\n"+
		"egress:\n  listeners: [{listen: \"unix://"+f.path("egress.sock")+"\", resource: example}]\n  handle: {key_files: [handle.key]}\n"+
		"  destinations:\n"+destination("a, b", "read")+destination("\"a b\"", "write"))
	r := begin(t, f.path("doorward.yaml"))
	running := r.exchanges.inForce()
	for _, o := range entriesOf(r.current.Load().Config) {
		if !running[o.place].value.Entry().Equal(*o.entry) {
			t.Errorf("the entry with scope %s has the source of another one", o.entry.Scope)
		}
	}
}
