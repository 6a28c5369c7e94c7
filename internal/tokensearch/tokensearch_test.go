package tokensearch

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/internal/testenv/hiding"
	"github.com/google/go-cmp/cmp"
)

// parts are what a Check shows of a request.
func parts(row *hiding.Row) []Part {
	path, query, _ := strings.Cut(row.Path, "?")
	all := []Part{{Kind: Authority, Value: row.Host}, {Kind: Path, Value: path}, {Kind: Query, Value: query}, {Kind: Body, Value: row.Body}}
	for _, h := range row.Headers {
		all = append(all, Part{Kind: HeaderName, Value: h[0]}, Part{Kind: HeaderValue, Name: h[0], Value: h[1]})
	}
	return all
}

// message is the same for Unread, as Envoy sends it with a limit of 1 MiB.
func message(row *hiding.Row) Message {
	partial := strconv.FormatBool(len(row.Body) > 1<<20)
	return Message{Method: http.MethodPost, Body: row.Body[:min(len(row.Body), 1<<20)], Headers: func(name string) (values []string) {
		switch name {
		case partialBody:
			return []string{partial}
		case "content-length":
			return []string{strconv.Itoa(len(row.Body))}
		}
		for _, h := range row.Headers {
			if h[0] == name {
				values = append(values, h[1])
			}
		}
		return values
	}}
}

// TestFindInEveryPlace: each place and form of the table, and the token in no log.
func TestFindInEveryPlace(t *testing.T) {
	for _, row := range hiding.Rows(sample) {
		t.Run(row.Group+"/"+row.Intent, func(t *testing.T) {
			number := 0
			for candidate, err := range Find(slices.Values(parts(&row))) {
				if err != nil {
					t.Fatal(err)
				}
				if candidate.Claims["iss"] != "https://as.example.com" || candidate.Claims["sub"] == nil {
					continue
				}
				number++
				for _, part := range strings.Split(sample, ".") {
					if strings.Contains(candidate.Place, part[:12]) {
						t.Errorf("the place %q has a part of the token", candidate.Place)
					}
				}
			}
			unread := Unread(message(&row)) != ""
			switch row.Outcome {
			case hiding.Found:
				if number == 0 || unread {
					t.Errorf("%d candidates, unread %v", number, unread)
				}
			case hiding.Unread:
				if !unread {
					t.Error("the body counts as read")
				}
			case hiding.Missed:
				if number > 0 || unread || row.Why == "" {
					t.Errorf("%d candidates, unread %v: the table says that it is not found, because %q", number, unread, row.Why)
				}
			}
		})
	}
}

// TestFindPlace: what a log shows.
func TestFindPlace(t *testing.T) {
	member := strings.Split(sample, ".")[1]
	rows := []struct {
		part Part
		want string
	}{
		{Part{Kind: Body, Value: sample}, "body"},
		{Part{Kind: Body, Value: `\u0061 ` + strings.ReplaceAll(sample, ".", "%2e")}, "body (percent-encoded)"},
		{Part{Kind: Body, Value: strings.ReplaceAll(sample, ".", `\u002e`)}, "body (with escapes)"},
		{Part{Kind: Body, Value: strings.ReplaceAll(sample, ".", `\u00252e`)}, "body (with escapes, percent-encoded)"},
		{Part{Kind: Query, Value: encode(" " + sample)}, "query (base64)"},
		{Part{Kind: Body, Value: strings.ReplaceAll(sample, ".", `\x2E`)}, "body (with escapes)"},
		{Part{Kind: Path, Value: `"payload":"` + member}, "path"},
		{Part{Kind: Path, Value: `{"PAYLOAD" : '` + member}, "path"},
		{Part{Kind: Path, Value: encode(` {"payLOAD":"` + member)}, "path (base64)"},
		{Part{Kind: Authority, Value: sample}, "authority"},
		{Part{Kind: HeaderName, Value: sample}, "name of a header"},
		{Part{Kind: HeaderValue, Name: "x-foo", Value: sample}, "header x-foo"},
		{Part{Kind: HeaderValue, Name: strings.Repeat("Zm9vYmFyMTIz", 3), Value: sample}, "header [redacted]"},
		{Part{Kind: HeaderValue, Name: "x-" + sample, Value: sample}, "header [redacted]"},
		{Part{Kind: HeaderValue, Name: "x-" + strings.Repeat("a-", 40), Value: sample}, "header [redacted]"},
	}
	for _, row := range rows {
		number := 0
		for candidate, err := range Find(slices.Values([]Part{row.part})) {
			number++
			if err != nil || candidate.Place != row.want {
				t.Errorf("%q, %v; want %q", candidate.Place, err, row.want)
			}
		}
		if number != 1 {
			t.Errorf("%s: %d candidates", row.want, number)
		}
	}
}

