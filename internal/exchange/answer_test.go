package exchange

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward/doorward/internal/outbound"
)

// TestAnswers is every answer that may not be used, and those beside it that may.
func TestAnswers(t *testing.T) {
	subject := user("ann")
	resigned := subject.Token[:strings.LastIndexByte(subject.Token, '.')+1] + "AAAA"
	inFuture := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	access := func(claims map[string]any) string { return answerWith(map[string]any{"access_token": issued(claims)}) }
	member := func(name string, value any) string { return answerWith(map[string]any{name: value}) }
	padded := strings.Replace(issued(nil), ".", "=.", 1)
	for _, row := range []struct {
		intent string
		status int
		kind   string // Content-Type; "": application/json
		body   string
		code   string // of a refusal
		words  string // of any failure; "": the answer is used
	}{
		{"a good answer", 200, "", answerWith(nil), "", ""},
		{"a charset", 200, "application/json; charset=UTF-8", answerWith(nil), "", ""},
		{"token_type in another case", 200, "", member("token_type", "bEARER"), "", ""},
		{"issued as a JWT", 200, "", member("issued_token_type", typeJWT), "", ""},
		{"an opaque token", 200, "", member("access_token", "opaque-1~/+x=="), "", ""},
		{"an opaque token with dots", 200, "", member("access_token", "ya29.a0AfB.x-y"), "", ""},
		{"an encrypted token", 200, "", member("access_token", "eyJhbGciOiJkaXIifQ..AAAA.BBBB.CCCC"), "", ""},
		{"several audiences", 200, "", access(map[string]any{"aud": []string{"account", apiID}}), "", ""},
		{"members that say nothing here", 200, "", answerWith(map[string]any{"scope": "read", "refresh_token": "r", "x": []int{1}}), "", ""},

		{"HTML", 200, "text/html", "<html>s3cr3t</html>", "", "is no application/json"},
		{"HTML under the type of JSON", 200, "", "<html>s3cr3t</html>", "", "JSON that is refused: a syntax error"},
		{"JSON under the type of HTML", 200, "text/html", answerWith(nil), "", "is no application/json"},
		{"no type", 200, " ", answerWith(nil), "", "is no application/json"},
		{"nothing", 200, "", "", "", "JSON that is refused"},
		{"cut JSON", 200, "", answerWith(nil)[:40], "", "JSON that is refused: it ends in the middle"},
		{"an array", 200, "", "[" + answerWith(nil) + "]", "", "JSON that is refused: not a JSON object"},
		{"a second value", 200, "", answerWith(nil) + "{}", "", "JSON that is refused: more than one"},
		{"a member twice", 200, "", `{"access_token":"a",` + answerWith(nil)[1:], "", "JSON that is refused: a member name occurs twice"},
		{"a member twice, once escaped", 200, "", `{"access\u005ftoken":"a",` + answerWith(nil)[1:], "", "occurs twice"},
		{"a member twice, deep inside", 200, "", `{"x":{"a":1,"a":2},` + answerWith(nil)[1:], "", "occurs twice"},
		{"another status", 201, "", answerWith(nil), "", "status 201"},
		{"no content", 204, "", "", "", "status 204"},
		{"a redirect", 302, "", answerWith(nil), "", "a redirect, and none is followed"},

		{"no token", 200, "", member("access_token", nil), "", "without access_token"},
		{"a token that is null", 200, "", member("access_token", []any{nil}[0:1]), "", "without access_token"},
		{"an empty token", 200, "", member("access_token", ""), "", "without access_token"},
		{"a token with a line break", 200, "", member("access_token", "a\r\nx-evil: 1"), "", "no bearer token"},
		{"a token with a space", 200, "", member("access_token", "a b"), "", "no bearer token"},
		{"a token with a comma", 200, "", member("access_token", "a,b"), "", "no bearer token"},
		{"a token of other letters", 200, "", member("access_token", "ä"), "", "no bearer token"},
		{"padding in the middle", 200, "", member("access_token", "a=b"), "", "no bearer token"},
		{"a token of 17 KiB", 200, "", member("access_token", strings.Repeat("x", 17<<10)), "", "more than 16 KiB"},
		{"the subject token", 200, "", member("access_token", subject.Token), "", "a token that it was sent"},
		{"the subject token under another signature", 200, "", member("access_token", resigned), "", "a token that it was sent"},
		{"a token for us", 200, "", access(map[string]any{"aud": []string{apiID, ourID}}), "", "a token for one of our resources"},
		{"a token for us alone", 200, "", access(map[string]any{"aud": ourID}), "", "aud does not name the destination"},
		{"a JWT that a lenient reader reads", 200, "", member("access_token", padded), "", "no bearer token"},
		{"a JWT with a member twice", 200, "", member("access_token", serverKey.SignRaw([]byte(`{"alg":"ES256"}`), []byte(`{"aud":"`+apiID+`","aud":"x","exp":1e10}`))), "", "read in two ways"},
		{"another alphabet", 200, "", member("access_token", "eyJhbGciOiJFUzI1NiJ9.e30+.AA"), "", "read in two ways"},

		{"another audience", 200, "", access(map[string]any{"aud": "https://other.example"}), "", "aud does not name the destination"},
		{"the audience with a slash", 200, "", access(map[string]any{"aud": apiID + "/"}), "", "aud does not name the destination"},
		{"no audience", 200, "", access(map[string]any{"aud": nil}), "", "aud does not name the destination"},
		{"an audience that is no text", 200, "", access(map[string]any{"aud": map[string]any{apiID: 1}}), "", "aud does not name the destination"},
		{"an expired token", 200, "", access(map[string]any{"exp": inFuture(-time.Second)}), "", "has expired"},
		{"no exp", 200, "", access(map[string]any{"exp": nil}), "", "has no exp"},
		{"an exp that is no number", 200, "", access(map[string]any{"exp": "soon"}), "", "has no exp"},
		{"expires_in of 0", 200, "", member("expires_in", 0), "", "no positive number"},
		{"expires_in of less", 200, "", member("expires_in", -1), "", "no positive number"},
		{"expires_in as text", 200, "", member("expires_in", "600"), "", "no positive number"},
		{"expires_in that is null", 200, "", `{"expires_in":null,` + member("expires_in", nil)[1:], "", "no positive number"},

		{"N_A", 200, "", member("token_type", "N_A"), "", "token_type that is not Bearer"},
		{"DPoP", 200, "", member("token_type", "DPoP"), "", "token_type that is not Bearer"},
		{"no token_type", 200, "", member("token_type", nil), "", "token_type that is not Bearer"},
		{"a token_type that is no text", 200, "", member("token_type", []string{"Bearer"}), "", "token_type that is not Bearer"},
		{"a refresh token", 200, "", member("issued_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), "", "issued_token_type"},
		{"an ID token", 200, "", member("issued_token_type", "urn:ietf:params:oauth:token-type:id_token"), "", "issued_token_type"},
		{"no issued_token_type", 200, "", member("issued_token_type", nil), "", "issued_token_type"},

		{"refused", 400, "", `{"error":"invalid_target","error_description":"s3cr3t"}`, "invalid_target", "refused: invalid_target"},
		{"unauthorized", 401, "", `{"error":"invalid_client"}`, "invalid_client", "refused"},
		{"a code that is a URI", 403, "", `{"error":"https://as.example/errors#1"}`, "unreadable", "refused"},
		{"a code with a line break", 400, "", `{"error":"a\nb"}`, "unreadable", "refused"},
		{"a code that is the subject token", 400, "", `{"error":"` + subject.Token + `"}`, "unreadable", "refused"},
		{"a code that is a part of it", 400, "", `{"error":"` + subject.Token[20:60] + `"}`, "unreadable", "refused"},
		{"a long code", 400, "", `{"error":"` + strings.Repeat("x", 200) + `"}`, "unreadable", "refused"},
		{"an empty code", 400, "", `{"error":""}`, "unreadable", "refused"},
		{"a code under status 200", 200, "", `{"error":"invalid_target"}`, "", "token_type"},
		{"a code twice", 400, "", `{"error":"a","error":"b"}`, "", "status 400"},
		{"a code that is no text", 400, "", `{"error":1}`, "", "status 400"},
		{"no code", 400, "", `{}`, "", "status 400"},
		{"a page", 403, "text/html", `{"error":"invalid_target"}`, "", "status 403"},
		{"busy", 429, "", `{"error":"slow_down"}`, "", "status 429"},
		{"not now", 400, "", `{"error":"temporarily_unavailable"}`, "", "temporarily_unavailable"},
		{"an error of the server", 400, "", `{"error":"server_error"}`, "", "server_error"},
		{"down", 503, "", `{"error":"invalid_target"}`, "", "status 503"},
		{"a broken server", 500, "", `{"error":"invalid_target"}`, "", "status 500"},
	} {
		w := newWorld(t, entry())
		kind := row.kind
		if kind == "" {
			kind = "application/json"
		}
		w.server.answers = func(url.Values) (int, string, string) { return row.status, strings.TrimSpace(kind), row.body }
		token, err := w.exchange(subject)
		if row.words != "" {
			w.wantError(row.intent, token, err, row.code, row.words)
			continue
		}
		if err != nil || !strings.Contains(row.body, token.Access) || !token.Expiry.After(time.Now()) {
			t.Errorf("%s: %v, %v", row.intent, token, err)
		}
	}
}

// TestEnd of an answer: the earlier one of exp and expires_in, and an hour at most.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
		opaque := func(lifetime any) string {
			return answerWith(map[string]any{"access_token": "opaque", "expires_in": lifetime})
		}
		jwt := func(exp int64, lifetime any) string {
			return answerWith(map[string]any{"access_token": issued(map[string]any{"exp": exp}), "expires_in": lifetime})
		}
		for _, row := range []struct {
			intent, body string
			lives        time.Duration
		}{
			{"expires_in", opaque(90), 90 * time.Second},
			{"a fraction", opaque(1.5), 1500 * time.Millisecond},
			{"a day", opaque(86400), time.Hour},
			{"more than there is", `{"expires_in":1e400,` + opaque(nil)[1:], time.Hour},
			{"it does not say", opaque(nil), time.Minute},
			{"exp alone", jwt(in(5*time.Minute), nil), 5 * time.Minute},
			{"exp alone, far away", jwt(in(999*time.Hour), nil), time.Hour},
			{"exp before expires_in", jwt(in(time.Minute), 600), time.Minute},
			{"expires_in before exp", jwt(in(time.Hour), 600), 10 * time.Minute},
		} {
			w := newWorld(t, entry())
			w.server.answer(200, row.body)
			if token := w.mustExchange(user("ann")); !token.Expiry.Equal(time.Now().Add(row.lives)) {
				t.Errorf("%s: it ends in %v", row.intent, time.Until(token.Expiry))
			}
		}
	})
}

