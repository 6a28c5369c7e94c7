package decisionlog

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// aliasOf is a string that changes with b.
func aliasOf(b []byte) string { return unsafe.String(&b[0], len(b)) }

// FuzzForm: whatever a request or a claim holds, an event is one line of JSON
// from which the standard library reads what it would have written itself.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{
		"", "plain", `"quoted" \ back`, "line\nbreak\r\x00\x1f\x7f", "<script>&", "\xff\xfe", "\u2028\u2029", "日本語 \U0001F512", "\xed\xa0\x80", `{"a":[1]}`,
	} {
		f.Add(seed, seed, int64(0))
		f.Add("claim", seed, int64(1<<62))
	}
	f.Fuzz(func(t *testing.T, name, text string, at int64) {
		e := denial()
		e.Host, e.Rule, e.Scopes, e.Time = text, text, []string{text, "", text}, time.Unix(at%(1<<37), at)
		e.Claims = map[string]any{name: text, name + "2": []any{text, map[string]any{text: text}}}
		line := strings.TrimSuffix(written(t, Options{Claims: []string{name, name + "2"}}, e), "\n")
		if strings.ContainsAny(line, "\n\r") {
			t.Fatalf("more than one line: %q", line)
		}
		var got struct {
			Input struct {
				Request struct{ Host string }
				Claims  map[string]any
			}
			Result struct {
				Rule   string
				Scopes []string
			}
			Timestamp time.Time
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		text = standard(t, cut(text))
		if got.Input.Request.Host != text || got.Result.Rule != text || len(got.Result.Scopes) != 3 || got.Result.Scopes[2] != text {
			t.Errorf("%q became %q, %q, %q", text, got.Input.Request.Host, got.Result.Rule, got.Result.Scopes)
		}
		if !got.Timestamp.Equal(e.Time) {
			t.Errorf("%v became %v", e.Time, got.Timestamp)
		}
		want := standard(t, e.Claims[name+"2"])
		if has := standard(t, got.Input.Claims[standard(t, name+"2")]); name != "sub" && name != "jti" && jsonOf(t, has) != jsonOf(t, want) {
			t.Errorf("the claim %v became %v", want, has)
		}
	})
}

func cut(s string) string {
	if len(s) > longest {
		return s[:longest] + more
	}
	return s
}

// standard is a value after a journey through encoding/json.
func standard[T any](t *testing.T, value T) T {
	t.Helper()
	var back T
	if err := json.Unmarshal([]byte(jsonOf(t, value)), &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func jsonOf(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