// TestFindHeader: the header is read where it can be, in plain text and in base64.
func TestFindHeader(t *testing.T) {
	parts := strings.Split(sample, ".")
	header := map[string]any{"alg": "RS256", "typ": "at+jwt", "kid": "1"}
	long := encode(`{"x":"` + strings.Repeat("a", 400) + `","typ":"at+jwt"}`)
	rows := []struct {
		intent, value string
		want          map[string]any
	}{
		{"a token", "Bearer " + sample, header},
		{"at the end of a path", "/a/" + sample, header},
		{"base64", encode("user:" + sample), header},
		{"base64, shifted by one", encode("auser:" + sample), header},
		{"base64, shifted by two", encode("aauser:" + sample), header},
		{"base64 and nothing before", encode(sample), header},
		{"base64 in lines", strings.Join(strings.Split(encode("user:"+sample), "y"), "y\r\n"), header},
		{"base64, and too long to look for", encode(long + "." + parts[1] + "."), nil},
		{"no header", "." + parts[1] + ".", nil},
		{"no base64", "?." + parts[1] + ".", nil},
		{"no object", encode("[]") + "." + parts[1] + ".", nil},
		{"a member twice", encode(`{"typ":"JWT","typ":"at+jwt"}`) + "." + parts[1] + ".", nil},
		{"JSON serialisation", `{"payload":"` + parts[1] + `"}`, nil},
	}
	for _, row := range rows {
		t.Run(row.intent, func(t *testing.T) {
			number := 0
			for candidate, err := range Find(in(row.value)) {
				number++
				if diff := cmp.Diff(row.want, candidate.Header); err != nil || diff != "" {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
			}
			if number != 1 {
				t.Errorf("%d candidates", number)
			}
		})
	}
	for candidate := range Find(in(encode("x " + sample + " y"))) {
		if candidate.Compact != sample {
			t.Errorf("%q is not the token in its canonical spelling", candidate.Compact)
		}
	}
}

func number(text string) json.Number { return json.Number(text) }

// TestFindReadings: members that occur twice, or in another case, give a candidate for
// each reading, and one with every audience.
func TestFindReadings(t *testing.T) {
	type claims = map[string]any
	list := func(values ...any) []any { return values }
	rows := []struct {
		payload string
		want    []claims
	}{
		{`{"iss":"a","n":1,"f":1.5,"b":true,"z":null}`, []claims{{"iss": "a", "n": number("1"), "f": number("1.5"), "b": true, "z": nil}}},
		{`{"iss":"a","iss":"b"}`, []claims{{"iss": "b"}, {"iss": "a"}}},
		{`{"aud":"a","aud":["b","c"]}`, []claims{{"aud": list("b", "c")}, {"aud": list("a", "b", "c")}, {"aud": "a"}}},
		{`{"aud":"a","aud":"b","aud":"c"}`, []claims{{"aud": "c"}, {"aud": list("a", "b", "c")}, {"aud": "a"}}},
		{`{"ISS":"a","iss":"b","Iss":"c"}`, []claims{
			{"ISS": "a", "iss": "b", "Iss": "c"}, {"iss": "c"}, {"iss": "a"},
		}},
		{`{"AUD":"a"}`, []claims{{"AUD": "a"}, {"aud": "a"}}},
		{`{"iſs":"a"}`, []claims{{"iſs": "a"}, {"iss": "a"}}},
		{`{"is\u0073":"a"}`, []claims{{"iss": "a"}}},
		{`{"iss":"a","x":{"y":1,"y":2}}`, []claims{{"iss": "a", "x": claims{"y": number("2")}}}},
		{`{"iss":"a","x":1,"x":2}`, []claims{{"iss": "a", "x": number("2")}, {"iss": "a", "x": number("1")}}},
		{`{"iss":"a","x":1e999999999,"y":` + strings.Repeat("1", 40) + `}`, []claims{{"iss": "a", "x": nil, "y": nil}}},
		{`{"iss":"a"} {"iss":"b"}`, []claims{{"iss": "a"}}},
		{`{"sub":"a"}`, nil},
		{`{"iss":"a"`, nil},
		{`{iss:"a"}`, nil},
		{`["iss"]`, nil},
	}
	for _, row := range rows {
		var got []claims
		for candidate, err := range Find(in("a." + encode(row.payload) + ".b")) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, candidate.Claims)
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.payload, diff)
		}
	}
}