// TestNetwork: what goes wrong below HTTP, at a real server.
func TestNetwork(t *testing.T) {
	served := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append([]byte(answerWith(nil)), bytes.Repeat([]byte(" "), 1<<20)...))
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/good", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) {
		served++
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, answerWith(nil))
	})
	mux.HandleFunc("/broken", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	there := httptest.NewTLSServer(mux)
	defer there.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: there.Certificate().Raw})
	for _, row := range []struct {
		intent, path string
		ca           []byte
		words        string
	}{
		{"a good answer", "/good", ca, ""},
		{"a megabyte", "/large", ca, "sent more than 64 KiB"},
		{"a redirect", "/redirect", ca, "a redirect, and none is followed"},
		{"a connection that breaks", "/broken", ca, "broke off its answer"},
		{"an unknown certificate", "/good", nil, "cannot be trusted"},
	} {
		e := entry()
		e.TokenEndpoint, e.CAPEM = there.URL+row.path, row.ca
		w := newWorld(t, e)
		w.Source = NewSource(e, Environment{IsOurs: ours})
		token, err := w.exchange(user("ann"))
		if row.words != "" {
			w.wantError(row.intent, token, err, "", row.words)
		} else if err != nil {
			t.Errorf("%s: %v", row.intent, err)
		}
		w.Close()
	}
	if served != 1 {
		t.Errorf("%d good answers: a redirect was followed", served)
	}
}

