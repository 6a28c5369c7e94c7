package egress_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/doorward/doorward/internal/egress"
)

// TestNothingSecretIsWritten: whatever part of a request holds a token, and whatever becomes
// of it, neither it, nor a handle, the token that is obtained or the secret of doorward is
// in log, decision log, metrics, metadata or the body of a refusal.
func TestNothingSecretIsWritten(t *testing.T) {
	const credential = "gho_16C7e42F292c6912E7710c838347Ae178B4a"
	echo := func(form url.Values) (int, string) {
		return 400, `{"error":"` + form.Get("subject_token") + `","error_description":"` + clientProof + `"}`
	}
	for _, host := range []string{"keep.example.com", "none.example.com", "api.example.com", "own.example.com", "x.example.com"} {
		for _, fails := range []bool{false, true} {
			w := start(t, func(p *plan) {
				p.rule = `deny contains {"code": lower(said), "message": said} if { said := input.request.headers["x-said"][0] }
warn contains {"code": input.request.path, "message": input.request.host}`
				p.state = func(s *egress.State) { s.HandleBaggage = true }
			})
			if fails {
				w.endpoint.change(func(e *endpoint) { e.answer = echo })
			}
			compact, ours := w.token(), w.token(map[string]any{"jti": "id-2"})
			handles := w.handle(t, compact)
			for where, ask := range hidden(host) {
				for _, secret := range []string{w.foreign(), ours, credential} {
					s := ask(secret)
					for _, asked := range []sent{
						s, s.with(handleName, handles), s.with("baggage", handleName+"="+handles), s.with("x-said", secret),
						s.with("x-request-id", ours).named(host), s.named(secret),
						{at: shared, authority: host, path: "/", principal: secret},
					} {
						body := w.ask(t, asked).body + w.metadataOf(t, asked)
						w.wantNone(t, where+" to "+host, body, secret, compact, handles, ours, w.endpoint.access, clientProof)
					}
				}
			}
			written := w.log.String() + w.metrics(t) + w.events()
			if !strings.Contains(written, "direction") {
				t.Errorf("nothing is written: %s", written)
			}
			w.wantNone(t, "written of "+host, written, compact, handles, ours, credential, w.endpoint.access, clientProof)
		}
	}
}

func (w *world) metadataOf(t *testing.T, s sent) string {
	t.Helper()
	text, err := json.Marshal(w.check(t, s.at, s.joined()).GetDynamicMetadata().AsMap())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wantNone checks that no part of a secret is in a text.
func (w *world) wantNone(t *testing.T, where, text string, secrets ...string) {
	t.Helper()
	text = strings.ToLower(text)
	for _, secret := range secrets {
		for part := range strings.SplitSeq(strings.ToLower(secret), ".") {
			if at := strings.Index(text, part); len(part) >= 20 && at >= 0 {
				t.Fatalf("%s: %q is in ...%s", where, part, text[max(0, at-200):])
			}
		}
	}
}

// FuzzEgress: whatever the bytes of a Check hold, the answer has a status, and a request
// with a token of ours in a header, the path or the query does not leave.
func FuzzEgress(f *testing.F) {
	w := start(f, func(p *plan) {
		p.destinations = p.destinations[:2]
		p.state = func(s *egress.State) { s.AllowUnknown, s.AllowUnreadBody = true, true }
	})
	ours := w.token()
	for _, host := range []string{"keep.example.com", "x.example.com"} {
		for _, ask := range hidden(host) {
			for _, secret := range []string{ours, w.foreign()} {
				for _, request := range []*authv3.CheckRequest{ask(secret).joined(), ask(secret).apart()} {
					wire, err := proto.Marshal(request)
					if err != nil {
						continue
					}
					f.Add(wire)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		// The token differs in each run of the tests, and a corpus does not.
		wire = []byte(strings.ReplaceAll(string(wire), "OURS", ours))
		response := new(authv3.CheckResponse)
		if err := proto.Unmarshal(w.checks.At(socket).Answer(t.Context(), wire), response); err != nil {
			t.Fatal(err)
		}
		got := read(t, response)
		if got.reason == "" || (got.status == 200) != (got.reason == "allowed") {
			t.Errorf("%+v", got)
		}
		request := new(authv3.CheckRequest)
		if proto.Unmarshal(wire, request) == nil && got.status == 200 && holds(request, ours) {
			t.Errorf("a token of ours leaves: %v", request)
		}
	})
}

// holds reports a token in the authority, the path, or a header but for the handle.
func holds(request *authv3.CheckRequest, token string) bool {
	http := request.GetAttributes().GetRequest().GetHttp()
	path := http.GetPath()
	all := map[string]string{"host": http.GetHost()}
	for name, value := range http.GetHeaders() {
		all[name] = value
	}
	for _, header := range http.GetHeaderMap().GetHeaders() {
		value := header.GetValue() + string(header.GetRawValue())
		if all[header.GetKey()] += " " + value; header.GetKey() == ":path" {
			path = ""
		}
	}
	all[":path"] += path
	for name, value := range all {
		if !strings.EqualFold(name, handleName) && strings.Contains(value, token) {
			return true
		}
	}
	return false
}