// TestFindDepth: a value too deep to read hides nothing beside it.
func TestFindDepth(t *testing.T) {
	for _, depth := range []int{maxDepth - 1, maxDepth + 1, 5000} {
		number := 0
		payload := `{"x":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `,"iss":"a"}`
		for candidate, err := range Find(in("a." + encode(payload) + ".b")) {
			number++
			levels := 0
			for list, is := candidate.Claims["x"].([]any); is && len(list) > 0; list, is = list[0].([]any) {
				levels++
			}
			if err != nil || levels > maxDepth {
				t.Errorf("%d levels are read, %v", levels, err)
			}
		}
		if number != 1 {
			t.Errorf("depth %d: %d candidates", depth, number)
		}
	}
}

// TestFindEnds: a caller that has seen enough gets no more, and a search in a search is
// another one.
func TestFindEnds(t *testing.T) {
	for range Find(in(sample + " " + strings.Replace(sample, "eyJ", "eyK", 1))) {
		number := 0
		for range Find(in(sample + " " + strings.ReplaceAll(sample, "Um", "Un"))) {
			number++
		}
		if number == 0 {
			t.Error("nothing is found")
		}
		break
	}
}

// TestFindCost: text without a token costs no memory by its length.
func TestFindCost(t *testing.T) {
	parts := slices.Values(append(headers(20), Part{Value: document(64 << 10)}))
	if got := testing.AllocsPerRun(20, func() {
		for range Find(parts) {
			t.Error("a token is found")
		}
	}); got > 4 && !raced {
		t.Errorf("%v allocations", got)
	}
}

// TestFindMemory: a flood of tokens, and of what looks like one, costs no more memory
// than some multiple of its length.
func TestFindMemory(t *testing.T) {
	distinct := func(payload string) func(int) string {
		return func(size int) string {
			var b strings.Builder
			for i := 0; b.Len() < size; i++ {
				b.WriteString("a." + encode(fmt.Sprintf(payload, i)) + ".b ")
			}
			return b.String()[:size]
		}
	}
	floods := maps.Clone(shapes)
	floods["tokens"] = distinct(`{"iss":"%d"}`)
	floods["tokens of several readings"] = distinct(`{"iss":"%d","ISS":1,"aud":2,"AUD":3}`)
	floods["tokens of many members"] = distinct(`{"iss":"%d"` + strings.Repeat(`,"a":[{}]`, 5000) + `}`)
	floods["tokens of members that differ in case"] = distinct(`{"iss":"%d"` + strings.Repeat(`,"AUD":0`, 5000) + `}`)
	const size, most = 1 << 20, 100
	for name, shape := range floods {
		text := shape(size)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range Find(in(text)) {
		}
		runtime.ReadMemStats(&after)
		if times := (after.TotalAlloc - before.TotalAlloc) / size; times > most && !raced {
			t.Errorf("%s: %d times its length", name, times)
		} else {
			t.Logf("%s: %d times its length", name, times)
		}
	}
}

// TestFindIsLinear: no text costs much more than others of its length. With time by the
// square of it, these would take minutes.
func TestFindIsLinear(t *testing.T) {
	for name, shape := range shapes {
		text, begin := shape(256<<10), time.Now()
		for _, err := range Find(in(text)) {
			if err != nil && !errors.Is(err, ErrTooMany) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s takes %v", name, took)
		}
	}
}

// TestFindOthers: a token that is known to be foreign is not yielded, and counts as one.
func TestFindOthers(t *testing.T) {
	var known [][sha256.Size]byte
	text := func(n int) string {
		return "a." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"iss":"%d","aud":"a"}`, n)) + ".b"
	}
	for candidate, err := range Find(in(text(1))) {
		if err != nil || candidate.Readings != 1 || candidate.Digest != sha256.Sum256([]byte(candidate.Compact)) {
			t.Fatalf("%+v, %v", candidate, err)
		}
		known = append(known, candidate.Digest)
	}
	isForeign := func(digest [sha256.Size]byte) bool { return slices.Contains(known, digest) }
	var found []any
	for candidate, err := range FindOthers(in(text(1)+" "+text(2)+" "+text(1)), isForeign) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, candidate.Claims["iss"])
	}
	if len(known) != 1 || !slices.Equal(found, []any{"2"}) {
		t.Errorf("known: %x, found: %v", known, found)
	}
	for many, want := range map[int]error{MaxCandidates: nil, MaxCandidates + 1: ErrTooMany} {
		var all strings.Builder
		for n := range many {
			all.WriteString(text(n) + " ")
		}
		var last error
		for _, err := range FindOthers(in(all.String()), func([sha256.Size]byte) bool { return true }) {
			last = err
		}
		if !errors.Is(last, want) {
			t.Errorf("%d foreign tokens: %v, want %v", many, last, want)
		}
	}
	for candidate := range Find(in("a." + base64.RawURLEncoding.EncodeToString([]byte(`{"aud":"a","aud":"b"}`)) + ".b")) {
		if candidate.Readings < 2 {
			t.Errorf("%d readings of a token with two audiences", candidate.Readings)
		}
	}
}