// TestHangs: a server that does not answer is waited for as long as a request may
// take, and the caller leaves with its own time.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, entry())
		w.mustExchange(user("discovers"))
		w.server.change(func(s *server) { s.latency = time.Hour })
		began := time.Now()
		token, err := w.exchange(user("ann"))
		w.wantError("hangs", token, err, "", "did not answer within 5s")
		if took := time.Since(began); took != requestTime {
			t.Errorf("it took %v", took)
		}
		began = time.Now()
		token, err = w.Exchange(within(t, time.Second), user("bob"))
		w.wantError("leaves", token, err, "", "no answer came within the time")
		if took := time.Since(began); took != time.Second {
			t.Errorf("the caller left after %v", took)
		}
		time.Sleep(flightTime)
		w.wantIdle()
	})
}

// TestOutage: unavailable while it lasts, what is remembered goes on, and the first
// call afterwards is answered.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, entry())
		ann := user("ann")
		known := w.mustExchange(ann)
		w.server.change(func(s *server) { s.down = true })
		for range 3 {
			token, err := w.exchange(user("bob"))
			w.wantError("down", token, err, "", "refused the connection")
			if token := w.mustExchange(ann); token != known {
				t.Error("another token is remembered")
			}
		}
		w.server.change(func(s *server) { s.down = false })
		time.Sleep(failureLifetime)
		w.mustExchange(user("bob"))
	})
}

// FuzzAnswer: what is used is JSON for encoding/json with the same members, a bearer
// token that was not sent, and a JWT by another reader names the destination and ends
// in the future. Whatever is not used has an error without a part of what was sent.
func FuzzAnswer(f *testing.F) {
	const sentToken = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c3ViamVjdA"
	for _, seed := range []string{
		answerWith(nil), answerWith(map[string]any{"access_token": sentToken}), answerWith(map[string]any{"expires_in": 1e300}),
		answerWith(map[string]any{"access_token": "opaque"}), `{"error":"invalid_grant"}`, `{"access_token":"a","access_token":"b"}`,
		answerWith(map[string]any{"access_token": issued(map[string]any{"aud": []string{"a", apiID}, "exp": 9e9})}), "<html>", "{}", "",
		`{"access_token":"eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL2FwaS5leGFtcGxlLmNvbSJ9.","token_type":"bearer","issued_token_type":"` + typeJWT + `"}`,
	} {
		f.Add(200, "application/json", []byte(seed))
	}
	f.Add(400, "application/json;x", []byte(`{"error":"eyJhbGciOiJFUzI1NiJ9"}`))
	now := time.Unix(1.8e9, 0)
	e, p := entry(), newParameters(grantExchange)
	p.sent = []string{sentToken}
	f.Fuzz(func(t *testing.T, status int, kind string, body []byte) {
		token, problem := e.read(answer{status, kind, body}, p, now)
		if token.Access == "" {
			if problem.refused == "" && problem.words == "" {
				t.Fatal("neither a token nor a problem")
			}
			if problem.refused != "" && (status < 400 || status > 499 || outbound.Clean(problem.refused) != problem.refused ||
				strings.Contains(sentToken, problem.refused)) {
				t.Errorf("status %d is refused with %q", status, problem.refused)
			}
			return
		}
		if problem.refused+problem.words != "" || status != 200 || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(kind)), "application/json") {
			t.Errorf("used: %d %q with %+v", status, kind, problem)
		}
		checkUsed(t, token, body, sentToken, now)
	})
}

func TestContextEndsBeforeTheCall(t *testing.T) {
	w := newWorld(t, entry())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	token, err := w.Exchange(ctx, user("ann"))
	w.wantError("no time", token, err, "", "no answer came")
}
